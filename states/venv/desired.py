"""Decide the state that a venv must have."""

from __future__ import annotations

from engine.errors import ConvergeError
from states.venv.files.state import file_attributes
from states.venv.integrity.receipt import artifacts_of
from states.venv.layout import NEW, SYSTEM_MODULES
from states.venv.observe import FOREIGN, REMEDIED, Observation, owners

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.diff import State
    from states.venv.resolve.selection import Selection
    from states.venv.spec import Venv

INTACT = "intact"
"""The desired value of an attribute, for a file that differs from the manifest, or a module."""


def require_ownership(spec: Venv, *, held: bool) -> None:
    """Check whether converge may replace foreign content at the path.

    Args:
        spec: The declared venv.
        held: Whether the content is an adopted backup that a rollback restored.

    Raises:
        ConvergeError: It may not.

    """
    is_wanted = spec.state == "present"
    if not (is_wanted and (spec.adopt or held)):
        # Imported here: a no-op run suggests no command.
        from states.venv.notices import venv_command

        raise ConvergeError(
            f"`{spec.path}` exists and wasn't created by converge",
            hint="move it, or set `adopt = true` to back it up and replace it. For a preview, run "
            f"`{venv_command(spec, 'adopt', '--dry-run')}`"
            if is_wanted
            else "move or delete it; converge deletes only what it created",
        )


def held_state(spec: Venv, observed: State, observation: Observation) -> State:
    """Return the state in which a held venv stays: as observed, without unfinished work.

    Args:
        spec: The declared venv.
        observed: The state of the venv.
        observation: The observation that the state comes from.

    Returns:
        The desired state.

    Raises:
        ConvergeError: The held generation is damaged. It can't be rebuilt, because it
            comes from an earlier declaration.

    """
    drift = observation.drifted[0].removeprefix("file.") if observation.drifted else ""
    # An interpreter that was upgraded in place still runs the venv.
    if observation.receipt and observation.receipt.python.drift() == "missing":
        drift = f"missing {observation.receipt.python.executable}, its interpreter"
    if drift:
        raise ConvergeError(
            f"the held generation of `{spec.path}` is damaged: {drift}",
            hint="roll back to another generation, or release the hold; see "
            "`converge rollback --help`",
        )
    kept = {name: value for name, value in observed.items() if not name.startswith(REMEDIED)}
    return kept if observed["path"] == FOREIGN else {**kept, "path": spec.path}


def desired_state(spec: Venv, selection: Selection, observed: State) -> dict[str, str]:
    """Return the state that a venv must have.

    Args:
        spec: The declared venv.
        selection: The interpreter and the packages.
        observed: The state of the venv. Empty if it doesn't exist.

    Returns:
        The attributes.

    """
    from states.venv.resolve.selection import settings_digest

    desired = {
        "path": spec.path,
        "python": str(selection.python),
        "system-site-packages": str(spec.system_site_packages).lower(),
        "settings": settings_digest(spec),
        "artifacts": artifacts_of(selection.packages),
        **owners(spec.owner, spec.group),
        "mode": spec.mode,
        **file_attributes(spec.files),
        **{f"package.{package.name}": package.identity() for package in selection.packages},
    }
    intact = {
        name: INTACT
        for name, condition in observed.items()
        if name.startswith(("file.", SYSTEM_MODULES)) and condition != "unexpected"
    }
    return {**desired, **intact, "generation": _generation(desired, observed)}


def _generation(desired: State, observed: State) -> str:
    """Return the observed generation if it matches, wherever the path points, or else `new`."""
    ignored = ("path", "generation", *REMEDIED)
    actual = {name: value for name, value in observed.items() if not name.startswith(ignored)}
    expected = {name: value for name, value in desired.items() if name != "path"}
    return observed.get("generation", NEW) if actual == expected else NEW
