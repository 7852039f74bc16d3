"""Find the files of a directory to adopt that the new generation won't have as they are.

No package lists them, they were edited after the installation, or they are missing.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections import Counter
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.frozen import frozen
from engine.system.existence import lstat
from engine.system.signals import raise_if_interrupted
from states.venv.adoption.packages import metadata_dirs, stale_directories
from states.venv.files.paths import expand
from states.venv.integrity.dist_info import metadata_name, read_record, record_paths
from states.venv.integrity.drift import ignored
from states.venv.integrity.pyc_paths import is_bytecode
from states.venv.integrity.record_hash import has_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from states.venv.spec import Venv

MAX_ENTRIES = 200_000
"""Files that are searched. A venv of OpenStack has up to 40,000."""
MAX_DURATION_S = 5.0
"""Limit of a plan. The plan of a large venv on a cold disk may reach it."""
_MAX_RECORDS_SIZE = 1 << 26
"""Bytes of all RECORD files together."""
_MAX_HASHED_SIZE = 1 << 30
"""Bytes of one file. No wheel has a larger one, and a planted file may be endless."""
_OWN = re.compile(
    r"pyvenv\.cfg|\.gitignore|CACHEDIR\.TAG|\.lock|lib64"
    r"|(lib|lib64)/[^/]+/site-packages/_virtualenv\.(py|pth)"
    r"|bin/(python|pypy|activate|deactivate|Activate|pip|pydoc|easy_install|wheel)[^/]*"
    r"|(include|share/python-wheels)/.*|(.*/)?__pycache__/.*|.*\.pyc|(.*/)?[^/]+\.egg-info(/.*)?",
    re.DOTALL,
)
"""Files that venv, virtualenv, and pip create."""


@frozen
class Edited:
    """A file that differs from the RECORD of its package."""

    path: str
    """Relative to the venv."""
    package: str
    """The normalized name."""


@frozen
class Content:
    """The files that differ from those that a new generation would have."""

    unowned: tuple[str, ...]
    """The files that no package lists, sorted."""
    edited: tuple[Edited, ...]
    missing: tuple[Edited, ...]
    unusable: tuple[tuple[str, str], ...]
    """The metadata directories without a usable RECORD, each with the reason."""
    contested: Mapping[str, int]
    """The number of files that several RECORDs list and that are as this one lists them, by
    metadata directory."""
    is_complete: bool
    """Whether the whole directory was searched. Otherwise, there may be more."""


def inspect_files(root: str, spec: Venv, duration_s: float) -> Content:
    """Compare the files of a directory with the RECORD files of its packages.

    Args:
        root: The directory.
        spec: The declared venv. Its persistent directories are copied, and its declared files are
            created, so they don't count.
        duration_s: The maximum duration, in seconds.

    Returns:
        The files. Those that a pattern of `ignore` matches don't count.

    Raises:
        OSError: A directory can't be listed, or a RECORD can't be read.

    """
    search = _Search(root, duration_s)
    kept = tuple(f"{name}/" for name in spec.persistent)
    everything = dict(search.files())
    files = {
        path for path in everything if not path.startswith(kept) and not ignored(path, spec.ignore)
    }
    declared = {expand(name, root) for name in spec.files}
    records = _Records(search, everything)
    stale = tuple(f"{directory}/" for directory in stale_directories(root))
    unowned = {path for path in files if not (_OWN.fullmatch(path) or path.startswith(stale))}
    unowned -= declared
    for directory, metadata in metadata_dirs(root):
        if search.may_read(f"{root}/{directory}/RECORD"):
            unowned -= record_paths(root, directory, unowned)
            records.add(directory, metadata)
    edited = [
        file for file in records.edited_files() if file.path in files and file.path not in declared
    ]
    missing = [file for file in records.missing() if not file.path.startswith(kept)]
    return Content(
        tuple(sorted(unowned)),
        tuple(sorted(edited, key=lambda file: file.path)),
        tuple(sorted(missing, key=lambda file: file.path)) if search.is_complete else (),
        tuple(records.unusable),
        records.contested,
        search.is_complete,
    )


class _Search:
    """A search with limits."""

    def __init__(self, root: str, duration_s: float) -> None:
        self.root = root
        self.is_complete = True
        self._deadline = time.monotonic() + duration_s
        self._remaining_size = _MAX_RECORDS_SIZE

    def files(self) -> Iterator[tuple[str, bool]]:
        """Yield each entry that isn't a directory, and whether it is a regular file."""
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
                        yield f"{prefix}{entry.name}", entry.is_file(follow_symlinks=False)

    def may_read(self, record: str) -> bool:
        """Return whether a RECORD is within the limits."""
        status = lstat(record)
        self._remaining_size -= status.st_size if status is not None else 0
        return self.has_time() and self._remaining_size > 0

    def has_time(self) -> bool:
        """Return whether the duration is within the limit."""
        raise_if_interrupted()
        self.is_complete = self.is_complete and (
            time.monotonic() < self._deadline and self._remaining_size > 0
        )
        return self.is_complete


class _Records:
    """The rows of all RECORD files, and the files that don't match any of them."""

    def __init__(self, search: _Search, files: dict[str, bool]) -> None:
        self._search = search
        self._files = files
        self._rows: dict[str, list[tuple[str, str, str]]] = {}
        """The packages, their metadata directories, and the digests, by path."""
        self.contested: Counter[str] = Counter()
        self.unusable: list[tuple[str, str]] = []

    def add(self, directory: str, metadata: str) -> None:
        """Add the RECORD of a package."""
        root = self._search.root
        if not directory.endswith(".dist-info"):
            return  # An egg has none.
        try:
            name, _ = metadata_name(f"{root}/{directory}/{metadata}")
            rows = read_record(root, directory)
        except (ValueError, OSError) as error:
            is_missing = f"{directory}/RECORD" not in self._files
            self.unusable.append((directory, "missing" if is_missing else str(error)))
            return
        for path, digest in rows:
            if not is_bytecode(path) and not path.startswith(("/", "../")):
                self._rows.setdefault(path, []).append((name, directory, digest))

    def edited_files(self) -> Iterator[Edited]:
        """Yield each file that matches none of the rows that list it."""
        for path, rows in self._rows.items():
            if path not in self._files or not all(digest for _, _, digest in rows):
                continue
            if not self._search.has_time():
                return
            matching = [row for row in rows if self._files[path] and self._matches(path, row[2])]
            if not matching:
                yield Edited(path, rows[-1][0])
            elif len(rows) > 1:
                self.contested.update(directory for _, directory, _ in matching)

    def missing(self) -> Iterator[Edited]:
        """Yield each listed file that doesn't exist."""
        for path, rows in self._rows.items():
            if path not in self._files:
                yield Edited(path, rows[-1][0])

    def _matches(self, path: str, digest: str) -> bool:
        """Return whether a regular file has a digest. An unreadable one counts as edited."""
        absolute = f"{self._search.root}/{path}"
        try:
            status = lstat(absolute)
            if status is None or not stat.S_ISREG(status.st_mode):
                return False
            return status.st_size <= _MAX_HASHED_SIZE and has_digest(absolute, digest)
        except (OSError, ConvergeError):
            return False
