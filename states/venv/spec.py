"""What a `[venv.*]` table can say."""

from __future__ import annotations

from engine.frozen import computed, field, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal


@frozen
class Venv:
    """One virtual environment. Paths are absolute once the spec is complete."""

    path: str = field("Where it is found; becomes a symlink to the live generation.")
    python: str = field(
        "A version, a range such as `>=3.11,<3.13`, an absolute path, or `interpreter.NAME`.",
        default="3",
    )
    packages: tuple[str, ...] = field("Requirements, as PEP 508 writes them.", default=())
    requirements: tuple[str, ...] = field("Requirement files.", default=())
    constraints: tuple[str, ...] = field(
        "Constraint files or URLs: they bound versions.", default=()
    )
    overrides: tuple[str, ...] = field("Requirements that win over whatever else asks.", default=())
    build_constraints: tuple[str, ...] = field(
        "Constraint files for what builds from source.", default=()
    )
    lock: str = field("A PEP 751 lock file: then exactly this is installed.", default="")
    index_url: str = field(
        "The index; or `env:NAME` or `file:PATH` that holds its URL.", default=""
    )
    extra_index_url: tuple[str, ...] = field(
        "Further indexes, searched first; as `index-url`.", default=()
    )
    netrc: str = field("A netrc file with the credentials of indexes.", default="")
    find_links: tuple[str, ...] = field("Folders or pages with distribution files.", default=())
    no_index: bool = field("Look into `find-links` only.", default=False)
    exclude_newer: str = field("Ignore what was uploaded after this date.", default="")
    persistent: tuple[str, ...] = field(
        "Folders inside that live on across generations.", default=()
    )
    ignore: tuple[str, ...] = field(
        "Patterns of paths inside whose content is nobody's business.", default=()
    )
    system_site_packages: bool = field("Let it see the interpreter's own packages.", default=False)
    system_packages: tuple[str, ...] = field("Modules of the interpreter's, linked in.", default=())
    owner: str = field(
        "User that owns all that is inside; empty for who runs converge.", default=""
    )
    group: str = field("Group of all files.", default="")
    mode: str = field("Permissions of the environment's folder, in octal.", default="0755")
    smoke: tuple[str, ...] = field("Commands that must succeed before it is published.", default=())
    keep: int = field("So many former generations are kept for rollback.", default=1)
    adopt: bool = field("Take over a folder of another tool's making at the path.", default=False)
    needs: tuple[str, ...] = field("Addresses of what must be there first.", default=())
    state: Literal["present", "absent"] = field("Whether it should be there.", default="present")

    inputs: str = computed(default="")
    """Digest of all that versions follow from, but the interpreter."""
    origins: tuple[str, ...] = computed(default=())
    """Digests of the required local projects and wheels, in the form of `pack_origins`."""
    declared: str = computed(default="")
    """The file and the address that declare it, for people."""

    def local_digests(self) -> dict[str, str]:
        """Return the digest of each required local project or wheel, by its path."""
        return _unpack_origins(self.origins)


def pack_origins(digests: Mapping[str, str]) -> tuple[str, ...]:
    """Return digests by path as strings, because the fields of a spec are flat.

    The separator is NUL, the only character that a path can't contain.
    """
    return tuple(f"{path}\0{digest}" for path, digest in digests.items())


def _unpack_origins(origins: tuple[str, ...]) -> dict[str, str]:
    return dict(origin.split("\0") for origin in origins)
