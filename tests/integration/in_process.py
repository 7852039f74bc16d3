"""Run the command on a host in this process, which takes a tenth of the time of a new one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from engine.cli.main import main
from states.__main__ import COMMANDS, build_registry
from tests.integration.host import Host
from tests.support.command import Completed, completed
from tests.unit.cli_runner import Stream, restored_process_state


@dataclass(frozen=True, slots=True)
class InProcess:
    """A host, and the command with the kinds of converge.

    For runs that end before anything is built: a build starts the same processes anyway.
    """

    host: Host
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *arguments: str) -> Completed:
        """Run a command on the declaration, with `--json`."""
        argv = [arguments[0], "converge.toml", *arguments[1:], "--json"]
        out, err = Stream(False), Stream(False)
        with self.monkeypatch.context() as patch:
            patch.chdir(self.host.directory)
            for name, value in self.host.environment().items():
                patch.setenv(name, value)
            with restored_process_state(), redirect_stdout(out), redirect_stderr(err):
                code = main(build_registry, COMMANDS, argv)
        return completed(argv, code, out.content(), err.content())

    def tree(self) -> set[tuple[str, int, int]]:
        """Return the path, the mode, and the ctime of each entry, except in the state directory."""
        return set(self._entries())

    def _entries(self) -> Iterator[tuple[str, int, int]]:
        for directory, names, files in os.walk(self.host.directory):
            names[:] = [name for name in names if name != "state"]
            for name in (*names, *files):
                path = os.path.join(directory, name)
                status = os.lstat(path)
                yield path, status.st_mode, status.st_ctime_ns
