"""Start long files first, so that none is left to one worker at the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

_LONG_FIRST: Final = ("openstack", "wrappers", "crash", "laws", "programs", "integration", "docs")
"""Directories by the length of their longest test file. The other ones have only short files."""


def keep_order(config: pytest.Config) -> None:
    """Let pytest-xdist start the files in the order of `start_long_files_first`.

    By default, it starts the files with most tests first.
    """
    config.option.loadscopereorder = False


def start_long_files_first(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests by the directory of their file."""
    items.sort(key=lambda item: _rank(item.path.relative_to(config.rootpath).parts))


def _rank(parts: Sequence[str]) -> int:
    directory = parts[1] if parts[0] == "tests" else ""
    return _LONG_FIRST.index(directory) if directory in _LONG_FIRST else len(_LONG_FIRST)
