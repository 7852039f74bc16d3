"""Environments with the real tools in them, made once and kept.

They are made from the lists in requirements/, pinned by hash, with whatever index this machine's
uv is set up for. They live below $CONVERGE_WRAPPER_ENVIRONMENTS, or .cache/wrappers in the
repository; a changed list makes a new one. Run as a program, this module makes them all.
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


class NotHere(Exception):
    """The tool cannot be had on this machine; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A tool at a version, on the Python that it is proved on."""

    name: str
    """Its list of requirements, without the suffix."""
    python: str


TOOLS = {
    "ansible-2.21": Tool(name="ansible-2.21", python="3.12"),
    "ansible-2.19": Tool(name="ansible-2.19", python="3.11"),
    "salt": Tool(name="salt-3008", python="3.11"),
    "pyinfra": Tool(name="pyinfra-3", python="3.11"),
}


ANSIBLE = "ansible-2.21" if interpreter(TOOLS["ansible-2.21"].python) else "ansible-2.19"
"""The newest that this machine can run: what is proved on one Ansible is proved on this."""


def cache_folder() -> Path:
    """Return the folder below which the environments are kept."""
    named = os.environ.get("CONVERGE_WRAPPER_ENVIRONMENTS")
    return Path(named) if named else REPOSITORY / ".cache" / "wrappers"


def environment(key: str) -> Path:
    """Return the `bin` folder of the tool's environment, which is made if need be.

    Raises NotHere when there is no such Python, or the packages cannot be fetched.
    """
    tool = TOOLS[key]
    listed = _HERE / "requirements" / f"{tool.name}.txt"
    python = interpreter(tool.python)
    if python is None:
        raise NotHere(f"{tool.name} needs Python {tool.python}, which is not on this machine")
    digest = hashlib.sha256(listed.read_bytes() + str(python).encode()).hexdigest()[:12]
    folder = cache_folder() / f"{tool.name}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{tool.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the tests may be run by several processes
        if not (folder / _COMPLETE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, python, listed)
            (folder / _COMPLETE).touch()
    return folder / "bin"


def _make(folder: Path, python: Path, listed: Path) -> None:
    uv = find_uv_bin()
    for command in (
        [uv, "venv", "--seed", "--python", str(python), str(folder)],
        [uv, "pip", "install", "--require-hashes", "--python", str(folder / "bin" / "python")]
        + ["-r", str(listed)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotHere(f"{listed.stem} could not be installed:\n{done.stderr}")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or TOOLS:
        try:
            print(wanted, environment(wanted))
        except NotHere as why:
            print(wanted, "NOT HERE:", why)
