"""Copies of packages in several processes, also if a worker fails."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from engine.system.files import sha256
from states.venv.build.reuse import copy_workers
from states.venv.build.reuse.copy_workers import deal
from states.venv.build.reuse.package_copy import PackageCopier
from states.venv.integrity.manifest import Manifest, stat_entry
from states.venv.integrity.stat_cache import stat_key

SITE = "lib/python3.11/site-packages"
LARGE = 17 << 20
UNUSUAL = {
    b"web/new\nline.py": b"1",
    b"web/ invalid \xff.py": b"2",
    b"web/empty.py": b"",
    b"web/\xc3\xa9t\xc3\xa9/__init__.py": b"3",
    b"api/sub/deep/module.py": b"4" * 5000,
}
"""The content of files, by path below `site-packages`."""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a generation with files of two packages. Two workers copy it."""
    monkeypatch.setattr(copy_workers, "cpu_count", lambda: 2)
    monkeypatch.setattr(copy_workers, "_FILES_PER_PROCESS", 1)
    source = str(tmp_path / "source")
    for name, content in UNUSUAL.items():
        path = os.fsencode(f"{source}/{SITE}/") + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(content)
    with open(f"{source}/{SITE}/api/sparse.so", "wb") as stream:
        stream.truncate(LARGE)
    os.chmod(f"{source}/{SITE}/web/empty.py", 0o755)
    return source


def files_below(root: str) -> list[str]:
    return sorted(
        os.path.relpath(os.path.join(directory, name), root)
        for directory, _, names in os.walk(root)
        for name in names
    )


def copy(source: str) -> tuple[str, dict[str, set[str]]]:
    """Copy both packages. Return the new generation, and the paths of the copies by package."""
    target = f"{os.path.dirname(source)}/target"
    manifest: Manifest = {}
    packages: dict[str, list[str]] = {}
    for path in files_below(source):
        package = path.removeprefix(f"{SITE}/").partition("/")[0]
        manifest[path] = stat_entry(source, path, package)
        packages.setdefault(package, []).append(path)
    copied = PackageCopier(source, target, manifest, os.path.dirname(source)).copy(packages)
    for copies in copied.values():
        for path, made in copies.items():
            assert made.key == stat_key(f"{target}/{path}")
            assert stat_entry(target, path, manifest[path].package) == manifest[path]
            assert made.digest == manifest[path].content
    return target, {name: set(copies) for name, copies in copied.items()}


def test_workers_copy_files_with_any_name_size_and_mode(source: str) -> None:
    target, copied = copy(source)

    assert set(copied) == {"web", "api"}
    assert files_below(target) == files_below(source)
    assert stat.S_IMODE(os.stat(f"{target}/{SITE}/web/empty.py").st_mode) == 0o755


def test_edit_while_workers_start_costs_one_package(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited, grown = f"{source}/{SITE}/web/__init__.py", f"{source}/{SITE}/api/sub/deep/module.py"
    Path(edited).write_text("main = 1\n")
    edit = f"open({edited!r}, 'r+').write('m'); open({edited!r}, 'r+').write('M')"
    grow = f"open({grown!r}, 'a').write('more')"
    program = f"{edit}; {grow}; {copy_workers._PROGRAM}"
    monkeypatch.setattr(copy_workers, "_PROGRAM", program)

    target, copied = copy(source)

    assert set(copied) == {"api"}
    assert files_below(target) == sorted(copied["api"])
    assert not os.path.exists(f"{target}/{SITE}/web")


KILL = "import os; os.kill(os.getpid(), 9)"


@pytest.mark.parametrize("when", ["before", "after"])
def test_copies_of_a_killed_worker_are_deleted(
    source: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = copy_workers._PROGRAM
    killed = f"{KILL}; {program}" if when == "before" else f"{program}; {KILL}"
    monkeypatch.setattr(copy_workers, "_PROGRAM", killed)

    target, copied = copy(source)

    assert copied == {}
    assert files_below(target) == []
    assert not os.path.exists(f"{target}/lib")


def test_without_workers_this_process_copies(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")

    target, copied = copy(source)

    assert set(copied) == {"web", "api"}
    assert files_below(target) == files_below(source)


def test_files_are_dealt_by_directory_and_cost() -> None:
    files = [
        (f"{directory}/{number}", 0o644, size, sha256(b""))
        for directory, count, size in [("a", 30, 1), ("b", 20, 1), ("c", 10, 1), ("d", 1, 1 << 21)]
        for number in range(count)
    ]

    parts = [{os.path.dirname(path) for path, *_ in part} for part in deal(files, 2)]

    assert sorted(map(sorted, parts)) == [["a", "b"], ["c", "d"]]
    assert sorted(file for part in deal(files, 3) for file in part) == sorted(files)
    assert deal(files[:1], 4) == [files[:1]]
    assert deal([], 4) == []
