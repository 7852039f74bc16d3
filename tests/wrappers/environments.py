"""Virtual environments that contain the real tools, built once and cached.

The lists in requirements/ pin each package by hash. uv installs them from the index that this
machine configures. The environments live below $CONVERGE_WRAPPER_ENVIRONMENTS, or in .cache/wrappers
of the repository. A changed list builds a new environment. As a program, this module builds all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from tests.wrappers.interpreters import interpreter

_HERE = Path(__file__).parent
REPOSITORY = _HERE.parent.parent
_COMPLETE = "complete"


class ToolUnavailable(Exception):
    """The tool can't be installed on this machine; the message gives the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A version of a tool, and the Python version to test it on."""

    name: str
    """The stem of its requirements list."""
    python: str


TOOLS = {
    "ansible-2.21": Tool(name="ansible-2.21", python="3.12"),
    "ansible-2.19": Tool(name="ansible-2.19", python="3.11"),
    "salt": Tool(name="salt-3008", python="3.11"),
    "pyinfra": Tool(name="pyinfra-3", python="3.11"),
}


ANSIBLE = "ansible-2.21" if interpreter(TOOLS["ansible-2.21"].python) else "ansible-2.19"
"""The newest Ansible that this machine can run; tests of a single version use it."""


def cache_dir() -> Path:
    """Return the directory that holds the environments."""
    configured = os.environ.get("CONVERGE_WRAPPER_ENVIRONMENTS")
    return Path(configured) if configured else REPOSITORY / ".cache" / "wrappers"


def environment(key: str) -> Path:
    """Return the `bin` directory of the tool's environment, and build it if it's missing.

    Raises:
        ToolUnavailable: The interpreter is missing, or the packages can't be installed.

    """
    tool = TOOLS[key]
    requirements = _HERE / "requirements" / f"{tool.name}.txt"
    python = interpreter(tool.python)
    if python is None:
        raise ToolUnavailable(f"{tool.name} needs Python {tool.python}, which isn't installed")
    digest = hashlib.sha256(requirements.read_bytes() + str(python).encode()).hexdigest()[:12]
    directory = cache_dir() / f"{tool.name}-{digest}"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / f"{tool.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # xdist workers share the environments
        if not (directory / _COMPLETE).exists():
            shutil.rmtree(directory, ignore_errors=True)
            _build(directory, python, requirements)
            (directory / _COMPLETE).touch()
    return directory / "bin"


def _build(directory: Path, python: Path, requirements: Path) -> None:
    uv = find_uv_bin()
    for command in (
        [uv, "venv", "--seed", "--python", str(python), str(directory)],
        [uv, "pip", "install", "--require-hashes", "--python", str(directory / "bin" / "python")]
        + ["-r", str(requirements)],
    ):
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
        if completed.returncode:
            raise ToolUnavailable(f"can't install {requirements.stem}:\n{completed.stderr}")


if __name__ == "__main__":
    for name in sys.argv[1:] or TOOLS:
        try:
            print(name, environment(name))
        except ToolUnavailable as error:
            print(name, "UNAVAILABLE:", error)
