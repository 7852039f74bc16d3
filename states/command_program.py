"""The program of a command: whether it can start, and as which user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import ConvergeError, PermissionDenied
from states.command_environment import environment
from states.system.programs import ExecFormatError, find_program
from states.system.users import user_of_paths

if TYPE_CHECKING:
    from engine.kind import MayCreate
    from states.command_environment import Variables
    from states.system.subprocesses import User


def user_of_program(
    program: str, cwd: str, variables: Variables, may_create: MayCreate = lambda _: False
) -> User | None:
    """Check that the program can start, and return the user that it has to run as.

    Root doesn't run a program that another user can change, or in the directory of another user.

    Args:
        program: The first argument of the command.
        cwd: Its working directory.
        variables: Its declared variables.
        may_create: Whether a dependency may create a path.

    Returns:
        The user, or None for the current one.

    Raises:
        ConvergeError: The program, the directory, or a secret doesn't exist.
        PermissionDenied: The current user can't run the program, or several users can change it.

    """
    try:
        path = find_program(program, environment(variables), cwd, may_create)
    except (FileNotFoundError, NotADirectoryError, PermissionError, ExecFormatError) as error:
        raise not_started(program, cwd, error) from None
    return None if path is None else user_of_paths((path, cwd), program)


def not_started(program: str, cwd: str, error: OSError) -> ConvergeError:
    """Return the error for a program that couldn't be started, with the path that failed.

    Args:
        program: The first argument of the command.
        cwd: Its working directory.
        error: The error of the kernel.

    Returns:
        The error to report.

    """
    error_class = PermissionDenied if isinstance(error, PermissionError) else ConvergeError
    if error.filename == cwd:
        hint = "set `cwd` to an existing directory that the current user can access"
    elif error_class is PermissionDenied:
        hint = "make it executable for the current user"
    elif isinstance(error, ExecFormatError):
        hint = "begin it with `#!` and its interpreter, or add the interpreter to `argv`"
    else:
        hint = "converge searches only the system's PATH; use the absolute path of the program"
    message = f"can't run `{program}`: {error.strerror}: `{error.filename}`"
    return error_class(message, hint=hint)
