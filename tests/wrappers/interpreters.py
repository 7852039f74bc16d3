"""Where this machine has which Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def interpreter(version: str) -> Path | None:
    """Return an interpreter that runs and is of `version` ("3.12"), or None."""
    return next((path for path in _candidates(version) if _is(path, version)), None)


def _candidates(version: str) -> Iterator[Path]:
    """Yield what may be one: a version manager's shim on PATH exists and yet need not run."""
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(home.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)
    yield from sorted(Path("/opt").glob(f"python*/bin/python{version}"))


def _is(path: Path, version: str) -> bool:
    say = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([path, "-I", "-c", say], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout.strip() == version
