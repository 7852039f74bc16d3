"""Root changes nothing elsewhere, at any moment at which another user swaps a directory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.errors import PermissionDenied
from states.venv.generations.access import create_store, lock_of
from states.venv.layout import store_of

UID = 65534
CALLS = ("lstat", "stat", "readlink", "mkdir", "chmod", "open", "listdir", "access")
"""The system calls before which the other user acts."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory in which every user can create entries, as in `/tmp`."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (tmp_path / "root-only/deep").mkdir(parents=True, mode=0o700)
    for path in (tmp_path / "root-only", tmp_path / "root-only/deep"):
        path.chmod(0o700)
    return shared


def state_of(directory: Path) -> dict[str, tuple[int, int]]:
    """Return the mode and the owner of each entry below a directory."""
    stats = {str(path): path.lstat() for path in [directory, *directory.rglob("*")]}
    return {path: (status.st_mode, status.st_uid) for path, status in stats.items()}


@contextmanager
def acting(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> Iterator[None]:
    """Call a function before each system call, with the number of the call."""
    count = -1
    busy = False

    def intercepted(function: Any) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            nonlocal count, busy
            if not busy:
                busy = True
                count += 1
                act(count)
                busy = False
            return function(*arguments, **keywords)

        return call

    with monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, intercepted(getattr(os, name)))
        yield


def plant(entry: Path, target: Path | None) -> None:
    """Create a symlink or a directory as the other user, unless the entry exists."""
    if not os.path.lexists(entry):
        if target is None:
            entry.mkdir()
        else:
            entry.symlink_to(target)
        os.lchown(entry, UID, UID)


def remove(entry: Path) -> None:
    """Delete the entry of the other user, who can't delete one of root."""
    if os.path.lexists(entry) and entry.lstat().st_uid == UID:
        if entry.is_symlink():
            entry.unlink()
        else:
            entry.rmdir()


@pytest.mark.parametrize("inside", ["venv", "x/venv", "x/deep/venv", "x/y/venv"])
@pytest.mark.parametrize("kind", ["symlink", "directory"])
def test_store_is_created_at_the_declared_path_only(
    shared: Path, monkeypatch: pytest.MonkeyPatch, inside: str, kind: str
) -> None:
    """The other user creates an entry before one call, and deletes it before a later one."""
    protected = shared.parent / "root-only"
    before = state_of(protected)
    path = str(shared / inside)
    planted = shared / (".venv" if inside == "venv" else "x")

    def attempt(first: int, last: int) -> int:
        calls = 0

        def act(number: int) -> None:
            nonlocal calls
            calls = number
            if number == first:
                plant(planted, protected if kind == "symlink" else None)
            if number == last:
                remove(planted)

        with acting(monkeypatch, act):
            try:
                store = store_of(path)
                create_store(store, path)
                assert lock_of(store, path) == store.lock
                assert os.path.realpath(store.root) == store.root
                assert store.root.startswith(f"{shared}/")
            except (PermissionDenied, OSError):
                pass
        assert state_of(protected) == before, (first, last)
        empty(shared)
        return calls

    total = attempt(-1, -1)
    for first in range(total):
        for last in (first + 1, first + 2, first + 4, -1):
            attempt(first, last)


def empty(directory: Path) -> None:
    """Empty a directory without following symlinks."""
    for root, directories, files in os.walk(directory, topdown=False):
        for name in (*directories, *files):
            path = os.path.join(root, name)
            if os.path.islink(path) or not os.path.isdir(path):
                os.unlink(path)
            else:
                os.rmdir(path)


RACER = """
import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
entry, target = sys.argv[1:]
while True:
    for create, delete in (
        (lambda: os.symlink(target, entry), os.unlink), (lambda: os.mkdir(entry), os.rmdir)
    ):
        try:
            create()
            delete(entry)
        except OSError:
            pass
"""


def test_store_is_safe_from_a_racing_user(shared: Path) -> None:
    protected = shared.parent / "root-only"
    before = state_of(protected)
    path = str(shared / "x/deep/venv")
    outcomes = set()
    argv = [sys.executable, "-c", RACER, str(shared / "x"), str(protected)]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as racer:
        try:
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                try:
                    create_store(store_of(path), path)
                    outcomes.add("created")
                except (PermissionDenied, OSError) as error:
                    outcomes.add(type(error).__name__)
                assert state_of(protected) == before
                if os.path.isdir(shared / "x") and (shared / "x").lstat().st_uid == 0:
                    empty(shared / "x")
                    (shared / "x").rmdir()
        finally:
            racer.kill()
    assert outcomes


def test_hard_linked_symlink_of_root_is_refused(shared: Path) -> None:
    """Without `fs.protected_hardlinks`, any user can link root's symlinks into `/tmp`."""
    (shared.parent / "link").symlink_to(shared.parent / "root-only")
    os.link(shared.parent / "link", shared / "x", follow_symlinks=False)
    path = str(shared / "x/venv")

    with pytest.raises(PermissionDenied, match="hard-linked"):
        create_store(store_of(path), path)
