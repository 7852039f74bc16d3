"""A small publisher that switches `STORE/current` to a new generation, one method per step.

It has the structure of `converge apply` and takes a hundredth of the time. Each other toy overrides
one step with a bug, to prove that the test harness detects that bug.
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

from . import payload

LIBC = ctypes.CDLL(None, use_errno=True)
LOCK_TIMEOUT = 75
"""Exit code when another run holds the lock."""


class Publisher:
    """A correct publisher. Run it with `python -m tests.crash.toys.NAME STORE VERSION`."""

    def __init__(self, store: Path, version: str) -> None:
        self.store = store
        self.version = version
        self.current = store / "current"
        self.generations = store / "generations"

    @classmethod
    def main(cls) -> NoReturn:
        """Publish the version that the last two arguments name, then exit with 0."""
        publisher = cls(Path(sys.argv[-2]), sys.argv[-1])
        changed = publisher.run()
        print("changed" if changed else "unchanged")
        sys.exit(0)

    def run(self) -> bool:
        """Publish the version and return whether anything changed."""
        self.lock()
        if intact_version(self.current) == self.version:
            self.on_unchanged()
            return False
        self.clean_up()
        generation = self.choose_generation()
        self.build(generation)
        self.sync(generation)
        # INVARIANT: the receipt comes after the sync. Only a durable generation has a receipt.
        self.write_receipt(generation)
        self.publish(generation)
        self.clean_up()
        return True

    def lock(self, *, inheritable: bool = True) -> None:
        """Lock the store until this process and all its children have ended.

        Exit with `LOCK_TIMEOUT` if another run holds the lock.
        """
        descriptor = os.open(self.store / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        os.set_inheritable(descriptor, inheritable)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(LOCK_TIMEOUT)

    def on_unchanged(self) -> None:
        """Delete the unfinished files of an interrupted run when the version is already published."""
        extra_generations = len(list(self.generations.iterdir())) > 1
        if extra_generations or (self.store / "current.new").is_symlink():
            self.clean_up()

    def clean_up(self) -> None:
        """Delete every generation but the live one. The lock excludes other runs."""
        live = self.live_name()
        for generation in sorted(self.generations.glob("*")):
            if generation.name != live:
                shutil.rmtree(generation)
        (self.store / "current.new").unlink(missing_ok=True)

    def live_name(self) -> str:
        """Return the name of the live generation, or an empty string. Raises OSError."""
        try:
            return os.path.basename(os.readlink(self.current))
        except FileNotFoundError:
            return ""

    def choose_generation(self) -> Path:
        """Return an unused path for the new generation."""
        number = 1
        while (self.generations / str(number)).exists():
            number += 1
        return self.generations / str(number)

    def build(self, generation: Path) -> None:
        """Let a child process write the files, as an installer does."""
        generation.mkdir(parents=True, exist_ok=True)
        installer = str(Path(__file__).with_name("payload.py"))
        command = [sys.executable, "-I", "-S", installer, str(generation), self.version]
        subprocess.run(command, check=True, close_fds=False)

    def sync(self, generation: Path) -> None:
        """Sync the generation's file system to disk. Raises OSError."""
        descriptor = os.open(generation, os.O_RDONLY)
        try:
            if LIBC.syncfs(descriptor):
                raise OSError(ctypes.get_errno(), "syncfs")
        finally:
            os.close(descriptor)

    def write_receipt(self, generation: Path) -> None:
        """Write the receipt atomically and durably."""
        digests = {name: sha256((generation / name).read_bytes()) for name in payload.FILES}
        temporary = generation / "receipt.new"
        receipt = {"version": self.version, "files": digests}
        payload.write(str(temporary), json.dumps(receipt).encode())
        fsync(temporary)
        temporary.rename(generation / "receipt")
        fsync(generation)
        fsync(generation.parent)

    def publish(self, generation: Path) -> None:
        """Switch `current` to the generation in one rename, and sync the rename."""
        temporary = self.store / "current.new"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(generation.relative_to(self.store))
        temporary.rename(self.current)
        fsync(self.store)


def fsync(path: Path) -> None:
    """Sync one file or directory to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(data: bytes) -> str:
    """Return the hexadecimal SHA-256 digest."""
    return hashlib.sha256(data).hexdigest()


def intact_version(generation: Path) -> str | None:
    """Return the version of a generation, or None unless every file matches the receipt."""
    try:
        receipt = json.loads((generation / "receipt").read_bytes())
        for name, expected in receipt["files"].items():
            if sha256((generation / name).read_bytes()) != expected:
                return None
        return str(receipt["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
