"""Cache and state directories, and settings from command-line options."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

from engine.cli import options
from engine.errors import PermissionDenied, UsageError
from engine.system.paths import cache_and_state_dirs

NAMES = ("CONVERGE_CACHE_DIR", "CONVERGE_STATE_DIR", "XDG_CACHE_HOME", "XDG_STATE_HOME")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the variables that name directories, and use an unprivileged home directory."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/user")


def test_directories_of_root_are_system_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("XDG_CACHE_HOME", "/not/this")
    assert cache_and_state_dirs() == ("/var/cache/converge", "/var/lib/converge")


def test_directories_of_users_follow_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cache_and_state_dirs() == (
        "/home/user/.cache/converge",
        "/home/user/.local/state/converge",
    )
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    assert cache_and_state_dirs() == ("/c/converge", "/s/converge")


def test_directories_prefer_converge_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVERGE_CACHE_DIR", "/c")
    monkeypatch.setenv("CONVERGE_STATE_DIR", "/s/../t")
    assert cache_and_state_dirs() == ("/c", "/t")


@pytest.mark.parametrize("name", ["CONVERGE_CACHE_DIR", "CONVERGE_STATE_DIR"])
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
def test_directory_writable_by_others_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, mode: int
) -> None:
    monkeypatch.setenv("CONVERGE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CONVERGE_STATE_DIR", str(tmp_path / "state"))
    directory = tmp_path / name.split("_")[1].lower()
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(PermissionDenied, match=f"`{directory}`: writable by other users") as caught:
        cache_and_state_dirs()
    assert f"set `{name}` to a private directory" in (caught.value.hint or "")
    assert "rm " not in (caught.value.hint or ""), (
        "the hint must not suggest to delete a directory such as /tmp"
    )
    for safe in (0o755, 0o700, 0o500):
        directory.chmod(safe)
        assert str(directory) in cache_and_state_dirs()


def test_private_directory_in_a_shared_one_is_allowed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tmp_path.chmod(0o1777)
    (tmp_path / "cache").mkdir(0o755)
    monkeypatch.setenv("CONVERGE_CACHE_DIR", str(tmp_path / "cache"))
    assert cache_and_state_dirs()[0] == str(tmp_path / "cache")


@pytest.mark.parametrize("name", ["CONVERGE_CACHE_DIR", "XDG_CACHE_HOME"])
def test_relative_directory_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv(name, "here")
    with pytest.raises(UsageError, match=r"^`here(/converge)?` is a relative path") as caught:
        cache_and_state_dirs()
    assert "`CONVERGE_CACHE_DIR`" in (caught.value.hint or "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner")
@pytest.mark.parametrize("file_type", ["a directory", "a symlink"])
def test_directory_of_another_user_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file_type: str
) -> None:
    cache = tmp_path / "cache"
    if file_type == "a directory":
        cache.mkdir(0o700)
    else:
        (tmp_path / "target").mkdir(0o700)
        cache.symlink_to("target")
    monkeypatch.setenv("CONVERGE_CACHE_DIR", str(cache))
    assert cache_and_state_dirs()[0] == str(cache)
    os.chown(cache, 65534, 65534, follow_symlinks=False)
    with pytest.raises(PermissionDenied, match="owned by uid 65534"):
        cache_and_state_dirs()


@pytest.mark.parametrize(
    ("arguments", "packages"),
    [
        ([], None),
        (["--upgrade"], frozenset()),
        (["--upgrade-package=a"], {"a"}),
        (["--upgrade-package", "a.b", "--upgrade-package=c"], {"a.b", "c"}),
        (["--upgrade-package=a", "--upgrade"], frozenset()),
    ],
)
def test_upgrade_selects_no_some_or_all_packages(
    arguments: list[str], packages: AbstractSet[str] | None
) -> None:
    parser = ArgumentParser()
    options.add_run_arguments(parser)
    parsed = parser.parse_args([*arguments, "site.toml"])
    assert options.build_settings(parsed).upgrade == packages
