"""`verify` compares the seal with the wheels' RECORDs: a seal that is true to the disk is not enough."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.files import sha256
from tests.integration.host import MINOR, Host

SITE = f"lib/{MINOR}/site-packages"
RECEIPT, SEAL = ".converge/receipt.json", ".converge/seal.json"
Rows = dict[str, list[Any]]
"""Of a seal, by path: kind, mode, uid, gid, size, content, package."""


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
def test_what_was_sealed_and_is_not_as_in_a_record_is_named(
    stocked: Host, forge: Callable[[Path, Rows], str]
) -> None:
    stocked.declare(["alpha", "beta<2"])
    stocked.applied()
    path = sealed_again(stocked.generation, forge)

    done = stocked.run("verify", "converge.toml", "--json")

    told = json.loads(done.out)
    (report,) = told["generations"]
    assert told["exit"] == {"code": 2, "class": "drift", "retryable": False}
    assert report["damage"] == [{"path": path, "aspects": FORGED[forge]}]
    assert done.code == 2


def test_what_lives_on_or_is_ignored_may_be_otherwise(stocked: Host) -> None:
    kept, ignored = f"{SITE}/alpha/data", f"{SITE}/beta/*"
    stocked.declare(["alpha", "beta<2"], persistent=[kept], ignore=[ignored])
    stocked.applied()
    (stocked.generation / kept / "table.txt").unlink()
    for one in (stocked.site / "beta").glob("*.py"):
        one.unlink()

    assert stocked.run("verify", "converge.toml").code == 0


def sealed_again(root: Path, forge: Callable[[Path, Rows], str]) -> str:
    """Change something, and let the seal and the receipt say that it was always so."""
    rows = {path: row for path, *row in json.loads((root / SEAL).read_text())}
    changed = forge(root, rows)
    seal = json.dumps([[path, *row] for path, row in sorted(rows.items())], separators=(",", ":"))
    (root / SEAL).write_text(seal)
    _, body = (root / RECEIPT).read_text().splitlines()
    text = json.dumps({**json.loads(body), "seal": sha256(seal.encode())}, sort_keys=True)
    (root / RECEIPT).write_text(f"{sha256(text.encode())}\n{text}\n")
    return changed
