"""The command that takes back what an apply did to venvs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from engine.resource import Resource

_MAX_NAMES = 5
"""Maximum number of venvs to name. More of them would hide the command."""


def undo_command(
    declared: Sequence[Resource], reports: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Return the name of the command, and its arguments after the file.

    A venv that was created or repaired has no earlier content to go back to.

    Args:
        declared: All declared resources.
        reports: The reports of the apply.

    Returns:
        The command, or nothing if no venv can be rolled back.

    """
    keeping = {resource.address for resource in declared if getattr(resource.spec, "keep", 0)}
    changed = [r for r in reports if r["kind"] == "venv" and r["outcome"] == "changed"]
    updated = [r for r in changed if r["action"] in ("update", "replace")]
    names = [r["name"] for r in updated if r["address"] in keeping]
    if 1 < len(names) == len(updated) and not any(r["action"] == "create" for r in changed):
        return ("rollback", "--last-run")
    return ("rollback", *names) if 0 < len(names) <= _MAX_NAMES else ()
