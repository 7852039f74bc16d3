"""The workspace of a benchmark run: directories, interpreter, and environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from uv import find_uv_bin

from tests.bench.inputs import Lockfiles, lock
from tests.bench.measure import Case, Command, Sample, run_command

REPOSITORY = Path(__file__).resolve().parents[2]
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


@dataclass(frozen=True, kw_only=True, slots=True)
class Workspace:
    """A directory with all files of the benchmarks, reused between runs."""

    directory: Path
    python: Path
    """The base interpreter of the environments."""
    peers: frozenset[str]
    """The slow tools to include: `pip`, `ansible`, `salt`."""
    converge: Sequence[str]
    """The command to measure."""
    uv: str = field(default_factory=find_uv_bin)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every measured command: private caches, no user configuration."""
        certificates = {name: os.environ[name] for name in _CERTIFICATES if name in os.environ}
        return {
            **certificates,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.make_directory("home")),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "UV_CACHE_DIR": str(self.directory / "uv-cache"),
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "CONVERGE_CACHE_DIR": str(self.directory / "converge-cache"),
            "CONVERGE_STATE_DIR": str(self.directory / "converge-state"),
        }

    def make_directory(self, name: str) -> Path:
        """Return the directory `name`. Create it if it doesn't exist."""
        directory = self.directory / name
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def lock(self, service: str) -> Lockfiles:
        """Return the lockfiles of `service`. The first call needs a package index."""
        return lock(self.make_directory("locks"), service, self.python, os.environ | self._caches())

    def prepare(self, command: Command, environment: Mapping[str, str] | None = None) -> None:
        """Run a command that isn't measured, with the user's configuration."""
        log = self.make_directory("logs") / "prepare.log"
        with log.open("wb") as output:
            subprocess.run(
                command,
                env=os.environ | self._caches() | dict(environment or {}),
                cwd=REPOSITORY,
                check=True,
                stdout=output,
                stderr=output,
            )

    def once(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return the directory `name`. `make` fills it once, in this run or an earlier one."""
        directory, done = self.directory / name, self.directory / f"{name}.done"
        if not done.exists():
            shutil.rmtree(directory, ignore_errors=True)
            directory.parent.mkdir(parents=True, exist_ok=True)
            make(directory)
            done.touch()
        return directory

    def run(self, case: Case, command: Command) -> Sample:
        """Run and measure one command of `case`."""
        log = self.make_directory("logs") / f"{case.name.replace(' ', '-').replace('/', '-')}.log"
        return run_command(
            command,
            environment=self.environment | dict(case.environment),
            directory=REPOSITORY,
            log=log,
            expected_output=case.expected_output,
            exit_code=case.exit_code,
        )

    def _caches(self) -> dict[str, str]:
        return {"UV_CACHE_DIR": str(self.directory / "uv-cache")}
