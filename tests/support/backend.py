"""A build backend (PEP 517, PEP 660) in one file, copied to every source project of the tests.

It needs only Python 3.8, so that builds work offline. A frontend runs the copy, which reads the project
in the current directory (PKG-INFO, entry_points.txt, src/).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import sys
import tarfile
import zipfile

_EPOCH = (2020, 1, 1, 0, 0, 0)


def build_wheel(
    wheel_directory: str,
    config_settings: object = None,
    metadata_directory: str | None = None,
) -> str:
    """Build the wheel of the project in the current directory; return its file name."""
    _fail_if_requested()
    return _wheel(wheel_directory, _tree("src"))


def build_editable(
    wheel_directory: str,
    config_settings: object = None,
    metadata_directory: str | None = None,
) -> str:
    """Build a wheel that only points to src/; return its file name."""
    _fail_if_requested()
    return _wheel(wheel_directory, {_prefix() + ".pth": os.path.abspath("src").encode() + b"\n"})


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:
    """Pack the current directory; return the file name of the archive."""
    return pack(os.curdir, sdist_directory, _prefix())


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: object = None
) -> str:
    """Write the .dist-info directory; return its name."""
    info = _prefix() + ".dist-info"
    os.makedirs(os.path.join(metadata_directory, info))
    for path, content in _info().items():
        with open(os.path.join(metadata_directory, path), "wb") as file:
            file.write(content)
    return info


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def pack(source: str, directory: str, prefix: str) -> str:
    """Pack `source` as `directory`/PREFIX.tar.gz, reproducibly; return the file name."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in sorted(_tree(source).items()):
            entry = tarfile.TarInfo(prefix + "/" + path)
            entry.size = len(content)
            entry.mtime = 1577836800
            archive.addfile(entry, io.BytesIO(content))
    name = prefix + ".tar.gz"
    with open(os.path.join(directory, name), "wb") as file:
        file.write(_gzip(tar.getvalue()))
    return name


def _gzip(blob: bytes) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as file:
        file.write(blob)
    return out.getvalue()


def _tree(root: str) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    for parent, directories, files in os.walk(root):
        directories[:] = sorted(set(directories) - {".git", "__pycache__"})
        for name in files:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                contents[os.path.relpath(path, root).replace(os.sep, "/")] = file.read()
    return contents


def _fail_if_requested() -> None:
    if os.path.exists("build-fails.txt"):
        with open("build-fails.txt", encoding="utf-8") as file:
            sys.stderr.write(file.read())
        sys.stderr.flush()
        os._exit(1)


def _headers() -> dict[str, str]:
    with open("PKG-INFO", encoding="utf-8") as file:
        pairs = (line.rstrip("\n").partition(": ") for line in file)
        return {key: value for key, _, value in pairs}


def _prefix() -> str:
    headers = _headers()
    name = "".join("_" if c in "-_." else c for c in headers["Name"]).lower()
    return name + "-" + headers["Version"]


def _info() -> dict[str, bytes]:
    info = _prefix() + ".dist-info/"
    tag = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with open("PKG-INFO", "rb") as file:
        members = {info + "METADATA": file.read(), info + "WHEEL": tag.encode()}
    if os.path.exists("entry_points.txt"):
        with open("entry_points.txt", "rb") as file:
            members[info + "entry_points.txt"] = file.read()
    return members


def _wheel(directory: str, sources: dict[str, bytes]) -> str:
    members = {**sources, **_info()}
    rows = []
    for path, content in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(content)}\n")
    record = _prefix() + ".dist-info/RECORD"
    members[record] = ("".join(rows) + record + ",,\n").encode()
    name = _prefix() + "-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as archive:
        for path, content in members.items():
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), content)
    return name
