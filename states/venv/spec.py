"""What a `[venv.*]` table can say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


def _key(description: str, default: Any = (), **more: Any) -> Any:
    """Make a field that the JSON Schema describes; pydantic reads the metadata."""
    return field(default=default, metadata={"description": description, **more})


def _kebab(name: str) -> str:
    return name.replace("_", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Venv:
    """One virtual environment. Paths are absolute once the spec is complete."""

    __pydantic_config__ = {"extra": "forbid", "alias_generator": _kebab}  # noqa: RUF012

    path: str = field(
        metadata={"description": "Where it is found; becomes a symlink to the live generation."}
    )
    python: str = _key(
        "A version, a range such as `>=3.11,<3.13`, an absolute path, or `interpreter.NAME`.", "3"
    )
    packages: tuple[str, ...] = _key("Requirements, as PEP 508 writes them.")
    requirements: tuple[str, ...] = _key("Requirement files.")
    constraints: tuple[str, ...] = _key("Constraint files or URLs: they bound versions.")
    overrides: tuple[str, ...] = _key("Requirements that win over whatever else asks.")
    build_constraints: tuple[str, ...] = _key("Constraint files for what builds from source.")
    lock: str = _key("A PEP 751 lock file: then exactly this is installed.", "")
    index_url: str = _key("The index; or `env:NAME` or `file:PATH` that holds its URL.", "")
    extra_index_url: tuple[str, ...] = _key("Further indexes, searched first; as `index-url`.")
    netrc: str = _key("A netrc file with the credentials of indexes.", "")
    find_links: tuple[str, ...] = _key("Folders or pages with distribution files.")
    no_index: bool = _key("Look into `find-links` only.", default=False)
    exclude_newer: str = _key("Ignore what was uploaded after this date.", "")
    persistent: tuple[str, ...] = _key("Folders inside that live on across generations.")
    ignore: tuple[str, ...] = _key("Patterns of paths inside whose content is nobody's business.")
    system_site_packages: bool = _key("Let it see the interpreter's own packages.", default=False)
    system_packages: tuple[str, ...] = _key("Modules of the interpreter's, linked in.")
    owner: str = _key("User that owns all files; empty for who runs converge.", "")
    group: str = _key("Group of all files.", "")
    mode: str = _key("Permissions of the environment's folder, in octal.", "0755")
    smoke: tuple[str, ...] = _key("Commands that must succeed before it is published.")
    keep: int = _key("So many former generations are kept for rollback.", 1)
    adopt: bool = _key("Take over a folder of another tool's making at the path.", default=False)
    needs: tuple[str, ...] = _key("Addresses of what must be there first.")
    state: Literal["present", "absent"] = _key("Whether it should be there.", "present")

    inputs: str = field(default="", metadata={"derived": True})
    """Digest of all that versions follow from, but the interpreter."""
    origins: tuple[str, ...] = field(default=(), metadata={"derived": True})
    """For each local project or wheel that is asked for: its path, NUL, its digest."""
