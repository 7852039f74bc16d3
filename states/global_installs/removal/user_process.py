"""Call a function as another user, in a forked process.

The site directory of a user, and everything around it, belongs to that user, who can replace any
part of a path at any moment. A process with only that user's rights can't be redirected further.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from engine.errors import ConvergeError, from_os_error
from engine.system.files import write_all
from states.system.users import with_groups

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from states.system.subprocesses import User


def call_as(uid: int | None, gid: int, function: Callable[[], None]) -> None:
    """Call a function, as another user if this process is root.

    Args:
        uid: The user, or None for the current one.
        gid: The group of the user.
        function: Changes files, and returns nothing.

    Raises:
        ConvergeError: The function failed in the other process.
        OSError: It failed in this one.

    """
    if uid is None or uid == os.geteuid():
        function()
        return
    _import_first()
    user = with_groups(uid, gid)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _answer(user, function, write_end)
    os.close(write_end)
    try:
        with open(read_end, "rb") as stream:
            answer = stream.read()
    finally:
        _, status = os.waitpid(pid, 0)
    if status or answer:
        message, hint = json.loads(answer) if answer else ("a child process was killed", "")
        raise ConvergeError(f"{message} (as the user {user.name})", hint=hint or None)


def _import_first() -> None:
    """Import the modules that the function imports when it needs them.

    The user might not be able to read the files of converge, or of its interpreter.
    """
    # Imported here: most hosts have no such directory.
    import ctypes  # noqa: F401

    import states.venv.generations.removal  # noqa: F401


def _answer(user: User, function: Callable[[], None], descriptor: int) -> NoReturn:
    """Switch the user, call the function, and end the process. No exit handler runs.

    Args:
        user: The user.
        function: The function.
        descriptor: The pipe for the error, if any.

    """
    status = 1
    try:
        try:
            _switch(user)
            function()
            status = 0
        except Exception as error:
            reported = from_os_error(error) if isinstance(error, OSError) else error
            hint = getattr(reported, "hint", None) or ""
            write_all(descriptor, json.dumps([str(reported), hint]).encode())
    finally:
        os._exit(status)


def _switch(user: User) -> None:
    os.setgroups(user.groups)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    os.umask(0o022)
