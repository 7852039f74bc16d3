"""The entries that a removal moves, and the moves themselves."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from states.global_installs.places import Place
from states.global_installs.removal.contents import read_contents
from states.global_installs.removal.moving import restore_entries, store_entry, stored_entries
from states.global_installs.removal.units import split_path_file, units_to_move
from states.package_managers.owners import Owners


class OwnersOf(Owners):
    """The owners of some paths, without a database."""

    def __init__(self, *paths: str) -> None:
        self.packages = dict.fromkeys(paths, "python3-other")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return an empty site directory."""
    site = tmp_path / "lib/python3.11/site-packages"
    site.mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    return site


def _install(site: Path, name: str, *files: str) -> None:
    """Write a package with a RECORD, and the files that it names."""
    info = site / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    for file in files:
        path = Path(os.path.normpath(site / file))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def _units(
    site: Path, *owned: str, allow: tuple[str, ...] = (), ignore: tuple[str, ...] = ()
) -> list[str]:
    """Return the units to move, relative to the site directory."""
    owners = OwnersOf(*(f"{site}/{path}" for path in owned))
    contents = read_contents(Place(str(site), ""), allow, ignore, owners)
    units = units_to_move(contents, owners, ignore, [contents])
    return [os.path.relpath(unit, site) for unit in units]


def test_directory_of_an_unwanted_package_moves_as_a_whole(site: Path) -> None:
    _install(site, "web", "web/__init__.py", "web/a/b.py", "../../../bin/web")
    (site / "web/local.ini").write_text("not recorded")
    assert _units(site) == ["../../../bin/web", "web", "web-1.dist-info"]


def test_namespace_is_divided_between_packages(site: Path) -> None:
    _install(site, "one", "space/one/__init__.py", "space/one/x.py")
    _install(site, "two", "space/two/__init__.py")
    assert _units(site, allow=("two",)) == ["space/one", "one-1.dist-info"]
    assert _units(site) == ["space", "one-1.dist-info", "two-1.dist-info"]


def test_file_of_the_distribution_stays_even_if_recorded(site: Path) -> None:
    _install(site, "web", "shared/__init__.py", "shared/added.py", "empty/added.py")
    owned = ("shared", "shared/__init__.py", "empty")
    assert _units(site, *owned) == ["empty/added.py", "shared/added.py", "web-1.dist-info"]


def test_program_of_an_allowed_package_stays(site: Path) -> None:
    _install(site, "one", "../../../bin/tool", "one.py")
    _install(site, "two", "../../../bin/tool", "two.py")
    assert _units(site, allow=("two",)) == ["one.py", "one-1.dist-info"]


def test_bytecode_of_a_single_module_moves_with_it(site: Path) -> None:
    _install(site, "one", "one.py")
    (site / "__pycache__").mkdir()
    for name in ("one.cpython-311.pyc", "other.cpython-311.pyc"):
        (site / "__pycache__" / name).touch()
    assert _units(site) == ["__pycache__/one.cpython-311.pyc", "one.py", "one-1.dist-info"]


@pytest.mark.parametrize("suffix", ["dist-info", "egg-info"])
@pytest.mark.parametrize("module", ["..", ".", "../other", "web/../..", "/etc"])
def test_module_outside_of_the_site_directory_stays(suffix: str, module: str, site: Path) -> None:
    (site.parent / "other").mkdir()
    (site / f"web-1.{suffix}").mkdir()
    for name in ("METADATA", "PKG-INFO"):
        (site / f"web-1.{suffix}" / name).write_text("Name: web\nVersion: 1\n")
    (site / f"web-1.{suffix}/top_level.txt").write_text(f"{module}\nweb\n")
    (site / "web.py").touch()
    assert _units(site) == ["web.py", f"web-1.{suffix}"]


def test_directory_outside_of_the_site_directory_stays(site: Path) -> None:
    """distutils records a directory that a package creates empty. Others may have filled it."""
    _install(site, "web", "../../../share/man/web.1")
    with (site / "web-1.dist-info/RECORD").open("a") as record:
        record.write("../../../share/man,,\n")
    (site / "../../../share/man/other.1").touch()
    assert _units(site) == ["../../../share/man/web.1", "web-1.dist-info"]


def test_ignored_entries_stay(site: Path) -> None:
    _install(site, "one", "one.py")
    (site / "zz_site.pth").touch()
    (site / "~ne").mkdir()
    assert _units(site, ignore=("zz_*.pth",)) == ["one.py", "~ne", "one-1.dist-info"]
    assert _units(site, ignore=("one*", "zz*", "~*")) == []


def test_path_file_of_several_packages_is_reported(site: Path) -> None:
    (site / "easy-install.pth").write_text("./one.egg\n./two.egg\n")
    for name in ("one", "two"):
        (site / f"{name}.egg/EGG-INFO").mkdir(parents=True)
        (site / f"{name}.egg/EGG-INFO/PKG-INFO").write_text(f"Name: {name}\nVersion: 1\n")
    contents = read_contents(Place(str(site), ""), ("one",), (), OwnersOf())
    assert split_path_file([contents]) == f"{site}/easy-install.pth"
    assert split_path_file([read_contents(Place(str(site), ""), (), (), OwnersOf())]) == ""


def _tree(directory: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path.relative_to(directory)): (
            path.lstat().st_mode,
            path.read_text() if path.is_file() else "",
        )
        for path in sorted(directory.rglob("*"))
    }


@pytest.mark.parametrize("can_rename", [True, False])
def test_stored_entries_are_restored(
    can_rename: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On overlayfs, directories can't be renamed."""
    system, files = tmp_path / "system", tmp_path / "store/files"
    (system / "a/b").mkdir(parents=True)
    (system / "a/b/file").write_text("content")
    (system / "a/b").chmod(0o750)
    (system / "link").symlink_to("a/b")
    files.mkdir(parents=True)
    before, rename = _tree(system), os.rename

    def refuse_directories(source: str, target: str) -> None:
        if os.path.isdir(source) and not source.endswith("-next"):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source)
        rename(source, target)

    if not can_rename:
        monkeypatch.setattr(os, "rename", refuse_directories)
    for name in ("a", "link", "missing"):
        store_entry(f"{system}/{name}", str(files))
    assert _tree(system) == {}
    assert [*stored_entries(str(files))] == [f"{system}/a", f"{system}/link"]

    restore_entries(str(files))

    assert _tree(system) == before
    assert os.listdir(files) == []


def test_occupied_path_keeps_the_stored_entry(tmp_path: Path) -> None:
    system, files = tmp_path / "system", tmp_path / "files"
    system.mkdir()
    files.mkdir()
    (system / "file").write_text("old")
    store_entry(f"{system}/file", str(files))
    (system / "file").write_text("new")
    restore_entries(str(files))
    assert (system / "file").read_text() == "new"
    assert Path(f"{files}{system}/file").read_text() == "old"
