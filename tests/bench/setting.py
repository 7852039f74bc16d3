"""Where the benchmarks take place: folders, interpreter, environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from uv import find_uv_bin

from tests.bench.inputs import Lock, lock
from tests.bench.measure import Case, Command, Sample, run_command

REPOSITORY = Path(__file__).resolve().parents[2]
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One folder with everything in it that the benchmarks make, kept between runs."""

    folder: Path
    python: Path
    """The interpreter that the environments are made of."""
    peers: frozenset[str]
    """Which of the dear ones take part: `pip`, `ansible`, `salt`."""
    converge: Sequence[str]
    """The command under test."""
    uv: str = field(default_factory=find_uv_bin)

    @property
    def environment(self) -> dict[str, str]:
        """What every timed command gets: private caches, no configuration from elsewhere."""
        kept = {name: os.environ[name] for name in _CERTIFICATES if name in os.environ}
        return {
            **kept,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.make_folder("home")),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "UV_CACHE_DIR": str(self.folder / "uv-cache"),
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "CONVERGE_CACHE_DIR": str(self.folder / "converge-cache"),
            "CONVERGE_STATE_DIR": str(self.folder / "converge-state"),
        }

    def make_folder(self, name: str) -> Path:
        """Return the folder `name`, made if need be."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def lock(self, service: str) -> Lock:
        """Return the pins of `service`; the first time this needs the package index."""
        return lock(self.make_folder("locks"), service, self.python, os.environ | self._caches())

    def prepare(self, command: Command, environment: Mapping[str, str] | None = None) -> None:
        """Run a command that only prepares, with the machine's own configuration."""
        log = self.make_folder("logs") / "prepare.log"
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
        """Return the folder `name` after `make` filled it, now or in an earlier run."""
        folder, done = self.folder / name, self.folder / f"{name}.done"
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            make(folder)
            done.touch()
        return folder

    def run(self, case: Case, command: Command) -> Sample:
        """Run one timed command of `case`."""
        log = self.make_folder("logs") / f"{case.name.replace(' ', '-').replace('/', '-')}.log"
        return run_command(
            command,
            environment=self.environment | dict(case.environment),
            folder=REPOSITORY,
            log=log,
            says=case.says,
            exit_code=case.exit_code,
        )

    def _caches(self) -> dict[str, str]:
        return {"UV_CACHE_DIR": str(self.folder / "uv-cache")}
