"""Private copies of interpreters, which tests can change without side effects."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.integration.host import MINOR, PYTHON

_COPIED = {"os.py"}
"""Files of the standard library that are copied, because tests change them.

The other files are symlinked.
"""


def private_interpreter(prefix: Path, source: str = PYTHON) -> Path:
    """Create an installation below `prefix`; return its executable."""
    executable = prefix / "bin" / MINOR
    library = prefix / "lib" / MINOR
    executable.parent.mkdir(parents=True)
    library.mkdir(parents=True)
    shutil.copy2(source, executable)
    original = Path(source).parents[1] / "lib"
    for entry in (original / MINOR).iterdir():
        if entry.name in _COPIED:
            shutil.copy2(entry, library / entry.name)
        elif entry.name == "site-packages":
            (library / entry.name).mkdir()
        elif entry.name != "__pycache__":
            (library / entry.name).symlink_to(entry)
    for shared_library in original.glob("libpython*.so*"):
        shutil.copy2(shared_library, prefix / "lib" / shared_library.name)
    return executable


def upgrade(executable: Path) -> None:
    """Change an installation in place, as a patch release does."""
    library = executable.parents[1] / "lib" / MINOR / "os.py"
    library.write_text(library.read_text(encoding="utf-8") + "\n# of a later release\n")


def fingerprint(prefix: Path) -> dict[str, tuple[int, int]]:
    """Return size and modification time (ns) of each file below a directory, except bytecode."""
    stats = {}
    for directory, subdirectories, names in os.walk(prefix):
        subdirectories[:] = [name for name in subdirectories if name != "__pycache__"]
        for name in names:
            path = os.path.join(directory, name)
            stat = os.lstat(path)
            stats[os.path.relpath(path, prefix)] = (stat.st_size, stat.st_mtime_ns)
    return stats
