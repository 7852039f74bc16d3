"""Check that a generation can be built: nothing that the host lacks would stop the build."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from engine.system.existence import nearest_existing
from engine.system.program_trust import require_trusted_program
from states.installer.readiness import require_ready, require_wheels
from states.installer.user_builds.build import require_possible
from states.interpreter.user import user_of_python
from states.system.programs import ExecFormatError, find_program
from states.system.users import can_execute, user_of_project
from states.venv.build.ownership import resolve_ids, user_of_code
from states.venv.build.persistent.fill import require_safe_parents
from states.venv.build.reuse.reusable import unavailable_packages
from states.venv.build.smoke import not_a_program, not_found, not_permitted
from states.venv.build.system_packages import find_system_packages
from states.venv.files.preconditions import check_files
from states.venv.resolve.builds.options import require_references
from states.venv.resolve.lines.sources import index_options

if TYPE_CHECKING:
    from collections.abc import Collection

    from engine.kind import MayCreate
    from states.system.subprocesses import User
    from states.venv.observe import Observation
    from states.venv.resolve.selection import Selection
    from states.venv.spec import Venv


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
        else:
            _require_safe_projects(spec, selection, missing)
        require_ready(index_options(spec), selection.lock, missing, may_create)
    user = user_of_code(spec, store) or python_user
    _require_smoke_programs(spec, user, may_create)
    if user is not None and spec.smoke:
        _require_accessible(spec, selection.python.executable, store.root, user)


def _require_safe_projects(spec: Venv, selection: Selection, missing: Collection[str]) -> None:
    """Check that each project that another user can change can be built as that user.

    Args:
        spec: The declared venv.
        selection: The interpreter and the packages.
        missing: The packages that have to be installed.

    Raises:
        PermissionDenied: One can't.

    """
    for package in selection.packages:
        project = package.project() if package.name in missing else ""
        user = user_of_project(project) if project else None
        if user is not None:
            require_possible(project, user, selection.python.executable, index_options(spec))


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
        except ExecFormatError:
            raise not_a_program(command, program) from None
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
        if commands and not can_execute(path, user):
            error = PermissionError(0, "Permission denied", path)
            raise not_permitted(commands[0], user, error)
