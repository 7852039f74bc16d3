"""The databases of package managers: which packages are installed, and what they provide."""

from __future__ import annotations

from pathlib import Path

import pytest

from states.distribution import databases, lookup, managers
from states.distribution.managers import Apk, Dpkg
from states.distribution.requirement import Requirement, parse_requirement

STATUS = """\
Package: libpq5
Status: install ok installed
Architecture: amd64
Version: 15.3-0+deb12u1
Description: library
 Package: libfake

Package: libssl3t64
Status: install ok installed
Architecture: amd64
Version: 3.5.0-1
Provides: libssl3 (= 3.5.0-1), libssl-any, libssl-any:any

Package: libforeign
Status: install ok installed
Architecture: i386
Version: 1

Package: libremoved
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libhalf
Status: install reinstreq half-installed
Architecture: amd64
Version: 1

Package: libtriggered
Status: install ok triggers-pending
Architecture: all
Version: 1
"""
UPDATE = """\
Package: libpq5
Status: install ok half-configured
Architecture: amd64
Version: 15.4
"""
INSTALLED = """\
C:Q1abc=
P:libpq
V:16.3-r0
A:x86_64
p:so:libpq.so.5=5.16 pc:libpq=16.3

P:musl
V:1.2.5-r0
"""
NAMES = {"libpq5", "libfake", "libssl3", "libssl-any", "libforeign", "libforeign:i386",
         "libremoved", "libhalf", "libtriggered"}  # fmt: skip


@pytest.fixture
def dpkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of a database of dpkg."""
    (tmp_path / "updates").mkdir()
    (tmp_path / "status").write_text(STATUS)
    for name in ("STATUS", "UPDATES", "ARCH"):
        path = str(tmp_path / name.lower())
        monkeypatch.setattr(databases, f"DPKG_{name}", path)
        monkeypatch.setattr(managers, f"DPKG_{name}", path)
    monkeypatch.setitem(databases._FILES, "dpkg", (str(tmp_path / "status"),))
    return tmp_path


def test_dpkg_finds_installed_and_provided_packages(dpkg: Path) -> None:
    assert Dpkg().versions(NAMES) == {
        "libpq5": ["15.3-0+deb12u1"],
        "libssl3": ["3.5.0-1"],
        "libssl-any": [""],
        "libforeign": ["1"],
        "libforeign:i386": ["1"],
        "libtriggered": ["1"],
    }


def test_package_of_a_foreign_architecture_needs_its_name(dpkg: Path) -> None:
    (dpkg / "arch").write_text("amd64\ni386\n")
    versions = Dpkg().versions(NAMES)
    assert "libforeign" not in versions
    assert versions["libforeign:i386"] == ["1"]
    assert versions["libtriggered"] == ["1"]


def test_unmerged_update_of_dpkg_counts(dpkg: Path) -> None:
    (dpkg / "updates/0001").write_text(UPDATE)
    (dpkg / "updates/tmp.i").write_text(STATUS)
    assert "libpq5" not in Dpkg().versions(NAMES)


def test_apk_finds_installed_and_provided_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "installed").write_text(INSTALLED)
    monkeypatch.setattr(managers, "APK", ("/nonexistent", str(tmp_path / "installed")))
    assert Apk().versions({"libpq", "so:libpq.so.5", "musl", "x86_64"}) == {
        "libpq": ["16.3-r0"],
        "so:libpq.so.5": ["5.16"],
        "musl": ["1.2.5-r0"],
    }


def test_answer_is_cached_until_the_database_changes(dpkg: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    (tmp_path / "cache").mkdir(mode=0o700)
    requirements = ("libpq5", "libnone")
    assert lookup.recall_unmet(requirements, cache) is None
    unmet = lookup.find_unmet(requirements, cache)
    assert [lacking.problem for lacking in unmet] == ["libnone isn't installed"]
    assert lookup.recall_unmet(requirements, cache) == unmet
    assert lookup.recall_unmet(("libpq5",), cache) is None
    (dpkg / "status").write_text(STATUS.replace("libpq5", "libnone"))
    assert lookup.recall_unmet(requirements, cache) is None
    assert [lacking.problem for lacking in lookup.find_unmet(requirements, cache)] == [
        "libpq5 isn't installed"
    ]


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", None])
def test_damaged_answer_is_looked_up_again(
    dpkg: Path, tmp_path: Path, damage: bytes | None
) -> None:
    cache = str(tmp_path / "cache")
    (tmp_path / "cache").mkdir(mode=0o700)
    unmet = lookup.find_unmet(("libnone",), cache)
    (file,) = (tmp_path / "cache/system").iterdir()
    file.write_bytes(file.read_bytes()[:-9] if damage is None else damage)
    assert lookup.recall_unmet(("libnone",), cache) is None
    assert lookup.find_unmet(("libnone",), cache) == unmet


@pytest.mark.parametrize(
    ("release", "manager"),
    [
        ('ID=ubuntu\nID_LIKE="debian"\n', "dpkg"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "rpm"),
        ("ID=opensuse-leap\n", "rpm"),
        ("ID=unheard-of\n", "dpkg"),
        ("", "dpkg"),
    ],
)
def test_distribution_decides_between_two_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: str, manager: str
) -> None:
    (tmp_path / "os-release").write_text(release)
    monkeypatch.setattr(databases, "_OS_RELEASE", (str(tmp_path / "os-release"),))
    stats = {"/var/lib/dpkg/status": [1], "/var/lib/rpm/rpmdb.sqlite": [1]}
    assert databases.find_manager(stats) == manager
    assert databases.find_manager({}) == ""


@pytest.mark.parametrize(
    ("text", "requirement"),
    [
        ("libpq5", Requirement("libpq5")),
        (" libfoo1:i386 ", Requirement("libfoo1:i386")),
        ("g++>=4:12.2", Requirement("g++", "4:12.2")),
        ("libpq.so.5()(64bit)", Requirement("libpq.so.5()(64bit)")),
        ("libfoo >= 1.0~rc1-2+b1", Requirement("libfoo", "1.0~rc1-2+b1")),
        ("libfoo (>= 1.0)", None),
        ('libfoo >= 1"', None),
    ],
)
def test_requirement_has_a_name_and_a_minimum(text: str, requirement: Requirement | None) -> None:
    assert parse_requirement(text) == requirement
