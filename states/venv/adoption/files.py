"""Find the files of a directory to adopt that no package lists: scripts and data of users."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from engine.frozen import frozen
from engine.system.existence import lstat
from engine.system.signals import raise_if_interrupted
from states.venv.adoption.packages import metadata_dirs
from states.venv.files.paths import expand
from states.venv.integrity.dist_info import record_paths
from states.venv.integrity.drift import ignored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.venv.spec import Venv

MAX_ENTRIES = 200_000
"""Files that are searched. A venv of OpenStack has up to 40,000."""
MAX_DURATION_S = 5.0
_MAX_RECORDS_SIZE = 1 << 26
"""Bytes of all RECORD files together."""
_OWN = re.compile(
    r"pyvenv\.cfg|\.gitignore|CACHEDIR\.TAG|\.lock|lib64"
    r"|(lib|lib64)/[^/]+/site-packages/_virtualenv\.(py|pth)"
    r"|bin/(python|pypy|activate|deactivate|Activate|pip|easy_install|wheel)[^/]*"
    r"|(include|share/python-wheels)/.*|(.*/)?__pycache__/.*|.*\.pyc|(.*/)?[^/]+\.egg-info(/.*)?",
    re.DOTALL,
)
"""Files that venv, virtualenv, and pip create."""


@frozen
class UserFiles:
    """The files that no package lists."""

    count: int
    first: tuple[str, ...]
    """The first paths, sorted."""
    is_complete: bool
    """Whether the whole directory was searched. Otherwise, there may be more."""


def find_user_files(root: str, spec: Venv, shown: int) -> UserFiles:
    """Find the files that only the backup will contain.

    Args:
        root: The directory.
        spec: The declared venv. Its persistent directories are copied, and its declared files are
            created, so they don't count.
        shown: The number of paths to return.

    Returns:
        The files. Those that a pattern of `ignore` matches don't count.

    Raises:
        OSError: A directory can't be listed, or a RECORD can't be read.

    """
    search = _Search(root)
    kept = tuple(f"{name}/" for name in spec.persistent)
    files = {
        path
        for path in search.files()
        if not _OWN.fullmatch(path) and not path.startswith(kept) and not ignored(path, spec.ignore)
    }
    files -= {expand(name, root) for name in spec.files}
    for directory, _ in metadata_dirs(root):
        if search.may_read(f"{root}/{directory}/RECORD"):
            files -= record_paths(root, directory, files)
    return UserFiles(len(files), tuple(sorted(files)[:shown]), search.is_complete)


class _Search:
    """A search with limits."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.is_complete = True
        self._deadline = time.monotonic() + MAX_DURATION_S
        self._remaining_size = _MAX_RECORDS_SIZE

    def files(self) -> Iterator[str]:
        """Yield each entry that isn't a directory, relative to the root."""
        pending, count = [""], 0
        while pending:
            prefix = pending.pop()
            raise_if_interrupted()
            with os.scandir(f"{self.root}/{prefix}") as entries:
                for entry in entries:
                    count += 1
                    if count > MAX_ENTRIES or time.monotonic() > self._deadline:
                        self.is_complete = False
                        return
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(f"{prefix}{entry.name}/")
                    else:
                        yield f"{prefix}{entry.name}"

    def may_read(self, record: str) -> bool:
        """Return whether a RECORD is within the limits."""
        raise_if_interrupted()
        status = lstat(record)
        self._remaining_size -= status.st_size if status is not None else 0
        is_allowed = self._remaining_size > 0 and time.monotonic() < self._deadline
        self.is_complete = self.is_complete and is_allowed
        return is_allowed
