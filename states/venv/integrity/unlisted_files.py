"""Find the files in a venv of another tool that no package installed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from states.venv.integrity.dist_info import dist_infos, read_record
from states.venv.integrity.drift import ignored
from states.venv.integrity.manifest import walk
from states.venv.integrity.pyc_paths import is_bytecode

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_OWN = re.compile(
    r"pyvenv\.cfg|CACHEDIR\.TAG|\.gitignore|\.lock|lib64|include/.*|.*\.(dist|egg)-info/.*"
    r"|bin/((python|pypy)[\d.]*t?|(de)?[Aa]ctivate.*|pip[\d.]*|easy_install[\d.-]*)"
    r"|.*/site-packages/(_virtualenv\.(py|pth)|easy-install\.pth|[^/]+\.egg-link)"
)
"""Files of an environment, and of its tools, that no RECORD lists."""


def unlisted_files(root: str, ignore: tuple[str, ...]) -> Iterator[str]:
    """Yield the files that neither a RECORD lists nor the tool itself created.

    Args:
        root: The directory of the venv.
        ignore: Patterns of paths to leave out.

    Yields:
        Each path, relative to the venv.

    Raises:
        OSError: A directory or a RECORD can't be read.

    """
    listed: set[str] = set()
    for dist_info in dist_infos(root):
        try:
            listed.update(path for path, _ in read_record(root, dist_info))
        except ValueError:
            continue  # An old installer wrote another format.
    for path, entry in walk(root):
        if (
            not entry.is_dir(follow_symlinks=False)
            and path not in listed
            and not is_bytecode(path)
            and not _NOT_OWN.fullmatch(path)
            and not ignored(path, ignore)
        ):
            yield path
