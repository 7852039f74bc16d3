"""Start an interpreter that another user can change. Root runs it as that user, never as root."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import python_discovery
from python_discovery import PythonInfo

from states.system.users import user_of_paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from states.system.subprocesses import User


def user_of_interpreter(path: str) -> User | None:
    """Return the user as whom root has to start an interpreter, or None.

    Raises:
        PermissionDenied: Several users can change it.

    """
    return user_of_paths((path,), path)


def write_launcher(directory: str, program: str, user: User, private: tuple[str, ...]) -> str:
    """Write a shell script that starts an interpreter as a user, and return its path.

    Args:
        directory: A directory that only root can write.
        program: The interpreter.
        user: The user.
        private: Directories that the user can't read. Arguments may name files in them.

    Returns:
        The path.

    """
    configuration = {
        "program": program,
        "uid": user.uid,
        "gid": user.gid,
        "groups": list(user.groups),
        "private": list(private),
    }
    name = f"{directory}/{os.path.basename(program)}"
    Path(f"{name}.json").write_text(json.dumps(configuration), "utf-8")
    script = os.path.join(os.path.dirname(__file__), "launch_script.py")
    command = shlex.join([sys.executable, "-I", "-S", script, f"{name}.json"])
    Path(name).write_text(f'#!/bin/sh\nexec {command} "$@"\n', "utf-8")
    os.chmod(name, 0o700)
    return name


def query_as_user(path: str, user: User, environment: Mapping[str, str]) -> PythonInfo | None:
    """Return the properties of an interpreter, or None if it can't be started.

    Args:
        path: The interpreter.
        user: The user.
        environment: The environment of the launcher.

    Returns:
        The properties.

    """
    package = os.path.dirname(str(python_discovery.__file__))
    with tempfile.TemporaryDirectory() as directory:
        launcher = write_launcher(directory, path, user, (package, directory))
        # Without this, the base of an environment would be started as the current user.
        info = PythonInfo.from_exe(
            launcher, raise_on_error=False, resolve_to_host=False, env=environment
        )
    if info is not None:
        info.executable = path
    return info
