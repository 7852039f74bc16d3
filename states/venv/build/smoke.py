"""Run the smoke tests of a generation before it is published."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import ConvergeError, PermissionDenied
from engine.frozen import frozen, replace
from states.interpreter.user import user_of_python
from states.system import subprocesses
from states.system.scratch import scratch_dir_in
from states.venv.build.ownership import user_of_code
from states.venv.generations.store import live_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from states.system.subprocesses import User
    from states.venv.build.stages import Draft

_TIMEOUT_S = 120.0
_INTERPRETER_STARTS = "python -I -c 'import sys'"
_INTERPRETER_STARTS_ALONE = "python -I -S -c 'import sys'"
"""Runs no code of the environment: neither its packages nor its `.pth` files."""


@frozen
class _Test:
    """How the smoke tests of one generation run."""

    root: str
    environment: Mapping[str, str]
    directory: str
    inherit: subprocesses.Inherited
    was_published: bool
    """Whether the venv has a live generation, which stays live if a test fails."""

    @property
    def consequence(self) -> str:
        """The effect of a failure on the venv, as the end of a hint."""
        if self.was_published:
            return "the previous generation stays live"
        return "nothing was published"


def run_smoke_tests(draft: Draft) -> None:
    """Start the interpreter, then run the commands of `smoke`.

    They run as the owner, because they may load code that the owner can change: persistent
    directories belong to the owner already.

    Raises:
        ConvergeError: A command failed, timed out, or doesn't exist.
        PermissionDenied: A command isn't executable.

    """
    progress.step("running smoke tests")
    context = draft.context
    python = context.selection.python
    user = user_of_code(context.spec, context.store) or user_of_python(python)
    if user is None:
        _run_all(draft, context.scratch, subprocesses.NOTHING)
        return
    # Another user can't enter the scratch directory of the build.
    with scratch_dir_in(context.store.root) as home:
        os.chown(home, user.uid, user.gid)
        # The owner must not get hold of the lock.
        _run_all(draft, home, subprocesses.Inherited(locks=False, user=user))


def _run_all(draft: Draft, home: str, inherit: subprocesses.Inherited) -> None:
    root, store = draft.root, draft.context.store
    environment = subprocesses.clean_environment(
        home, {"PATH": f"{root}/bin:{os.defpath}", "VIRTUAL_ENV": root}
    )
    test = _Test(root, environment, home, inherit, live_id(store) is not None)
    _start_interpreter(test)
    for command in draft.context.spec.smoke:
        _run(command, test)


def _start_interpreter(test: _Test) -> None:
    """Start the interpreter as the owner. If the owner isn't allowed to, start it without packages.

    An owner of files doesn't have to be the user who runs them.
    """
    try:
        _run(_INTERPRETER_STARTS, test)
    except PermissionDenied:
        if test.inherit.user is None:
            raise
        progress.step(f"user {test.inherit.user.name} can't run the interpreter")
        _run(_INTERPRETER_STARTS_ALONE, replace(test, inherit=subprocesses.NOTHING))


def _run(command: str, test: _Test) -> None:
    program, *arguments = shlex.split(command)
    script = f"{test.root}/bin/{program}"
    argv = [script if os.path.exists(script) else program, *arguments]
    try:
        completed = subprocesses.run(
            argv,
            env=test.environment,
            cwd=test.directory,
            timeout=_TIMEOUT_S,
            inherit=test.inherit,
        )
    except FileNotFoundError:
        raise not_found(command, program) from None
    except PermissionError as error:
        raise not_permitted(command, test.inherit.user, error) from None
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        raise not_a_program(command, program) from None
    except subprocess.TimeoutExpired:
        raise ConvergeError(f"smoke test `{command}` timed out after {_TIMEOUT_S:g} s") from None
    if completed.status != 0:
        raise ConvergeError(
            f"smoke test `{command}` {completed.describe_exit()}",
            hint=f"fix the package or the command; {test.consequence}",
            output=completed.last_lines(),
        )


def not_found(command: str, program: str) -> ConvergeError:
    """Return the error for a command whose program doesn't exist."""
    return ConvergeError(
        f"smoke test `{command}`: no program `{program}`",
        hint="use a script of one of the packages, or remove the command from `smoke`",
    )


def not_a_program(command: str, program: str) -> ConvergeError:
    """Return the error for a command whose program the kernel can't execute."""
    return ConvergeError(
        f"smoke test `{command}`: `{program}` isn't a program or a script with `#!`",
        hint="begin it with `#!` and its interpreter, or add the interpreter to the command",
    )


def not_permitted(command: str, user: User | None, error: PermissionError) -> PermissionDenied:
    """Return the error for a command that a user can't run.

    Args:
        command: The command.
        user: The user. None for the current one.
        error: The error of the kernel.

    Returns:
        The error to report.

    """
    strerror = (error.strerror or "").lower()
    if user is None:
        return PermissionDenied(
            f"smoke test `{command}`: {strerror}: `{error.filename}`",
            hint="make the script executable, and mount its file system without `noexec`",
        )
    return PermissionDenied(
        f"smoke test `{command}`: user {user.name} can't run it: {strerror}",
        hint=f"let {user.name} read the interpreter and enter the directories above the venv",
    )
