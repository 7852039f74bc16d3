"""What every caller has in common."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.wrappers.table import Case, Told


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a caller works, and with which engine."""

    folder: Path
    """For its own files: inventories, state trees, logs."""
    engine: Path
    wrapper: Path
    """Where the wrapper was written to."""
    environ: Mapping[str, str]
    umask: int = 0o022

    def run(
        self, words: Iterable[str | Path], *, give: str | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the tool with this place's environment; its exit code is returned."""
        return subprocess.run(
            [str(word) for word in words],
            input=give,
            stdin=subprocess.DEVNULL if give is None else None,
            env={**self.environ, **more},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            umask=self.umask,
        )


class Caller(Protocol):
    """A tool that is given cases, all at once, and says what it will do or has done."""

    name: str
    names_versions: bool
    """Whether its user is told versions, or only what differs."""

    def run(self, cases: list[Case], *, dry: bool) -> dict[str, Told]:
        """Run all cases, without the act if `dry`; return what was told of each, by id."""
        ...


def clean_environment(home: Path, *beside: Path) -> dict[str, str]:
    """Return an environment with nothing of this machine's configuration but where programs are.

    What names certificates stays, since tools that fetch would not work without it.
    """
    kept = {key: value for key, value in os.environ.items() if key.startswith("SSL_CERT")}
    path = os.pathsep.join(
        [*map(str, beside), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
    )
    return {
        **kept,
        "PATH": path,
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "CONVERGE_STATE_DIR": str(home / "state"),
        "CONVERGE_CACHE_DIR": str(home / "cache"),
    }
