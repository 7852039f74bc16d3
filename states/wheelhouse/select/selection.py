"""Select the versions of each venv for each interpreter: recorded ones, or new ones.

The rules are those of a venv. Versions stay until the inputs change, or until `--upgrade`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.frozen import frozen, replace
from engine.system.files import sha256
from states.interpreter import discovery
from states.interpreter.kind import executable_in
from states.venv.resolve.reuse.planned import delete_record
from states.venv.resolve.selection import resolve_versions
from states.wheelhouse.sandbox import find_build_user
from states.wheelhouse.select.lock_names import LOCKS, lock_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.kind import Dependencies
    from engine.settings import Settings
    from states.interpreter.discovery import Python
    from states.system.subprocesses import User
    from states.venv.spec import Venv
    from states.wheelhouse.spec import Wheelhouse


@frozen
class VenvPython:
    """The interpreter for one venv, and the inputs that versions are selected from."""

    venv: str
    """The address of the venv."""
    request: str
    """The interpreter request as declared."""
    inputs: str
    """A digest of everything that versions are selected from, except the interpreter."""
    python: Python

    @property
    def key(self) -> str:
        """The identity of the venv and the request."""
        return f"{self.venv} {self.request}"


@frozen
class Selected:
    """The versions of one venv for one interpreter."""

    target: VenvPython
    lock: str
    """The text of a lock with one file for each package."""
    notices: tuple[str, ...] = ()

    @property
    def venv(self) -> str:
        """The address of the venv."""
        return self.target.venv

    @property
    def python(self) -> Python:
        """The interpreter."""
        return self.target.python


def input_digest(venv: Venv) -> str:
    """Return a digest of everything that the wheels of a venv depend on, except interpreters."""
    return sha256(json.dumps([venv.inputs, venv.build_settings]).encode())[:32]


def is_current(spec: Wheelhouse, targets: tuple[VenvPython, ...]) -> bool:
    """Return whether recorded targets answer a spec without an index or a search.

    Raises:
        OSError: An interpreter can't be examined.

    """
    requested = [
        (address, request, input_digest(venv)) for address, venv, request in spec.requests()
    ]
    recorded = [(target.venv, target.request, target.inputs) for target in targets]
    return requested == recorded and not any(target.python.drift() for target in targets)


def select(
    spec: Wheelhouse,
    recorded: Mapping[str, Selected],
    dependencies: Dependencies,
    settings: Settings,
) -> tuple[Selected, ...]:
    """Select versions for each venv and interpreter. Asks an index only for changed inputs.

    Args:
        spec: The spec.
        recorded: The versions of the live generation, by the keys of their targets.
        dependencies: The state of each declared interpreter.
        settings: The cache directory, and the packages to upgrade.

    Returns:
        The versions, in the order of `Wheelhouse.requests`.

    Raises:
        ConvergeError: No interpreter or no versions satisfy a venv.

    """
    user = find_build_user(spec.build_user)
    selected = []
    for address, venv, request in spec.requests():
        previous = recorded.get(f"{address} {request}")
        state, _ = dependencies.get(request, (None, ""))
        resolved = request if state is None else executable_in(state)
        try:
            python = _select_python(resolved, previous)
            target = VenvPython(address, request, input_digest(venv), python)
            recorded_lock = _find_recorded(target, previous, settings)
            selected.append(recorded_lock or _resolve(target, spec, previous, settings, user))
        except ConvergeError as error:
            error.message = f"{address}: {error.message}"
            raise
    return tuple(selected)


def _select_python(request: str, previous: Selected | None) -> Python:
    if previous and not previous.python.drift() and discovery.satisfies(previous.python, request):
        return previous.python
    return discovery.find(request)


def _find_recorded(
    target: VenvPython, previous: Selected | None, settings: Settings
) -> Selected | None:
    """Return the recorded versions if they answer the same request.

    Args:
        target: The venv and the interpreter.
        previous: The recorded versions, if there are any.
        settings: The packages to upgrade.

    Returns:
        The versions, or None.

    """
    if previous is None or settings.upgrade is not None:
        return None
    is_same = previous.target.inputs == target.inputs
    is_same = is_same and previous.python.is_compatible_with(target.python)
    return Selected(target, previous.lock) if is_same else None


def _resolve(
    target: VenvPython,
    spec: Wheelhouse,
    previous: Selected | None,
    settings: Settings,
    user: User | None,
) -> Selected:
    """Resolve the versions of a venv for an interpreter.

    Args:
        target: The venv and the interpreter.
        spec: The wheelhouse.
        previous: Versions that are kept where possible, if there are any.
        settings: The cache directory, and the packages to upgrade.
        user: The build user, if it isn't the current one.

    Returns:
        The versions.

    Raises:
        ConvergeError: No versions satisfy the venv.

    """
    venv, lock = _venv_of(spec, target), previous.lock if previous is not None else None
    if user is not None and not venv.lock:
        # Imported here: most hosts declare no build user.
        from states.wheelhouse.select.as_user import resolve_as

        return Selected(target, *resolve_as(user, venv, target.python, lock, settings))
    resolution = resolve_versions(venv, target.python, lock, None, settings)
    return Selected(target, resolution.lock, resolution.notices)


def _venv_of(spec: Wheelhouse, target: VenvPython) -> Venv:
    """Return the spec to resolve. Its path identifies the resolution, also in messages."""
    path = f"{spec.path}/{LOCKS}/{lock_name(target.venv)} for Python {target.python.version}"
    return replace(spec.sources[target.venv], path=path)


def delete_planned(spec: Wheelhouse, selected: tuple[Selected, ...], settings: Settings) -> None:
    """Delete the records of resolutions that a plan left for an apply.

    Args:
        spec: The spec.
        selected: The versions.
        settings: The cache directory.

    """
    for versions in selected:
        delete_record(_venv_of(spec, versions.target), settings)
