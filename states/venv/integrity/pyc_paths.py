"""The paths of bytecode files, as defined by PEP 3147."""

from __future__ import annotations

import os


def is_bytecode(path: str) -> bool:
    """Return whether a path is a bytecode file in a `__pycache__` directory.

    A `.pyc` file anywhere else is a module of its own, without a source.
    """
    return path.endswith(".pyc") and path.rpartition("/")[0].endswith("__pycache__")


def source_of(path: str) -> str:
    """Return the source of a bytecode file: `a/__pycache__/b.cpython-311.pyc` has `a/b.py`."""
    directory, name = os.path.split(path)
    return os.path.join(os.path.dirname(directory), name.split(".")[0] + ".py")


def pyc_path(path: str, root: str) -> str:
    """Return the path of a source's bytecode, for the interpreter of the environment in `root`."""
    directory, name = os.path.split(path)
    return os.path.join(directory, "__pycache__", f"{name[:-3]}.{_cache_tag(root)}.pyc")


_cache_tags: dict[str, str] = {}
"""Cache tags by environment. Thousands of paths are asked for in each."""


def _cache_tag(root: str) -> str:
    if root not in _cache_tags:
        names = [name for name in os.listdir(f"{root}/lib") if name.startswith("python3.")]
        version = names[0].removeprefix("python").replace(".", "") if names else ""
        _cache_tags[root] = f"cpython-{version}" if version else ""
    return _cache_tags[root]
