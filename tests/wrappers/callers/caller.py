"""The parts that all callers share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.wrappers.scenarios import CallerReport, Case


@dataclass(frozen=True, kw_only=True, slots=True)
class Workspace:
    """The directory, command, wrapper, and environment that a caller uses."""

    directory: Path
    """For the caller's own files: inventories, state trees, logs."""
    executable: Path
    """The `converge` command."""
    wrapper: Path
    """The directory of the exported wrapper."""
    environ: Mapping[str, str]
    umask: int = 0o077

    def run(
        self, arguments: Iterable[str | Path], *, stdin: str | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in this workspace; a nonzero exit code doesn't raise.

        Args:
            arguments: The program and its arguments.
            stdin: Text for standard input (default: none).
            environ: Variables to add to the environment.

        """
        return subprocess.run(
            [str(argument) for argument in arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            env={**self.environ, **environ},
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            umask=self.umask,
        )


class Caller(Protocol):
    """A tool that runs all cases at once and reports each one."""

    name: str
    reports_versions: bool
    """Whether the tool shows versions, or only the names of differing properties."""

    def run(self, cases: list[Case], *, dry: bool) -> dict[str, CallerReport]:
        """Run all cases, as a dry run if `dry`; return the report of each case by ID."""
        ...


def clean_environment(home: Path, *directories: Path) -> dict[str, str]:
    """Return an environment without this machine's configuration, as a daemon has it.

    It sets neither a locale nor HOME. PATH starts with `directories`. Variables that name
    certificates stay, because tools that download need them.
    """
    kept = {key: value for key, value in os.environ.items() if key.startswith("SSL_CERT")}
    path = os.pathsep.join(
        [*map(str, directories), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
    )
    return {
        **kept,
        "PATH": path,
        "CONVERGE_STATE_DIR": str(home / "state"),
        "CONVERGE_CACHE_DIR": str(home / "cache"),
    }
