"""What a `[venv.*]` table can say."""

from __future__ import annotations

from engine.value import derived, key, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal


@value
class Venv:
    """One virtual environment. Paths are absolute once the spec is complete."""

    path: str = key("Where it is found; becomes a symlink to the live generation.")
    python: str = key(
        "A version, a range such as `>=3.11,<3.13`, an absolute path, or `interpreter.NAME`.",
        default="3",
    )
    packages: tuple[str, ...] = key("Requirements, as PEP 508 writes them.", default=())
    requirements: tuple[str, ...] = key("Requirement files.", default=())
    constraints: tuple[str, ...] = key("Constraint files or URLs: they bound versions.", default=())
    overrides: tuple[str, ...] = key("Requirements that win over whatever else asks.", default=())
    build_constraints: tuple[str, ...] = key(
        "Constraint files for what builds from source.", default=()
    )
    lock: str = key("A PEP 751 lock file: then exactly this is installed.", default="")
    index_url: str = key("The index; or `env:NAME` or `file:PATH` that holds its URL.", default="")
    extra_index_url: tuple[str, ...] = key(
        "Further indexes, searched first; as `index-url`.", default=()
    )
    netrc: str = key("A netrc file with the credentials of indexes.", default="")
    find_links: tuple[str, ...] = key("Folders or pages with distribution files.", default=())
    no_index: bool = key("Look into `find-links` only.", default=False)
    exclude_newer: str = key("Ignore what was uploaded after this date.", default="")
    persistent: tuple[str, ...] = key("Folders inside that live on across generations.", default=())
    ignore: tuple[str, ...] = key(
        "Patterns of paths inside whose content is nobody's business.", default=()
    )
    system_site_packages: bool = key("Let it see the interpreter's own packages.", default=False)
    system_packages: tuple[str, ...] = key("Modules of the interpreter's, linked in.", default=())
    owner: str = key("User that owns all that is inside; empty for who runs converge.", default="")
    group: str = key("Group of all files.", default="")
    mode: str = key("Permissions of the environment's folder, in octal.", default="0755")
    smoke: tuple[str, ...] = key("Commands that must succeed before it is published.", default=())
    keep: int = key("So many former generations are kept for rollback.", default=1)
    adopt: bool = key("Take over a folder of another tool's making at the path.", default=False)
    needs: tuple[str, ...] = key("Addresses of what must be there first.", default=())
    state: Literal["present", "absent"] = key("Whether it should be there.", default="present")

    inputs: str = derived(default="")
    """Digest of all that versions follow from, but the interpreter."""
    origins: tuple[str, ...] = derived(default=())
    """For each local project or wheel that is asked for: its path, NUL, its digest."""
    declared: str = derived(default="")
    """The file and the address that declare it, for people."""

    def local_digests(self) -> dict[str, str]:
        """Return the digest of each local project or wheel that is asked for, by its path."""
        return dict(one.split("\0") for one in self.origins)
