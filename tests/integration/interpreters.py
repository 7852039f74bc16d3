"""Private copies of interpreters, which a test may change without harm to anybody."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.integration.host import MINOR, PYTHON

_COPIED = {"os.py"}
"""What of the standard library is copied, because tests change it; the rest is linked."""


def private_interpreter(prefix: Path, source: str = PYTHON) -> Path:
    """Make an installation of its own below `prefix`; return its executable."""
    executable = prefix / "bin" / MINOR
    library = prefix / "lib" / MINOR
    executable.parent.mkdir(parents=True)
    library.mkdir(parents=True)
    shutil.copy2(source, executable)
    original = Path(source).parents[1] / "lib"
    for one in (original / MINOR).iterdir():
        if one.name in _COPIED:
            shutil.copy2(one, library / one.name)
        elif one.name == "site-packages":
            (library / one.name).mkdir()
        elif one.name != "__pycache__":
            (library / one.name).symlink_to(one)
    for one in original.glob("libpython*.so*"):
        shutil.copy2(one, prefix / "lib" / one.name)
    return executable


def upgrade(executable: Path) -> None:
    """Do to an installation what a patch release does: other content at the same place."""
    library = executable.parents[1] / "lib" / MINOR / "os.py"
    library.write_text(library.read_text(encoding="utf-8") + "\n# of a later release\n")


def fingerprint(prefix: Path) -> dict[str, tuple[int, int]]:
    """Return size and modification time of all files below a folder, but bytecode."""
    found = {}
    for folder, folders, names in os.walk(prefix):
        folders[:] = [one for one in folders if one != "__pycache__"]
        for name in names:
            path = os.path.join(folder, name)
            stat = os.lstat(path)
            found[os.path.relpath(path, prefix)] = (stat.st_size, stat.st_mtime_ns)
    return found
