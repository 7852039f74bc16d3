"""Trying a finished generation before anybody else does."""

from __future__ import annotations

import os
import shlex
import subprocess

from engine import progress
from engine.errors import ConvergeError, PermissionDenied
from states.system import subprocesses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.spec import Venv

_SECONDS = 120.0


def smoke(root: str, spec: Venv, work: str) -> None:
    """Start the interpreter, and run the commands that the declaration asks for."""
    progress.step("trying it")
    plain = ["python -I -c 'import sys'"]
    env = subprocesses.clean_environment(
        work, {"PATH": f"{root}/bin:{os.defpath}", "VIRTUAL_ENV": root}
    )
    for command in (*plain, *spec.smoke):
        words = shlex.split(command)
        inside = f"{root}/bin/{words[0]}"
        argv = [inside if os.path.exists(inside) else words[0], *words[1:]]
        try:
            ended = subprocesses.run(argv, env=env, cwd=work, timeout=_SECONDS)
        except FileNotFoundError:
            raise ConvergeError(
                f"`{command}` cannot be tried: there is no `{words[0]}`",
                hint="name a script of one of the packages, or take it out of `smoke`",
            ) from None
        except PermissionError as error:
            raise PermissionDenied(
                f"`{command}` cannot be tried: {error.strerror}: `{error.filename}`",
                hint="a script must be executable, and its file system not be mounted `noexec`",
            ) from None
        except subprocess.TimeoutExpired:
            raise ConvergeError(f"`{command}` did not end within {_SECONDS:g} s") from None
        if ended.status != 0:
            raise ConvergeError(
                f"`{command}` {ended.describe_exit()} in the new generation",
                hint="the former one stays live; nothing was published",
                output=ended.last_lines(),
            )
