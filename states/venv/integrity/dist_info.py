"""Read the metadata of installed wheels: METADATA and RECORD.

Formats: the core metadata specification and "Recording installed projects", both at
https://packaging.python.org/en/latest/specifications/. This runs no code of the environment.
"""

from __future__ import annotations

import csv
import errno
import io
import os
from email.parser import BytesHeaderParser
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from engine.system.existence import is_directory, is_symlink, proves_no_file
from engine.system.files import iter_chunks, read_regular_file, sha256
from states.venv.integrity.record_hash import parse_hash
from states.venv.integrity.settings_file import minor_version, read_settings

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

_MAX_RECORD_SIZE = 1 << 25
"""In bytes. No wheel has a RECORD of this size, but a planted file may be endless."""
_MAX_HEADERS_SIZE = 1 << 18
"""In bytes. The name and the version come first, and 32 MB of headers take a minute to parse."""
_MAX_NAME = 256
"""Characters of a name or a version. No wheel has longer ones: they are parts of its file name."""
_PARSED_FILES = 512
"""Parsed files to keep. A build asks for those of all its packages several times."""
_INSTALLER_FILES = (
    "/RECORD",
    "/INSTALLER",
    "/REQUESTED",
    "/direct_url.json",
    "/uv_cache.json",
    "/uv_build.json",
)
"""Files that the installer itself writes into a dist-info directory."""
RECORD_DIGEST_PREFIX = "any:"
"""Prefix of RECORD digests in the current form, which is the same for any version of Python."""
_VERSIONED = ("lib", "lib64", "include/site")
"""Directories with a subdirectory for each version of Python."""


def normalize_name(name: str) -> str:
    """Return the name of a project in the normalized form of PEP 503."""
    return str(canonicalize_name(name))


def metadata_name(path: str) -> tuple[str, str]:
    """Return the normalized name and the version in a METADATA file, or empty strings.

    Only the headers are parsed, because a hostile body could nest messages without end. Of
    several names or versions, the first counts, as it does for uv and `importlib.metadata`.

    Raises:
        OSError: The file can't be read.

    """
    try:
        content = b"".join(iter_chunks(path, _MAX_HEADERS_SIZE))
    except OSError as error:
        if proves_no_file(error):
            return "", ""
        raise
    return _parse_name(content)


@lru_cache(_PARSED_FILES)
def _parse_name(metadata: bytes) -> tuple[str, str]:
    headers = BytesHeaderParser().parsebytes(metadata)
    name, version = (str(headers[key] or "").strip() for key in ("Name", "Version"))
    return normalize_name(name[:_MAX_NAME]), version[:_MAX_NAME]


def required_distributions(path: str) -> list[str]:
    """Return the requirements in a METADATA file (PEP 508).

    Raises:
        OSError: The file can't be read.

    """
    return metadata_values(path, "Requires-Dist")


def metadata_values(path: str, header: str) -> list[str]:
    """Return the values of a header in a METADATA file that may occur several times.

    Raises:
        OSError: The file can't be read.

    """
    content = b"".join(iter_chunks(path, _MAX_HEADERS_SIZE))
    headers = BytesHeaderParser().parsebytes(content)
    return [str(value) for value in headers.get_all(header, ())]


def dist_infos(root: str) -> Iterator[str]:
    """Yield each `*.dist-info` directory of a venv, relative to it."""
    for site in site_packages(root):
        for name in sorted(os.listdir(os.path.join(root, site))):
            if name.endswith(".dist-info"):
                yield f"{site}/{name}"


def is_metadata(path: str, name: str) -> bool:
    """Return whether a path is the file `name` in the metadata of an installed package.

    Metadata inside a package doesn't count: setuptools contains that of its vendored packages.
    """
    match path.split("/"):
        case ["lib" | "lib64", _, "site-packages", directory, file]:
            return file == name and directory.endswith(".dist-info")
    return False


def may_name_generation(path: str) -> bool:
    """Return whether a file may contain the path of its generation, or the digest of one."""
    return path.startswith("bin/") or is_metadata(path, "RECORD")


def site_packages(root: str) -> list[str]:
    """Return the `site-packages` directories of a venv's interpreter, relative to the venv.

    A wheel can contain directories with other versions. If `pyvenv.cfg` or the directories were
    deleted, all are returned.
    """
    settings = read_settings(root)
    implementation = settings.get("implementation", "CPython").lower()
    name = implementation.replace("cpython", "python") + minor_version(settings)
    sites = _all_site_packages(root)
    # Without the global interpreter lock, the name ends with `t`.
    for candidate in (name, f"{name}t"):
        if matching := [site for site in sites if site.split("/")[1] == candidate]:
            return matching
    return sites


def _all_site_packages(root: str) -> list[str]:
    sites = []
    for lib in ("lib", "lib64"):
        if is_symlink(os.path.join(root, lib)) or not is_directory(os.path.join(root, lib)):
            continue
        for version in sorted(os.listdir(os.path.join(root, lib))):
            site = f"{lib}/{version}/site-packages"
            if is_directory(os.path.join(root, site)):
                sites.append(site)
    return sites


def read_record(root: str, dist_info: str) -> list[tuple[str, str]]:
    """Return the rows of a RECORD: path relative to the venv, and the result of `parse_hash`.

    Raises:
        ValueError: The file is missing or malformed, or uses a hash that is weaker than SHA-256.
        OSError: It can't be read.

    """
    return [*_parse_record(os.path.dirname(dist_info), _read_record(root, dist_info))]


@lru_cache(_PARSED_FILES)
def _parse_record(site: str, content: bytes) -> tuple[tuple[str, str], ...]:
    return tuple(_record_rows(site, content))


def _read_record(root: str, dist_info: str) -> bytes:
    """Return the content of a RECORD.

    Raises:
        ValueError: The file is missing or too large.
        OSError: It can't be read.

    """
    try:
        return read_regular_file(os.path.join(root, dist_info, "RECORD"), _MAX_RECORD_SIZE)
    except OSError as error:
        if proves_no_file(error) or error.errno == errno.EFBIG:
            raise ValueError(str(error)) from None
        raise


def _record_rows(site: str, content: bytes) -> Iterator[tuple[str, str]]:
    """Yield the rows of a RECORD below a `site-packages` directory.

    Raises:
        ValueError: It is malformed, or uses a hash that is weaker than SHA-256.

    """
    for row in _csv_rows(content):
        if not row:
            continue
        path = os.path.normpath(os.path.join(site, row[0]))
        yield path, parse_hash(row[1] if len(row) > 1 else "")


def _csv_rows(content: bytes) -> Iterator[list[str]]:
    try:
        # Decoded in blocks: a text of this size takes up to four times as much RAM.
        yield from csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8", newline=""))
    except csv.Error as error:
        raise ValueError(str(error)) from error


def record_paths(root: str, dist_info: str, candidates: Container[str]) -> set[str]:
    """Return the paths that a RECORD lists, and those in its directory.

    Args:
        root: The root of the venv.
        dist_info: The directory with the RECORD. If it isn't valid, only its content is returned.
        candidates: The paths that matter. Others are dropped, so that a planted RECORD with
            millions of rows doesn't use much RAM.

    Returns:
        The paths, relative to the venv.

    Raises:
        OSError: The RECORD or the directory can't be read.

    """
    paths = {f"{dist_info}/{name}" for name in os.listdir(os.path.join(root, dist_info))}
    paths.add(dist_info)
    try:
        rows = _record_rows(os.path.dirname(dist_info), _read_record(root, dist_info))
        listed = {path for path, _ in rows if path in candidates}
    except ValueError:
        return paths
    return listed | paths


def record_digest(rows: list[tuple[str, str]], version: str) -> str:
    """Return a digest of the files of a wheel; `version` is the directory of its Python."""
    lines = (
        f"{_without_version(path, version)} {digest}"
        for path, digest in rows
        if not path.startswith("bin/")
        and not path.endswith(_INSTALLER_FILES)
        and not path.endswith(".pyc")
    )
    return RECORD_DIGEST_PREFIX + sha256("\n".join(sorted(lines)).encode())


def _without_version(path: str, version: str) -> str:
    """Return a path without the directory of the Python version: `lib/site-packages/a.py`."""
    before, _, after = path.partition(f"/{version}/")
    return f"{before}/{after}" if before in _VERSIONED else path


def is_part_of_module(name: str, module: str) -> bool:
    """Return whether a file or directory is a module: a package, a source, or an extension."""
    if name in (module, f"{module}.py"):
        return True
    return name.startswith(f"{module}.") and name.endswith(".so")
