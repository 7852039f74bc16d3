"""The owners of files, by the databases of real dpkg and rpm, and by a database of apk."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from states.package_managers.owners import Owners, managers

SITE = "/usr/lib/python3/dist-packages"


def _owners(root: Path, *directories: str) -> Owners:
    return Owners(directories or (SITE,), str(root))


def test_real_dpkg_names_the_same_owner() -> None:
    if not Path("/var/lib/dpkg/info/dpkg.list").exists():
        pytest.skip("requires dpkg")
    owners = Owners(["/usr/bin", "/usr/share/doc"])
    paths = ["/usr/bin/dpkg", "/usr/bin/env", "/usr/share/doc/dpkg/copyright", "/usr/bin/none"]
    answer = subprocess.run(["dpkg", "-S", *paths], capture_output=True, text=True, check=False)
    expected: dict[str, str] = {}
    for line in answer.stdout.splitlines():
        package, _, path = line.partition(": ")
        expected[path] = package
    assert len(expected) == 3
    assert {path: owners.owner(path) for path in paths} == {**dict.fromkeys(paths, ""), **expected}


def _write_dpkg_list(root: Path, package: str, *paths: str) -> None:
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True, exist_ok=True)
    (info / f"{package}.list").write_text("".join(f"{path}\n" for path in ("/.", *paths)))


def test_dpkg_path_without_usr_is_the_same_file(tmp_path: Path) -> None:
    _write_dpkg_list(tmp_path, "python3-a:amd64", "/lib/python3/dist-packages/a.py")
    _write_dpkg_list(tmp_path, "python3-b", f"{SITE}/b.py", f"{SITE}-other/c.py")
    owners = _owners(tmp_path)
    assert owners.owner(f"{SITE}/a.py") == "python3-a"
    assert owners.owner(f"{SITE}/b.py") == "python3-b"
    assert owners.owner(f"{SITE}/c.py") == owners.owner(f"{SITE}-other/c.py") == ""
    assert sorted(owners.paths()) == [f"{SITE}/a.py", f"{SITE}/b.py"]


def test_diverted_file_keeps_its_owner(tmp_path: Path) -> None:
    _write_dpkg_list(tmp_path, "python3-a", f"{SITE}/a.py")
    diversions = tmp_path / "var/lib/dpkg/diversions"
    diversions.write_text(f"{SITE}/a.py\n{SITE}/a.py.distrib\npython3-b\n")
    assert _owners(tmp_path).owner(f"{SITE}/a.py.distrib") == "python3-b"


def test_unreadable_dpkg_list_is_an_error(tmp_path: Path) -> None:
    _write_dpkg_list(tmp_path, "python3-a", f"{SITE}/a.py")
    (tmp_path / "var/lib/dpkg/info/python3-b.list").mkdir()
    with pytest.raises(OSError, match="regular file"):
        _owners(tmp_path)


def test_apk_database_names_directories_and_files(tmp_path: Path) -> None:
    database = tmp_path / "lib/apk/db/installed"
    database.parent.mkdir(parents=True)
    site = "/usr/lib/python3.12/site-packages"
    database.write_text(
        f"P:py3-a\nV:1\nF:{site[1:]}\nF:{site[1:]}/a\nM:0:0:755\nR:__init__.py\na:0:0:644\n\n"
        f"P:other\nF:usr/bin\nR:b\n\nP:py3-c\nF:{site[1:]}\nR:c.py\n"
    )
    owners = _owners(tmp_path, site)
    assert managers(str(tmp_path)) == ["apk"]
    assert owners.packages == {
        f"{site}/a": "py3-a",
        f"{site}/a/__init__.py": "py3-a",
        f"{site}/c.py": "py3-c",
    }


_SPEC = """
Name: python3-real
Version: 1
Release: 1
Summary: test
License: none
BuildArch: noarch
%description
test
%install
mkdir -p %{buildroot}/usr/lib/python3/dist-packages/real %{buildroot}/usr/bin
touch %{buildroot}/usr/lib/python3/dist-packages/real/__init__.py %{buildroot}/usr/bin/real
%files
/usr/lib/python3/dist-packages/real
/usr/bin/real
"""


def test_real_rpm_database_is_read(tmp_path: Path) -> None:
    if not shutil.which("rpmbuild"):
        pytest.skip("requires rpm")
    root, spec = tmp_path / "root", tmp_path / "real.spec"
    root.mkdir()
    spec.write_text(_SPEC)
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    build = ["rpmbuild", "-bb", "--define", f"_topdir {tmp_path}/build", str(spec)]
    subprocess.run(build, env=env, capture_output=True, check=True)
    (package,) = (tmp_path / "build").rglob("*.rpm")
    install = [
        "rpm",
        "--root",
        str(root),
        "--dbpath",
        "/var/lib/rpm",
        "-i",
        "--nodeps",
        str(package),
    ]
    subprocess.run(install, env=env, capture_output=True, check=True)

    owners = _owners(root)

    assert managers(str(root)) == ["rpm"]
    assert owners.packages == dict.fromkeys(
        [f"{SITE}/real", f"{SITE}/real/__init__.py"], "python3-real"
    )


def test_other_format_of_the_rpm_database_is_an_error(tmp_path: Path) -> None:
    database = tmp_path / "var/lib/rpm/Packages"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"Berkeley DB")
    with pytest.raises(OSError, match="isn't an SQLite database"):
        _owners(tmp_path)


def test_damaged_rpm_database_is_an_error(tmp_path: Path) -> None:
    database = tmp_path / "usr/lib/sysimage/rpm/rpmdb.sqlite"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"SQLite format 3\0" + bytes(4096))
    with pytest.raises(OSError, match="can't read the database of rpm"):
        _owners(tmp_path)


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        struct.pack(">II", 1000, 0),
        # The indexes of its directories are missing.
        struct.pack(">II8I", 2, 0, 1118, 8, 0, 1, 1117, 8, 5, 1) + b"/usr\0a\0",
    ],
    ids=["empty", "truncated", "inconsistent"],
)
def test_damaged_header_in_the_rpm_database_is_an_error(tmp_path: Path, blob: bytes) -> None:
    database = tmp_path / "usr/lib/sysimage/rpm/rpmdb.sqlite"
    database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE Packages (blob BLOB)")
        connection.execute("INSERT INTO Packages VALUES (?)", (blob,))
    with pytest.raises(OSError, match="contains a damaged header"):
        _owners(tmp_path, "/usr")
