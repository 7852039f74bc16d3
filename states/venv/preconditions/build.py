"""Check that a generation can be built: nothing that the host lacks would stop the build."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from engine.system.existence import nearest_existing
from engine.system.program_trust import require_trusted_program
from states.installer.readiness import require_ready, require_wheels
from states.interpreter.user import user_of_python
from states.system.programs import find_program
from states.system.subprocesses import NOTHING, Inherited, clean_environment, run
from states.venv.build.ownership import resolve_ids, user_of_code
from states.venv.build.persistent.fill import require_safe_parents
from states.venv.build.reuse.reusable import unavailable_packages
from states.venv.build.smoke import not_found, not_permitted
from states.venv.build.system_packages import find_system_packages
from states.venv.files.preconditions import check_files
from states.venv.resolve.builds.options import require_references
from states.venv.resolve.lines.sources import index_options

if TYPE_CHECKING:
    from engine.kind import MayCreate
    from states.system.subprocesses import User
    from states.venv.observe import Observation
    from states.venv.resolve.selection import Selection
    from states.venv.spec import Venv

_IS_EXECUTABLE = ("/bin/sh", "-c", '[ -x "$0" ]')


def require_buildable(
    spec: Venv,
    selection: Selection,
    observations: tuple[Observation, ...],
    may_create: MayCreate,
) -> None:
    """Check that a generation can be built, as far as the host decides that.

    Args:
        spec: The declared venv.
        selection: The interpreter and the packages.
        observations: The observation of this venv, then those of others to copy packages from.
        may_create: Whether a dependency may create a path.

    Raises:
        ConvergeError, OSError: The build would fail.

    """
    store = observations[0].store
    resolve_ids(spec)
    if spec.files:
        check_files(spec, store, may_create)
    for name in spec.persistent:
        require_safe_parents(store, name)
    find_system_packages(selection.python, spec.system_packages)
    missing = unavailable_packages(selection, observations)
    python_user = user_of_python(selection.python)
    require_references(spec)
    if missing:
        if python_user is not None:
            require_wheels(selection.lock, missing, python_user)
        require_ready(index_options(spec), selection.lock, missing, may_create)
    user = user_of_code(spec, store) or python_user
    _require_smoke_programs(spec, user, may_create)
    if user is not None and spec.smoke:
        _require_accessible(spec, selection.python.executable, store.root, user)


def _require_smoke_programs(spec: Venv, user: User | None, may_create: MayCreate) -> None:
    """Check the programs that no package can bring: those with an absolute path.

    Args:
        spec: The declared venv.
        user: The user of the smoke tests. None for the current one.
        may_create: Whether a dependency may create a path.

    Raises:
        ConvergeError: One doesn't exist.
        PermissionDenied: One isn't executable, or another user could run code as root.

    """
    for command in spec.smoke:
        program = shlex.split(command)[0]
        if not os.path.isabs(program):
            continue
        try:
            path = find_program(program, {}, "/", may_create)
        except FileNotFoundError:
            raise not_found(command, program) from None
        except PermissionError as error:
            raise not_permitted(command, None, error) from None
        if path and user is None:
            require_trusted_program(path, f"the smoke test `{command}` would run as root")


def _require_accessible(spec: Venv, python: str, store: str, user: User) -> None:
    """Check that the user of the smoke tests can enter the store, and run the interpreter.

    Args:
        spec: The declared venv, with smoke tests.
        python: The interpreter.
        store: The directory of the store, which might not exist.
        user: The user.

    Raises:
        PermissionDenied: The user can't.

    """
    starts_python = [
        command for command in spec.smoke if shlex.split(command)[0].startswith("python")
    ]
    for path, commands in ((nearest_existing(store), spec.smoke), (python, starts_python)):
        if commands and not _is_executable(path, user):
            error = PermissionError(0, "Permission denied", path)
            raise not_permitted(commands[0], user, error)


def _is_executable(path: str, user: User) -> bool:
    """Ask the kernel whether a user can enter a directory or run a file. ACLs count."""
    try:
        completed = run(
            [*_IS_EXECUTABLE, path],
            env=clean_environment("/"),
            cwd="/",
            inherit=Inherited(locks=NOTHING.locks, user=user),
        )
    except (PermissionError, subprocess.SubprocessError):
        return True  # This process can't switch users. The build reports that.
    return completed.status == 0
