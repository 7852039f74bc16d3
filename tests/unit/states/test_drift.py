"""Drift of a generation from its manifest, file by file and package by package."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from states.venv.integrity.drift import (
    added_paths,
    by_package,
    changed_entries,
    find_drift,
    ignored,
    partly_ignored_dirs,
)
from states.venv.integrity.manifest import Entry, stat_entry, walk
from states.venv.integrity.receipt import Package
from states.venv.integrity.stat_cache import stat_key
from tests.unit.states.values import make_receipt

SITE = "lib/python3.11/site-packages"
INFO = f"{SITE}/web-1.0.dist-info"
RECEIPT = make_receipt(packages=(Package(name="web", version="1.0"),))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a small generation with one package."""
    files = {
        "bin/web": "#!/bin/sh\n",
        f"{SITE}/web/__init__.py": "VERSION = 1\n",
        f"{INFO}/METADATA": "Name: web\nVersion: 1.0\n",
        "share/cache/old": "",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "lib64").symlink_to("lib")
    return tmp_path


def _manifest(root: Path) -> dict[str, Entry]:
    packaged = ("bin/web", f"{SITE}/web", INFO)
    return {
        path: stat_entry(str(root), path, "web" if path.startswith(packaged) else "")
        for path in (".", *(path for path, _ in walk(str(root))))
    }


def _replace(file: Path, create: Callable[[Path], object]) -> None:
    file.unlink()
    create(file)


def _bind(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(file))


SCRIPT = "bin/web"
CHANGES: dict[str, tuple[Callable[[Path], object], dict[str, str]]] = {
    "nothing": (lambda _root: None, {}),
    "time": (lambda root: os.utime(root / SCRIPT, (1, 1)), {}),
    "content": (lambda root: (root / SCRIPT).write_text("#!/bin/ls\n"), {SCRIPT: "modified"}),
    "size": (lambda root: (root / SCRIPT).write_text(""), {SCRIPT: "modified"}),
    "mode": (lambda root: (root / SCRIPT).chmod(0o600), {SCRIPT: "mode 0600"}),
    "setuid": (lambda root: (root / SCRIPT).chmod(0o4755), {SCRIPT: "mode 4755"}),
    "missing": (lambda root: (root / SCRIPT).unlink(), {SCRIPT: "missing"}),
    "directory": (
        lambda root: _replace(root / SCRIPT, Path.mkdir),
        {SCRIPT: "another kind of file"},
    ),
    "socket": (lambda root: _replace(root / SCRIPT, _bind), {SCRIPT: "another kind of file"}),
    "link": (
        lambda root: _replace(root / SCRIPT, lambda file: file.symlink_to("python")),
        {SCRIPT: "another kind of file"},
    ),
    "target": (
        lambda root: _replace(root / "lib64", lambda link: link.symlink_to("share")),
        {"lib64": "modified"},
    ),
    "new file": (lambda root: (root / "bin/new").touch(), {"bin/new": "unexpected"}),
    "new directory": (lambda root: (root / "new").mkdir(), {"new": "unexpected"}),
    "metadata directory": (lambda root: (root / ".converge").mkdir(), {}),
}


@pytest.mark.parametrize(("change", "drift"), CHANGES.values(), ids=CHANGES)
def test_drift_names_each_change(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], object],
    drift: dict[str, str],
) -> None:
    """A new timestamp alone isn't drift."""
    monkeypatch.chdir(root)  # the path of a socket is short
    manifest = _manifest(root)
    change(root)
    assert find_drift(str(root), manifest, ()) == drift


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change owners")
def test_drift_names_the_new_owner(root: Path) -> None:
    """User and group are shown as numbers."""
    manifest = _manifest(root)
    os.chown(root / SCRIPT, 5, 6)
    assert find_drift(str(root), manifest, ()) == {SCRIPT: "owner 5:6"}


def test_file_below_a_replaced_directory_is_missing(root: Path) -> None:
    """A file can't be in a directory that is a file now."""
    manifest = _manifest(root)
    (root / "share/cache/old").unlink()
    (root / "share/cache").rmdir()
    (root / "share/cache").touch()
    drift = find_drift(str(root), manifest, ())
    assert drift["share/cache/old"] == "missing"
    assert drift["share/cache"] == "another kind of file"


def test_file_that_matches_the_stat_cache_isnt_read(root: Path) -> None:
    """Its content could have changed only together with its metadata."""
    manifest = _manifest(root)
    (root / SCRIPT).write_text("#!/bin/ls\n")
    stat_cache = {SCRIPT: stat_key(str(root / SCRIPT))}
    assert changed_entries(str(root), manifest, manifest, stat_cache) == {}
    assert list(changed_entries(str(root), manifest, manifest, {})) == [SCRIPT]
    assert added_paths(str(root), manifest, ()) == []


def test_unreadable_file_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing read must not look like a missing file."""
    manifest = _manifest(root)
    read = os.lstat

    def fail_for_script(path: Any, **options: Any) -> os.stat_result:
        if str(path).endswith(SCRIPT):
            raise OSError(errno.EIO, "Input/output error")
        return read(path, **options)

    monkeypatch.setattr(os, "lstat", fail_for_script)
    with pytest.raises(OSError, match="Input/output error"):
        find_drift(str(root), manifest, ())


IGNORED = [
    ("share/cache/new", ["share/cache/*"], True),
    ("share/cache/a/b", ["share/cache/**"], True),
    ("share/cache/a/b", ["share/cache/*"], True),
    ("share/cache", ["share/cache/*"], False),
    ("share/other", ["share/cache/*"], False),
    ("var/log/a.log", ["*.log"], True),
    ("var/a1", ["var/a[0-9]"], True),
    ("var/A1", ["var/a?"], False),
    ("var/a", [], False),
]


@pytest.mark.parametrize(("path", "patterns", "expected"), IGNORED)
def test_ignored_patterns(path: str, patterns: list[str], expected: bool) -> None:
    """`*` also matches a slash, and case matters."""
    assert ignored(path, patterns) is expected


def test_ignored_pattern_admits_its_own_directories(root: Path) -> None:
    """A program that writes ignored files first creates their directories."""
    manifest = _manifest(root)
    (root / "var/log/web").mkdir(parents=True)
    (root / "var/log/web/a.log").touch()
    (root / "var/other").touch()
    assert find_drift(str(root), manifest, ("var/log/web/*.log",)) == {"var/other": "unexpected"}


def test_ignored_directory_must_not_be_a_file(root: Path) -> None:
    """Only a directory on the way to an ignored file is accepted."""
    manifest = _manifest(root)
    (root / "var").touch()
    assert find_drift(str(root), manifest, ("var/log/*",)) == {"var": "unexpected"}


def test_partly_ignored_directories() -> None:
    """The directory of each match, and the fixed part of each pattern."""
    paths = ["share/cache/old", "share/doc", "a.log"]
    directories = partly_ignored_dirs(paths, ["share/cache/*", "*.log", "var/log/?"])
    assert directories == (".", "share/cache", "var/log")


def test_by_package_without_drift_lists_packages(root: Path) -> None:
    """Each package has its version."""
    assert by_package({}, _manifest(root), RECEIPT, str(root)) == {"package.web": "1.0"}


def test_by_package_reports_changed_file_beside_its_package(root: Path) -> None:
    """The package itself is still installed."""
    drift = {f"{SITE}/web/__init__.py": "modified"}
    attributes = by_package(drift, _manifest(root), RECEIPT, str(root))
    assert attributes == {"package.web": "1.0", f"file.{SITE}/web/__init__.py": "modified"}


def test_by_package_without_metadata_is_a_missing_package(root: Path) -> None:
    """Its other files aren't listed, those of the environment are."""
    drift = {f"{INFO}/METADATA": "missing", "bin/web": "modified", "lib64": "modified"}
    attributes = by_package(drift, _manifest(root), RECEIPT, str(root))
    assert attributes == {"file.lib64": "modified"}


def _install(root: Path, name: str, version: str) -> None:
    """Install a package by hand, with bytecode."""
    package = root / SITE / name
    info = root / SITE / f"{name}-{version}.dist-info"
    (package / "__pycache__").mkdir(parents=True, exist_ok=True)
    info.mkdir()
    (package / "__init__.py").write_text("VERSION = 2\n")
    (package / "__pycache__/__init__.cpython-311.pyc").touch()
    (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n")


def test_by_package_reports_foreign_package_as_a_whole(root: Path) -> None:
    """Files, bytecode and directories belong to it; another new file doesn't."""
    manifest = _manifest(root)
    _install(root, "api", "3.0")
    (root / SITE / "other.py").touch()
    drift = find_drift(str(root), manifest, ())
    attributes = by_package(drift, manifest, RECEIPT, str(root))
    assert attributes == {
        "package.web": "1.0",
        "package.api": "3.0",
        f"file.{SITE}/other.py": "unexpected",
    }


def test_by_package_reports_other_version_as_installed(root: Path) -> None:
    """The files of the replaced version aren't listed."""
    manifest = _manifest(root)
    (root / INFO / "METADATA").unlink()
    _install(root, "web", "2.0")
    drift = find_drift(str(root), manifest, ())
    attributes = by_package(drift, manifest, RECEIPT, str(root))
    assert attributes == {"package.web": "2.0"}


def test_by_package_lists_files_of_duplicate_metadata(root: Path) -> None:
    """Metadata with the recorded version hides no file."""
    manifest = _manifest(root)
    copy = root / SITE / "web-copy.dist-info"
    copy.mkdir()
    (copy / "METADATA").write_text("Name: web\nVersion: 1.0\n")
    attributes = by_package(find_drift(str(root), manifest, ()), manifest, RECEIPT, str(root))
    assert attributes == {
        "package.web": "1.0",
        f"file.{SITE}/web-copy.dist-info": "unexpected",
        f"file.{SITE}/web-copy.dist-info/METADATA": "unexpected",
    }


def test_by_package_takes_linear_time(root: Path) -> None:
    """The owner of a venv can create any number of files and metadata."""

    def duration(count: int) -> float:
        site = f"lib/{count}/site-packages"
        drift = {f"{site}/d{number // 10}/f{number}": "unexpected" for number in range(count)}
        drift |= {f"{site}/d{number}": "unexpected" for number in range(count // 10)}
        start = time.process_time()
        assert len(by_package(drift, _manifest(root), RECEIPT, str(root))) > count
        return time.process_time() - start

    assert duration(20_000) < max(0.2, 20 * duration(2_000))


def test_directory_of_a_foreign_package_has_no_attribute(root: Path) -> None:
    """A directory that also contains other files has one, as have the directories above it."""
    site = "lib/python3.11/site-packages"
    info = f"{site}/stray-1.0.dist-info"
    files = {
        f"{info}/METADATA": "Name: stray\nVersion: 1.0\n",
        f"{info}/RECORD": "stray/a.py,,\nstray/deep/b.py,,\n",
        f"{site}/stray/a.py": "",
        f"{site}/stray/deep/b.py": "",
        f"{site}/stray/deep/other/c.py": "",
    }
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    directories = ("stray", "stray/deep", "stray/deep/other")
    paths = [*files, info, *(f"{site}/{name}" for name in directories)]

    attributes = by_package(dict.fromkeys(paths, "unexpected"), {}, RECEIPT, str(root))

    assert attributes["package.stray"] == "1.0"
    assert {name for name in attributes if name.startswith("file.")} == {
        f"file.{site}/{name}" for name in (*directories, "stray/deep/other/c.py")
    }
    del files[f"{site}/stray/deep/other/c.py"]
    paths = [*files, info, *(f"{site}/{name}" for name in directories[:2])]
    attributes = by_package(dict.fromkeys(paths, "unexpected"), {}, RECEIPT, str(root))
    assert not [name for name in attributes if name.startswith("file.")]
