"""Find the Python interpreters of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def interpreter(version: str) -> Path | None:
    """Return a working interpreter of `version` ("3.12"), or None."""
    return next((path for path in _candidates(version) if _has_version(path, version)), None)


def _candidates(version: str) -> Iterator[Path]:
    """Yield possible paths. A version manager's shim on PATH can exist and still fail to run."""
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(home.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)
    yield from sorted(Path("/opt").glob(f"python*/bin/python{version}"))


def _has_version(path: Path, version: str) -> bool:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        completed = subprocess.run(
            [path, "-I", "-c", code], capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    return completed.stdout.strip() == version
