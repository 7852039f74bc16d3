"""The paths of bytecode files, as defined by PEP 3147."""

from __future__ import annotations

import functools
import os
import re


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


_LIBRARY = re.compile(r"(python|pypy)(3\.\d+t?)")
_TAGS = {"python": "cpython-", "pypy": "pypy"}
_cache_tags: dict[str, str] = {}
"""Cache tags by environment. Thousands of paths are asked for in each."""


def _cache_tag(root: str) -> str:
    if root not in _cache_tags:
        matches = filter(None, map(_LIBRARY.fullmatch, os.listdir(f"{root}/lib")))
        tags = [f"{_TAGS[match[1]]}{match[2].replace('.', '')}" for match in matches]
        _cache_tags[root] = tags[0] if tags else ""
    return _cache_tags[root]


def has_bytecode_path(path: str, root: str) -> bool:
    """Return whether the path of a source's bytecode is short enough for the file system.

    The name of a bytecode file is longer than that of its source. Without bytecode, the
    interpreter compiles the source in each process.
    """
    bytecode = os.fsencode(f"{root}/{pyc_path(path, root)}")
    return len(os.path.basename(bytecode)) <= _max_name(root) and len(bytecode) < _MAX_PATH


_MAX_PATH = 4096
"""Bytes of a path with its final NUL (PATH_MAX in limits.h)."""


@functools.cache
def _max_name(root: str) -> int:
    return os.statvfs(root).f_namemax
