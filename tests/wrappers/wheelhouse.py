"""The engine itself as wheels, for a target that has no index."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import tomllib

from tests.wrappers.environments import ANSIBLE, REPOSITORY, NotHere, cache_folder, environment


def wheelhouse(to: Path) -> None:
    """Put the engine's wheel and those of what it needs into the folder `to`.

    What it needs is fetched once for a set of requirements; the engine is built each time.
    Raises NotHere when there is nothing to fetch or build from.
    """
    python = environment(ANSIBLE) / "python"
    needed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    digest = hashlib.sha256(repr(needed).encode()).hexdigest()[:12]
    kept = cache_folder() / f"wheelhouse-{digest}"
    if not kept.exists():
        making = kept.with_suffix(".making")
        _pip(python, "wheel", "--wheel-dir", str(making), *needed)
        making.rename(kept)
    shutil.copytree(kept, to, dirs_exist_ok=True)
    _pip(python, "wheel", "--no-deps", "--wheel-dir", str(to), str(REPOSITORY))


def _pip(python: Path, *words: str) -> None:
    done = subprocess.run(
        [python, "-m", "pip", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotHere(f"the engine's wheels could not be made:\n{done.stderr}")
