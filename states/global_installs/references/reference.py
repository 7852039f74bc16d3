"""A file that starts programs or imports modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.frozen import frozen

if TYPE_CHECKING:
    from typing import Literal


@frozen
class Usage:
    """The programs that a command line or a script starts, and the modules that it imports."""

    programs: tuple[str, ...] = ()
    """Absolute paths, without symlinks in their directories."""
    imports: tuple[tuple[str, str], ...] = ()
    """The interpreter without symlinks, and the name of the top-level module."""


@frozen
class Reference:
    """One file of the host that uses programs or modules."""

    kind: Literal["unit", "crontab", "script"]
    path: str
    user: str
    """The user that it runs as, if it names one."""
    usage: Usage


def joined(usages: list[Usage]) -> Usage:
    """Return the union of several usages."""
    programs = dict.fromkeys(program for usage in usages for program in usage.programs)
    imports = dict.fromkeys(imported for usage in usages for imported in usage.imports)
    return Usage(tuple(programs), tuple(imports))
