"""Modes, owners, and the IDs that a declaration names."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConvergeError, PermissionDenied
from states.venv.build.metadata import with_owner
from states.venv.build.ownership import (
    KEEP_OWNER,
    chmod_tree,
    chown_tree,
    normalized_mode,
    resolve_ids,
)
from states.venv.integrity.manifest import Entry
from states.venv.spec import Venv

MODES = {
    "file": (stat.S_IFREG | 0o600, 0o644),
    "writable file": (stat.S_IFREG | 0o666, 0o644),
    "script": (stat.S_IFREG | 0o700, 0o755),
    "executable by its group alone": (stat.S_IFREG | 0o610, 0o755),
    "set-user-ID program": (stat.S_IFREG | 0o4755, 0o755),
    "directory": (stat.S_IFDIR | 0o700, 0o755),
    "sticky directory": (stat.S_IFDIR | 0o1777, 0o755),
}


@pytest.mark.parametrize(("mode", "normalized"), MODES.values(), ids=MODES)
def test_mode_in_generation_ignores_the_umask(mode: int, normalized: int) -> None:
    assert normalized_mode(mode) == normalized


def test_chmod_tree_doesnt_follow_symlinks(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch(0o600)
    root = tmp_path / "root"
    (root / "web").mkdir(parents=True, mode=0o700)
    (root / "web/main.py").touch(0o600)
    (root / "web/link").symlink_to(outside)
    root.chmod(0o700)

    chmod_tree(str(root))

    assert stat.S_IMODE((root / "web").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "web/main.py").stat().st_mode) == 0o644
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_chown_starts_with_the_deepest_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner of a directory can exchange its entries, so it must get them before it."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").touch()
    paths: list[str] = []
    monkeypatch.setattr(os, "chown", lambda path, *_, **__: paths.append(path))

    chown_tree(str(tmp_path), (1, 1))

    assert paths == [f"{tmp_path}/{name}" for name in ("a/b/c", "a/b", "a")]


def test_chown_without_owner_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delattr(os, "chown")
    chown_tree(str(tmp_path), KEEP_OWNER)


OWNERS = {
    "keep both": (KEEP_OWNER, (7, 8)),
    "owner": ((1, -1), (1, 8)),
    "group": ((-1, 2), (7, 2)),
    "both": ((0, 0), (0, 0)),
}


@pytest.mark.parametrize(("ids", "expected"), OWNERS.values(), ids=OWNERS)
def test_manifest_entry_has_the_final_owner(
    ids: tuple[int, int], expected: tuple[int, int]
) -> None:
    entry = with_owner(Entry("f", 0o644, 7, 8, 0, "", ""), ids)
    assert (entry.uid, entry.gid) == expected


def _user(uid: int) -> pwd.struct_passwd:
    return pwd.struct_passwd(("web", "x", uid, 2000, "", "/", "/bin/sh"))


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Define the user `web` in the group `web`, and the group `ops`; run as root."""
    groups = {"web": 2000, "ops": 3000}
    monkeypatch.setattr(pwd, "getpwnam", lambda name: {"web": _user(1000)}[name])
    monkeypatch.setattr(
        grp, "getgrnam", lambda name: grp.struct_group((name, "x", groups[name], []))
    )
    monkeypatch.setattr(os, "getgrouplist", lambda _name, _gid: [2000])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "getegid", lambda: 0)


RESOLVED: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "nothing": ({}, KEEP_OWNER),
    "owner": ({"owner": "web"}, (1000, -1)),
    "group": ({"group": "ops"}, (-1, 3000)),
    "both": ({"owner": "web", "group": "web", "mode": "0750"}, (1000, 2000)),
    "private without an owner": ({"mode": "0700"}, KEEP_OWNER),
}


@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize(("keys", "ids"), RESOLVED.values(), ids=RESOLVED)
def test_owner_and_group_are_resolved(keys: dict[str, Any], ids: tuple[int, int]) -> None:
    assert resolve_ids(Venv(path="/srv/web", **keys)) == ids


REJECTED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown user": ({"owner": "ann"}, "user doesn't exist: `ann`"),
    "unknown group": ({"group": "dev"}, "group doesn't exist: `dev`"),
    "owner outside of the group": (
        {"owner": "web", "group": "ops", "mode": "0750"},
        "would lock out the owner `web`",
    ),
    "private with another owner": (
        {"owner": "web", "mode": "0700"},
        "would lock out the owner `web`",
    ),
}


@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize(("keys", "message"), REJECTED.values(), ids=REJECTED)
def test_unusable_owner_is_rejected(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConvergeError, match=message):
        resolve_ids(Venv(path="/srv/web", **keys))


@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize("mode", ["0077", "0500", "0600"])
def test_mode_must_not_lock_out_the_current_user(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    spec = Venv(path="/srv/web", mode=mode)
    resolve_ids(spec)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ConvergeError, match="would lock out the current user"):
        resolve_ids(spec)


@pytest.mark.parametrize("key", ["owner", "group"])
def test_giving_files_away_requires_the_capability(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Otherwise, the last step of a build would fail with EPERM."""
    keys: dict[str, Any] = {key: "root"}
    spec = Venv(path="/srv/web", mode="0755", **keys)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(os, "getegid", lambda: 12345)
    monkeypatch.setattr(os, "getgroups", lambda: [12345])
    assert resolve_ids(spec) in ((0, -1), (-1, 0))

    monkeypatch.setattr("states.venv.build.ownership.has_capability", lambda _: False)
    with pytest.raises(PermissionDenied, match=f'`{key} = "root"`'):
        resolve_ids(spec)
