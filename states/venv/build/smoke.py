"""Run the smoke tests of a generation before it is published."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import ConvergeError, PermissionDenied
from states.system import subprocesses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from states.venv.build.stages import Draft

_TIMEOUT_S = 120.0
_INTERPRETER_STARTS = "python -I -c 'import sys'"


def run_smoke_tests(draft: Draft) -> None:
    """Start the interpreter, then run the commands of `smoke`.

    Raises:
        ConvergeError: A command failed, timed out, or doesn't exist.
        PermissionDenied: A command isn't executable.

    """
    progress.step("running smoke tests")
    root, scratch = draft.root, draft.context.scratch
    environment = subprocesses.clean_environment(
        scratch, {"PATH": f"{root}/bin:{os.defpath}", "VIRTUAL_ENV": root}
    )
    for command in (_INTERPRETER_STARTS, *draft.context.spec.smoke):
        _run(command, root, environment, scratch)


def _run(command: str, root: str, environment: Mapping[str, str], scratch: str) -> None:
    program, *arguments = shlex.split(command)
    script = f"{root}/bin/{program}"
    argv = [script if os.path.exists(script) else program, *arguments]
    try:
        completed = subprocesses.run(
            argv, env=environment, cwd=scratch, timeout=_TIMEOUT_S, locks=False
        )
    except FileNotFoundError:
        raise ConvergeError(
            f"smoke test `{command}`: no program `{program}`",
            hint="use a script of one of the packages, or remove the command from `smoke`",
        ) from None
    except PermissionError as error:
        raise PermissionDenied(
            f"smoke test `{command}`: {(error.strerror or '').lower()}: `{error.filename}`",
            hint="make the script executable, and mount its file system without `noexec`",
        ) from None
    except subprocess.TimeoutExpired:
        raise ConvergeError(f"smoke test `{command}` timed out after {_TIMEOUT_S:g} s") from None
    if completed.status != 0:
        raise ConvergeError(
            f"smoke test `{command}` {completed.describe_exit()}",
            hint="fix the package or the command; the previous generation stays live",
            output=completed.last_lines(),
        )
