"""The thin wrappers for other tools, as files that this package carries and writes out.

Nothing here is imported by the engine, and nothing of the engine by a wrapper: each is a program of
its tool which runs the command `converge` and reads its JSON.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["PLACES", "write"]

_HERE = Path(__file__).parent
_VERSION = "@VERSION@"
_SALT = "src/saltext/converge"

PLACES: dict[str, dict[str, str]] = {
    "ansible": {"": "ansible_collections/converge/python"},
    "salt": {
        "": "saltext.converge",
        f"{_SALT}/states/converge.py": "_states/converge.py",
        f"{_SALT}/modules/converge.py": "_modules/converge.py",
    },
    "pyinfra": {"": "pyinfra-converge"},
    "dsc": {"": "."},
}
"""For each tool where its files go: the whole tree below one folder, and single files once more
where the tool looks for them without a package."""


def write(tool: str, to: Path, version: str) -> tuple[Path, ...]:
    """Write the wrapper of `tool` below the folder `to`, as of `version`; return the files written.

    What is there under the same names is replaced, and nothing else is touched, so that writing
    again after an update of the engine updates the wrapper. Raises KeyError for an unknown tool
    and OSError for what the disk refuses.
    """
    written = [_copy(source, to / target, version) for source, target in _plan(tool)]
    return tuple(sorted(written))


def _plan(tool: str) -> Iterator[tuple[Path, PurePosixPath]]:
    """Yield each file that is carried and where it goes, relative to the folder asked for."""
    places = PLACES[tool]
    root = _HERE / tool
    for source in sorted(root.rglob("*")):
        if source.is_file() and "__pycache__" not in source.parts:
            relative = source.relative_to(root).as_posix()
            yield source, PurePosixPath(places[""]) / relative
            if relative in places:
                yield source, PurePosixPath(places[relative])


def _copy(source: Path, target: Path, version: str) -> Path:
    """Copy one text file with its permissions, the version filled in."""
    target.parent.mkdir(parents=True, exist_ok=True)
    text = source.read_text(encoding="utf-8").replace(_VERSION, version)
    target.write_text(text, encoding="utf-8")
    shutil.copymode(source, target)
    return target
