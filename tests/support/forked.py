"""Run the command in a fork of the test process, which is faster than a new interpreter."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from engine.cli.main import main
from states.__main__ import COMMANDS, build_registry
from tests.laws.kill_before_change import Killer
from tests.support.command import Completed, completed


def run_forked(
    *arguments: str, env: Mapping[str, str], cwd: Path, kill_before_change: int = 0
) -> Completed:
    """Run the command in a child process, and return its result.

    Args:
        arguments: The arguments.
        env: The whole environment.
        cwd: The current directory.
        kill_before_change: The number of the change before which the process is killed. 0 means
            none. See `Killer`.
    """
    readers, writers = zip(*(os.pipe() for _ in range(2)), strict=True)
    pid = os.fork()
    if pid == 0:
        try:
            for number, writer in zip((1, 2), writers, strict=True):
                os.dup2(writer, number)
            sys.stdout, sys.stderr = (open(n, "w", encoding="utf-8") for n in (1, 2))  # noqa: SIM115
            os.environ.clear()
            os.environ.update(env)
            os.chdir(cwd)
            sys.addaudithook(Killer(kill_before_change))
            code = main(build_registry, COMMANDS, arguments)
            sys.stdout.flush()
            os._exit(code)
        finally:
            os._exit(99)
    for writer in writers:
        os.close(writer)
    # The output of one run fits into the buffer of a pipe.
    _, status = os.waitpid(pid, 0)
    contents = []
    for reader in readers:
        with open(reader, "rb") as pipe:
            contents.append(pipe.read())
    return completed(arguments, os.waitstatus_to_exitcode(status), *contents)
