"""A host from a snapshot equals the prepared host, and each test gets a fresh one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.snapshots import Snapshots


def contents(host: Host) -> dict[str, tuple[int, str | bytes]]:
    """Return the mode and the content of each path, without caches of stats."""
    return {
        str(path.relative_to(host.directory)): (path.lstat().st_mode, _content(path))
        for path in sorted(host.directory.rglob("*"))
        if path.name != "stats"
    }


def _content(path: Path) -> str | bytes:
    if path.is_symlink():
        return os.readlink(path)
    return path.read_bytes() if path.is_file() else b""


def test_restored_host_equals_the_prepared_one(snapshots: Snapshots) -> None:
    prepared: dict[str, tuple[int, str | bytes]] = {}

    def prepare(host: Host) -> None:
        make_wheels(host.wheels)
        host.declare(["beta<2"])
        host.apply_ok()
        prepared.update(contents(host))

    first = snapshots.host("applied", prepare)
    assert contents(first) == prepared

    (first.site / "beta/__init__.py").write_text("changed\n")
    shutil.rmtree(first.directory / "state")
    (first.directory / "added").touch()
    assert contents(snapshots.host("applied", prepare)) == prepared
