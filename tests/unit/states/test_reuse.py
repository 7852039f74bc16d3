"""Packages of other generations: which are reused, and when a copy is given up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.frozen import replace
from engine.system.files import sha256
from states.venv.build.install import is_subdirectory_of_archive
from states.venv.build.reuse.package_copy import Copy, PackageCopier
from states.venv.build.reuse.reusable import is_same, unmodified
from states.venv.integrity.dist_info import is_part_of_module
from states.venv.integrity.manifest import Entry
from states.venv.integrity.receipt import Package
from states.venv.integrity.stat_cache import stat_key

SELECTED = Package(name="web", version="1.0", content="sha256:aa")
INSTALLED = replace(SELECTED, wheel=True, record="any:bb")
LOCAL = Package(name="web", version="", origin="file:///src/web", content="tree")

SAME = {
    "identical": (SELECTED, INSTALLED, True),
    "missing": (SELECTED, None, False),
    "other version": (SELECTED, replace(INSTALLED, version="2.0"), False),
    "other content": (SELECTED, replace(INSTALLED, content="sha256:bb"), False),
    "other origin": (SELECTED, replace(INSTALLED, origin="https://example.org/web.whl"), False),
    "without content": (
        replace(SELECTED, content=""),
        replace(INSTALLED, content=""),
        False,
    ),
    "local project": (LOCAL, replace(LOCAL, version="1.0"), True),
    "edited local project": (LOCAL, replace(LOCAL, version="1.0", content="edited"), False),
}


@pytest.mark.parametrize(("selected", "installed", "same"), SAME.values(), ids=SAME)
def test_package_is_reused_if_content_is_identical(
    selected: Package, installed: Package | None, same: bool
) -> None:
    assert is_same(selected, installed) is same


def test_changed_source_invalidates_its_bytecode(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "c.py", "__pycache__/a.cpython-311.pyc",
                 "__pycache__/b.cpython-311.pyc"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    copies = {
        str(path.relative_to(tmp_path)): Copy(path.name, stat_key(str(path)))
        for path in tmp_path.rglob("*.py*")
    }
    (tmp_path / "b.py").write_text("changed")
    (tmp_path / "c.py").unlink()

    assert set(unmodified(str(tmp_path), copies)) == {"a.py", "__pycache__/a.cpython-311.pyc"}


SITE = "lib/python3.11/site-packages"
RECORD = f"{SITE}/web-1.0.dist-info/RECORD"
OLD_DIGEST = "A" * 43


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a generation with the package `web`, which has a script."""
    root = tmp_path / "generations/000001-aaaaaaaa"
    files = {
        "bin/web": f"#!{root}/bin/python\n",
        f"{SITE}/web/main.py": "main = 1\n",
        RECORD: f"web/main.py,sha256={OLD_DIGEST},9\n../../../bin/web,sha256={OLD_DIGEST},1\n",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def _manifest(root: Path) -> dict[str, Entry]:
    return {
        str(path.relative_to(root)): Entry(
            "f", 0o644, 0, 0, path.stat().st_size, sha256(path.read_bytes()), "web"
        )
        for path in root.rglob("*")
        if path.is_file()
    }


def _files(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()
    }


def _copy(source: Path, target: Path, manifest: dict[str, Entry], *others: str) -> dict[str, str]:
    """Copy the package `web` and others, and return the digests of the copies of `web`."""
    packages = {
        name: [path for path, entry in manifest.items() if entry.package == name]
        for name in ("web", *others)
    }
    copier = PackageCopier(str(source), str(target), manifest, str(source.parent))
    copies = copier.copy(packages).get("web", {})
    assert all(copy.key == stat_key(f"{target}/{path}") for path, copy in copies.items())
    return {path: copy.digest for path, copy in copies.items()}


def test_intact_package_is_copied_with_its_script(source: Path) -> None:
    target = source.with_name("000002-bbbbbbbb")
    manifest = _manifest(source)

    digests = _copy(source, target, manifest)

    copied = _files(target)
    assert copied["bin/web"] == f"#!{target}/bin/python\n"
    assert f"web/main.py,sha256={OLD_DIGEST}" in copied[RECORD]
    assert f"bin/web,sha256={OLD_DIGEST}" not in copied[RECORD]
    assert copied[f"{SITE}/web/main.py"] == "main = 1\n"
    assert digests == {name: sha256(content.encode()) for name, content in copied.items()}


def _edit(root: Path) -> None:
    (root / SITE / "web/main.py").write_text("main = 2\n")


def _truncate(root: Path) -> None:
    (root / SITE / "web/main.py").write_text("")


def _delete(root: Path) -> None:
    (root / RECORD).unlink()


def _replace_by_symlink(root: Path) -> None:
    (root / RECORD).rename(root / "RECORD")
    (root / RECORD).symlink_to(root / "RECORD")


@pytest.mark.parametrize("damage", [_edit, _truncate, _delete, _replace_by_symlink])
def test_copy_of_a_damaged_package_is_undone(source: Path, damage: Callable[[Path], None]) -> None:
    """Not even an empty `dist-info` directory remains."""
    target = source.with_name("000002-bbbbbbbb")
    (target / "bin").mkdir(parents=True)
    (target / "bin/python").touch()
    manifest = _manifest(source)
    damage(source)

    assert _copy(source, target, manifest) == {}
    assert [str(path.relative_to(target)) for path in target.rglob("*")] == ["bin", "bin/python"]


def test_package_with_an_untracked_file_isnt_copied(source: Path) -> None:
    """An ignored file is in the RECORD and not in the manifest."""
    target = source.with_name("000002-bbbbbbbb")
    manifest = _manifest(source)
    del manifest[f"{SITE}/web/main.py"]

    assert _copy(source, target, manifest) == {}
    assert list(target.rglob("*")) == []


@pytest.mark.parametrize("others", [("api",), ()])
def test_file_of_a_selected_package_may_be_missing(source: Path, others: tuple[str, ...]) -> None:
    """The other package brings it. If that isn't selected, nothing does."""
    target = source.with_name("000002-bbbbbbbb")
    shared = f"{SITE}/web/main.py"
    manifest = _manifest(source)
    manifest[shared] = manifest[shared]._replace(package="api")

    assert bool(_copy(source, target, manifest, *others)) is bool(others)


def test_existing_file_isnt_overwritten(source: Path) -> None:
    target = source.with_name("000002-bbbbbbbb")
    (target / SITE / "web").mkdir(parents=True)
    (target / SITE / "web/main.py").write_text("of another package")
    manifest = _manifest(source)

    assert _copy(source, target, manifest) == {}


ARCHIVES = {
    "https://example.org/a.zip#subdirectory=web": ("sha256:aa", True),
    "https://example.org/a.zip": ("sha256:aa", False),
    "git+https://example.org/a.git#subdirectory=web": ("0123abcd", False),
}


@pytest.mark.parametrize(
    ("origin", "content", "expected"), [(key, *value) for key, value in ARCHIVES.items()]
)
def test_subdirectory_of_an_archive_is_recognized(
    origin: str, content: str, expected: bool
) -> None:
    package = Package(name="web", version="1.0", origin=origin, content=content)
    assert is_subdirectory_of_archive(package) is expected


MODULE_FILES = {
    "apt": True,
    "apt.py": True,
    "apt.so": True,
    "apt.cpython-311-x86_64-linux-gnu.so": True,
    "apt.pyi": False,
    "apt_pkg.so": False,
    "python_apt-2.6.dist-info": False,
}


@pytest.mark.parametrize(("name", "expected"), MODULE_FILES.items())
def test_files_of_a_system_module_are_recognized(name: str, expected: bool) -> None:
    assert is_part_of_module(name, "apt") is expected
