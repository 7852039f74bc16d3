"""The modes of converge's own directories and files, which the manifest doesn't contain.

Without them, other users can't use the venv, although each of its files is intact. A backup that
was restored under a strict umask is an example. Only missing permissions count: additional ones
are the concern of `engine.system.permissions`.
"""

from __future__ import annotations

import os
import stat

from engine.system.existence import lstat
from states.venv.integrity.receipt import is_protected
from states.venv.layout import LEASE, LOCKFILE, MANIFEST, METADATA_DIR, RECEIPT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.layout import Store

_METADATA = (RECEIPT, LEASE, MANIFEST, LOCKFILE)
_DIRECTORY, _FILE = 0o755, 0o644


def find_missing_permissions(store: Store, identifier: str | None) -> dict[str, str]:
    """Return the mode of each directory and file that other users can't read. This only reads.

    Args:
        store: The store of the venv.
        identifier: The generation whose metadata is examined, if any.

    Returns:
        A text such as `mode 0700` by path, relative to the store, which itself is `.`.

    """
    modes = {}
    for path, expected in _expected(store, identifier).items():
        status = lstat(os.path.join(store.root, path))
        if status is not None and expected & ~status.st_mode and not stat.S_ISLNK(status.st_mode):
            modes[path] = f"mode {stat.S_IMODE(status.st_mode):04o}"
    return modes


def restore_permissions(store: Store, identifier: str | None) -> None:
    """Add the permissions that `find_missing_permissions` finds missing.

    The lock of the store must be held. Metadata that another user could exchange isn't touched.
    """
    if identifier is not None and not is_protected(store.generation(identifier)):
        identifier = None
    expected = _expected(store, identifier)
    for path in find_missing_permissions(store, identifier):
        absolute = os.path.normpath(os.path.join(store.root, path))
        os.chmod(absolute, stat.S_IMODE(os.lstat(absolute).st_mode) | expected[path])


def _expected(store: Store, identifier: str | None) -> dict[str, int]:
    directories = [".", os.path.basename(store.generations)]
    files = []
    if identifier is not None:
        root = os.path.relpath(store.generation(identifier), store.root)
        directories.append(f"{root}/{METADATA_DIR}")
        files = [f"{root}/{file}" for file in _METADATA]
    return {**dict.fromkeys(directories, _DIRECTORY), **dict.fromkeys(files, _FILE)}
