"""The steps of a small publisher: ``store/current`` becomes a link to ``generations/<n>``.

A toy has the shape of the real thing in a hundredth of its time, so that each promise can be
broken on purpose in one place, to see whether the harness notices.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from .files import FILES, write

LIBC = ctypes.CDLL(None, use_errno=True)
BUSY = 75


def fsync(path: Path) -> None:
    """Flush one file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def syncfs(path: Path) -> None:
    """Flush the file system of ``path``; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if LIBC.syncfs(descriptor):
            raise OSError(ctypes.get_errno(), "syncfs")
    finally:
        os.close(descriptor)


def lock(store: Path, *, inherited: bool = True) -> None:
    """Take the store's lock for as long as this process, and its children, live; or exit."""
    descriptor = os.open(store / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(descriptor, inherited)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(BUSY)


def build(generation: Path, version: str) -> None:
    """The files, by a child as an installer would be."""
    generation.mkdir(parents=True)
    installer = Path(__file__).with_name("files.py")
    script = [sys.executable, "-I", "-S", str(installer), str(generation), version]
    subprocess.run(script, check=True, close_fds=False)


def seal(generation: Path, version: str) -> None:
    """The receipt, whole or not there, on the disk before this returns."""
    digests = {name: digest((generation / name).read_bytes()) for name in FILES}
    aside = generation / "receipt.new"
    write(str(aside), json.dumps({"version": version, "files": digests}).encode())
    fsync(aside)
    aside.rename(generation / "receipt")
    fsync(generation)


def digest(data: bytes) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def publish(store: Path, generation: Path) -> None:
    """One rename, then on the disk."""
    aside = store / "current.new"
    aside.unlink(missing_ok=True)
    aside.symlink_to(generation.relative_to(store))
    aside.rename(store / "current")
    fsync(store)


def state(generation: Path) -> str | None:
    """The version that a generation wholly is; None if it is not whole."""
    try:
        receipt = json.loads((generation / "receipt").read_bytes())
        for name, expected in receipt["files"].items():
            if digest((generation / name).read_bytes()) != expected:
                return None
        return str(receipt["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def tidy(store: Path) -> None:
    """Remove every generation but the current one; nobody else is here."""
    keep = os.path.basename(os.path.realpath(store / "current"))
    for generation in sorted((store / "generations").glob("*")):
        if generation.name != keep:
            shutil.rmtree(generation)
    (store / "current.new").unlink(missing_ok=True)


def unused(store: Path) -> Path:
    """A generation's path that is not there yet."""
    number = 1
    while (store / "generations" / str(number)).exists():
        number += 1
    return store / "generations" / str(number)


def done(changed: bool) -> NoReturn:
    """Say what was done."""
    print("changed" if changed else "unchanged")
    sys.exit(0)
