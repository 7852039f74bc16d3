"""Source files of the wrappers, for example for Ansible and Salt, and a function to write them.

Each wrapper runs the `converge` command and reads its JSON output. converge imports no wrapper
module, and no wrapper imports converge.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["PLACES", "write"]

_HERE = Path(__file__).parent
_VERSION = "@VERSION@"
_SALT = "src/saltext/converge"
_ROLE = "python_venv_build"

PLACES: dict[str, dict[str, str]] = {
    "ansible": {"": "ansible_collections/converge/python"},
    "salt": {
        "": "saltext.converge",
        f"{_SALT}/states/converge.py": "_states/converge.py",
        f"{_SALT}/modules/converge.py": "_modules/converge.py",
    },
    "pyinfra": {"": "pyinfra-converge"},
    "dsc": {"": "."},
    "openstack-ansible": {
        "": _ROLE,
        "../ansible/plugins/modules/venv.py": f"{_ROLE}/library/converge_venv.py",
        "../ansible/roles/engine/tasks/main.yml": f"{_ROLE}/tasks/engine.yml",
        "../ansible/roles/engine/defaults/main.yml": f"{_ROLE}/defaults/main/engine.yml",
    },
}
"""Target paths for each tool, relative to the output directory.

The key `""` maps the whole tree. Other keys map single files, which may belong to the tree of
another tool. They are also written to the place where the tool loads them.
"""


def write(tool: str, to: Path, version: str) -> tuple[Path, ...]:
    """Write the wrapper for a tool into a directory.

    Existing files with the same names are replaced and no other file is changed, so a second call
    after an update of converge updates the wrapper. The files aren't written atomically: if the
    process is killed, call it again.

    Args:
        tool: A key of `PLACES`.
        to: The output directory, created if it doesn't exist.
        version: The version of converge, written into the files.

    Returns:
        The paths of the written files, sorted.

    Raises:
        KeyError: The tool is unknown.
        OSError: A file can't be written.

    """
    written = [_copy(source, to / target, version) for source, target in _plan(tool)]
    return tuple(sorted(written))


def _plan(tool: str) -> Iterator[tuple[Path, PurePosixPath]]:
    """Yield each source file with its target path, relative to the output directory."""
    places = PLACES[tool]
    root = _HERE / tool
    for source in sorted(root.rglob("*")):
        if source.is_file() and "__pycache__" not in source.parts:
            yield source, PurePosixPath(places[""]) / source.relative_to(root).as_posix()
    for relative, target in places.items():
        if relative:
            yield root / relative, PurePosixPath(target)


def _copy(source: Path, target: Path, version: str) -> Path:
    """Copy one text file with its permissions, and insert the version.

    Args:
        source: The file to copy.
        target: The file to create or replace. Missing directories are created.
        version: Replaces `@VERSION@` in the text.

    Returns:
        The target.

    """
    target.parent.mkdir(parents=True, exist_ok=True)
    text = source.read_text(encoding="utf-8").replace(_VERSION, version)
    target.write_text(text, encoding="utf-8")
    shutil.copymode(source, target)
    return target
