"""Build converge and its dependencies as wheels, for a target without an index."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import tomli

from tests.wrappers.environments import (
    ANSIBLE,
    REPOSITORY,
    ToolUnavailable,
    cache_dir,
    environment,
)


def wheelhouse(target: Path) -> None:
    """Copy the wheels of converge and its dependencies to the directory `target`.

    The dependencies are downloaded once for each set of requirements. The wheel of converge is
    built each time.

    Raises:
        ToolUnavailable: The wheels can't be downloaded or built.

    """
    python = environment(ANSIBLE) / "python"
    project = tomli.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    dependencies = project["dependencies"]
    digest = hashlib.sha256(repr(dependencies).encode()).hexdigest()[:12]
    cached = cache_dir() / f"wheelhouse-{digest}"
    if not cached.exists():
        unfinished = cached.with_suffix(".unfinished")
        _pip(python, "wheel", "--wheel-dir", str(unfinished), *dependencies)
        unfinished.rename(cached)
    shutil.copytree(cached, target, dirs_exist_ok=True)
    _pip(python, "wheel", "--no-deps", "--wheel-dir", str(target), str(REPOSITORY))


def _pip(python: Path, *arguments: str) -> None:
    completed = subprocess.run(
        [python, "-m", "pip", *arguments], capture_output=True, text=True, check=False
    )
    if completed.returncode:
        raise ToolUnavailable(f"can't build the wheels of converge:\n{completed.stderr}")
