"""`verify` compares the manifest with the wheels' RECORD files, not only with the disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.system.files import sha256
from tests.integration.host import MINOR, Host

SITE = f"lib/{MINOR}/site-packages"
RECEIPT, MANIFEST = ".converge/receipt.json", ".converge/manifest.json"
Rows = dict[str, list[Any]]
"""Manifest entries by path: kind, mode, uid, gid, size, content, package."""


def edited(root: Path, rows: Rows) -> str:
    path = f"{SITE}/alpha/data/table.txt"
    (root / path).write_text("54321\n")
    rows[path][5] = sha256(b"54321\n")
    return path


def replaced(root: Path, rows: Rows) -> str:
    path = f"{SITE}/alpha/data/table.txt"
    (root / path).unlink()
    (root / path).symlink_to("/etc/hostname")
    rows[path] = ["l", 0o777, *rows[path][2:4], 0, "/etc/hostname", "alpha"]
    return path


def dropped(root: Path, rows: Rows) -> str:
    path = f"{SITE}/alpha/data/table.txt"
    (root / path).unlink()
    del rows[path]
    return path


def planted(root: Path, rows: Rows) -> str:
    path = f"{SITE}/alpha/planted.py"
    (root / path).write_text("")
    rows[path] = ["f", 0o644, *rows[f"{SITE}/alpha/__init__.py"][2:4], 0, sha256(b""), "alpha"]
    return path


FORGED: dict[Callable[[Path, Rows], str], str] = {
    edited: "not as in RECORD",
    replaced: "not as in RECORD",
    dropped: "missing",
    planted: "unexpected",
}


@pytest.mark.parametrize("forge", FORGED, ids=lambda forge: forge.__name__)
def test_verify_reports_files_that_differ_from_record(
    host_with_wheels: Host, forge: Callable[[Path, Rows], str]
) -> None:
    host_with_wheels.declare(["alpha", "beta<2"])
    host_with_wheels.apply_ok()
    path = forge_manifest(host_with_wheels.generation, forge)

    done = host_with_wheels.run("verify", "converge.toml", "--json")

    document = json.loads(done.out)
    (report,) = document["generations"]
    assert document["exit"] == {"code": 2, "class": "drift", "retryable": False}
    assert report["damage"] == [{"path": path, "flags": FORGED[forge]}]
    assert done.code == 2


@pytest.mark.parametrize("content", [None, "", "lock-version = '1.0'\n"])
def test_verify_reports_a_modified_lock(host_with_wheels: Host, content: str | None) -> None:
    host = host_with_wheels
    host.declare(["beta<2"])
    host.apply_ok()
    lock = host.generation / ".converge/pylock.toml"
    lock.unlink()
    if content is not None:
        lock.write_text(content)

    done = host.run("verify", "converge.toml", "--json")

    (report,) = json.loads(done.out)["generations"]
    assert report["damage"] == [{"path": ".converge/pylock.toml", "flags": "..5....."}]
    assert done.code == 2


def test_verify_skips_persistent_and_ignored_files(host_with_wheels: Host) -> None:
    persistent, ignored = f"{SITE}/alpha/data", f"{SITE}/beta/*"
    host_with_wheels.declare(["alpha", "beta<2"], persistent=[persistent], ignore=[ignored])
    host_with_wheels.apply_ok()
    (host_with_wheels.generation / persistent / "table.txt").unlink()
    for path in (host_with_wheels.site / "beta").glob("*.py"):
        path.unlink()

    assert host_with_wheels.run("verify", "converge.toml").code == 0


def forge_manifest(root: Path, forge: Callable[[Path, Rows], str]) -> str:
    """Change a file, and update the manifest and the receipt to match; return its path."""
    rows = {path: row for path, *row in json.loads((root / MANIFEST).read_text())}
    changed_path = forge(root, rows)
    manifest = json.dumps(
        [[path, *row] for path, row in sorted(rows.items())], separators=(",", ":")
    )
    (root / MANIFEST).write_text(manifest)
    _, body = (root / RECEIPT).read_text().splitlines()
    receipt = json.dumps(
        {**json.loads(body), "manifest": sha256(manifest.encode())}, sort_keys=True
    )
    (root / RECEIPT).write_text(f"{sha256(receipt.encode())}\n{receipt}\n")
    return changed_path
