"""METADATA and RECORD of installed wheels, well-formed or not."""

from __future__ import annotations

import tracemalloc
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from states.venv.integrity.dist_info import (
    dist_infos,
    is_metadata,
    metadata_name,
    normalize_name,
    read_record,
    record_paths,
    site_packages,
)

SITE = "lib/python3.11/site-packages"
INFO = f"{SITE}/web-1.0.dist-info"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an environment with one empty dist-info directory."""
    (tmp_path / INFO).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "normal"), [("Web_App", "web-app"), ("a.b--c", "a-b-c"), ("web", "web")]
)
def test_normalized_name(name: str, normal: str) -> None:
    """Names are compared as PEP 503 does."""
    assert normalize_name(name) == normal


METADATA = {
    b"Metadata-Version: 2.1\nName: Web_App\nVersion: 1.0\n": ("web-app", "1.0"),
    b"NAME:web\nversion:  2 \n": ("web", "2"),
    b"Name: web\n\nVersion: 1.0\n": ("web", ""),
    b"Name: web\r\nVersion: 1.0\r\n\r\nName: other\r\n": ("web", "1.0"),
    b"": ("", ""),
    b"\nName: web\n": ("", ""),
    b"Name\nVersion: 1\n": ("", ""),
    b"Name: web\nName: api\nVersion: 1\nVersion: 2\n": ("web", "1"),
    b"Content-Type: message/rfc822\n\n" * 5000: ("", ""),
    b"\0\xff: \n": ("", ""),
    b"Name: caf\xff\nVersion: 1\n": ("caf\ufffd", "1"),
}


@pytest.mark.parametrize(("content", "expected"), METADATA.items(), ids=range(len(METADATA)))
def test_metadata_name_and_version(root: Path, content: bytes, expected: tuple[str, str]) -> None:
    """Only the headers count: the description follows a blank line."""
    (root / "METADATA").write_bytes(content)
    assert metadata_name(str(root / "METADATA")) == expected


def test_first_of_several_fields_counts_as_for_importlib(root: Path) -> None:
    """uv 0.12.24 and 0.13.9 agree, but reject a wheel whose first field isn't in its file name."""
    metadata = root / INFO / "METADATA"
    metadata.write_text("Name: web\nName: api\nVersion: 1.0\nVersion: 2.0\n")
    installed = Distribution.at(metadata.parent)
    assert metadata_name(str(metadata)) == (installed.metadata["Name"], installed.version)
    assert metadata_name(str(metadata)) == ("web", "1.0")


def test_metadata_name_of_unreadable_file_is_empty(root: Path) -> None:
    """A missing file and a directory have no name."""
    assert metadata_name(str(root / "METADATA")) == metadata_name(str(root)) == ("", "")


def test_site_packages_skips_links_and_files(root: Path) -> None:
    """On Debian, `lib64` is a symlink to `lib`."""
    (root / "lib64").symlink_to("lib")
    (root / "lib/python3.12").touch()
    (root / "lib/python3.9/site-packages").mkdir(parents=True)
    assert site_packages(str(root)) == [SITE, "lib/python3.9/site-packages"]


@pytest.mark.parametrize(
    ("settings", "site"),
    [
        ("version_info = 3.9.2", "python3.9"),
        ("implementation = PyPy\nversion = 3.10.1", "pypy3.10"),
        ("version = 3.14.0", "python3.14t"),
    ],
)
def test_site_packages_are_those_of_the_interpreter(root: Path, settings: str, site: str) -> None:
    for name in ("aaa", "pypy3.10", "python3.9", "python3.14t"):
        (root / "lib" / name / "site-packages").mkdir(parents=True)
    (root / "pyvenv.cfg").write_text(f"{settings}\n")

    assert site_packages(str(root)) == [f"lib/{site}/site-packages"]


def test_dist_infos_are_sorted(root: Path) -> None:
    """Other directories are left out."""
    for name in ("api-1.dist-info", "web", "web-1.0.data"):
        (root / SITE / name).mkdir()
    assert list(dist_infos(str(root))) == [f"{SITE}/api-1.dist-info", INFO]


IS_METADATA = {
    f"{INFO}/METADATA": True,
    f"{INFO}/RECORD": False,
    "lib64/pypy3.10/site-packages/web-1.dist-info/METADATA": True,
    f"{SITE}/setuptools/_vendor/web-1.dist-info/METADATA": False,
    f"{SITE}/web/METADATA": False,
    "share/python3.11/site-packages/web-1.dist-info/METADATA": False,
    "METADATA": False,
}


@pytest.mark.parametrize(("path", "expected"), IS_METADATA.items())
def test_is_metadata(path: str, expected: bool) -> None:
    """A vendored package isn't an installed one."""
    assert is_metadata(path, "METADATA") is expected


RECORDS = {
    "": [],
    "web/a.py,sha256=AAEC,3\n": [(f"{SITE}/web/a.py", "000102")],
    "web/a.py,sha256=-_8,2\n": [(f"{SITE}/web/a.py", "fbff")],
    f"web/a.py,sha256={'aB' * 32},2\n": [(f"{SITE}/web/a.py", "ab" * 32)],
    "web/a.py,sha512=-_8,2\n": [(f"{SITE}/web/a.py", "sha512:fbff")],
    "web/a.py,blake2b=-_8,2\n": [(f"{SITE}/web/a.py", "blake2b:fbff")],
    "web-1.0.dist-info/RECORD,,\n": [(f"{INFO}/RECORD", "")],
    "web/a.py\n": [(f"{SITE}/web/a.py", "")],
    "../../../bin/web,,\r\n": [("bin/web", "")],
    "../../../../etc/passwd,,\n": [("../etc/passwd", "")],
    "/etc/passwd,,\n": [("/etc/passwd", "")],
    '"a,b.py",,\n': [(f"{SITE}/a,b.py", "")],
    '"a\nb.py",,\n': [(f"{SITE}/a\nb.py", "")],
    "a\\b.py,,\n": [(f"{SITE}/a\\b.py", "")],
    "a.py,,\n\nb.py,,\n": [(f"{SITE}/a.py", ""), (f"{SITE}/b.py", "")],
}


@pytest.mark.parametrize(("content", "rows"), RECORDS.items())
def test_record_rows(root: Path, content: str, rows: list[tuple[str, str]]) -> None:
    """Paths are relative to the environment, digests hexadecimal."""
    (root / INFO / "RECORD").write_bytes(content.encode())
    assert read_record(str(root), INFO) == rows


BAD_RECORDS: dict[str, tuple[bytes, str]] = {
    "weak hash": (b"a.py,md5=AAEC,3\n", "md5"),
    "weak variant": (b"a.py,sha3_224=AAEC,3\n", "sha3_224"),
    "unknown hash": (b"a.py,sha1024=AAEC,3\n", "sha1024"),
    "base64": (b"a.py,sha256=A,3\n", "base64"),
    "not UTF-8": (b"\xff,,\n", "utf-8"),
}


@pytest.mark.parametrize(("content", "reason"), BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_record_rejects_unusable_content(root: Path, content: bytes, reason: str) -> None:
    """The caller reports it with the package's name."""
    (root / INFO / "RECORD").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        read_record(str(root), INFO)


def test_missing_record_is_an_invalid_one(root: Path) -> None:
    """A missing RECORD isn't an empty one."""
    with pytest.raises(ValueError, match="No such file"):
        read_record(str(root), INFO)


@pytest.mark.parametrize("content", ["web/a.py,,\n", None, "a.py,md5=AAEC,3\n"])
def test_record_paths_fall_back_to_the_directory(root: Path, content: str | None) -> None:
    """Without a usable RECORD, the dist-info directory itself remains."""
    (root / INFO / "METADATA").touch()
    expected = {INFO, f"{INFO}/METADATA"}
    if content is not None:
        (root / INFO / "RECORD").write_text(content)
        expected.add(f"{INFO}/RECORD")
    if content == "web/a.py,,\n":
        expected.add(f"{SITE}/web/a.py")
    assert record_paths(str(root), INFO, expected) == expected


def test_planted_record_is_read_in_blocks(root: Path) -> None:
    """The owner of a venv can plant a RECORD with a million rows."""
    row = f"{'x' * 12},sha256={'A' * 43},1\n"
    (root / INFO / "RECORD").write_text(row * 40_000)
    tracemalloc.start()
    try:
        assert record_paths(str(root), INFO, set()) == {INFO, f"{INFO}/RECORD"}
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * 40_000 * len(row)


def test_endless_name_and_version_are_cut(root: Path) -> None:
    (root / "METADATA").write_text(f"Name: {'n' * 100_000}\nVersion: {'1' * 100_000}\n")
    assert [len(part) for part in metadata_name(str(root / "METADATA"))] == [256, 256]
