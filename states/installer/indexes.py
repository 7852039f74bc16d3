"""Pass indexes to uv: in variables and files, because other users can read its arguments."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

import tomli_w
from packaging.utils import canonicalize_name

from states.installer.credentials import require_netrc, resolve_index_url

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Any

    from states.installer import IndexOptions

_CERTIFICATES = {"SSL_CERT_FILE": "GIT_SSL_CAINFO", "SSL_CERT_DIR": "GIT_SSL_CAPATH"}
"""Variables that name trusted certificate authorities, and their names in Git."""


def certificate_variables() -> dict[str, str]:
    """Return the variables that make Git trust the same certificate authorities as uv."""
    return {git: path for name, git in _CERTIFICATES.items() if (path := os.environ.get(name, ""))}


def index_variables(indexes: IndexOptions, home: str) -> dict[str, str]:
    """Return the variables that name indexes, the limits of downloads, and credentials.

    Args:
        indexes: The indexes.
        home: The home directory of uv. Git, which uv starts, reads a netrc file only there.

    Returns:
        The variables.

    Raises:
        NoInput: The netrc file doesn't exist.

    """
    variables = {
        "UV_HTTP_TIMEOUT": str(indexes.timeout_s),
        "UV_HTTP_RETRIES": str(indexes.retries),
    }
    if indexes.index_url:
        variables["UV_DEFAULT_INDEX"] = resolve_index_url(indexes.index_url)
    if indexes.extra_index_url and not indexes.ignore_error_codes:
        variables["UV_INDEX"] = " ".join(map(resolve_index_url, indexes.extra_index_url))
    if indexes.netrc:
        variables["NETRC"] = require_netrc(indexes.netrc)
        with suppress(FileExistsError):
            os.symlink(indexes.netrc, f"{home}/.netrc")
    return variables


def index_tables(indexes: IndexOptions) -> dict[str, Any]:
    """Return the tables of a `uv.toml` with the indexes that variables can't describe."""
    extra: list[dict[str, Any]] = []
    if indexes.ignore_error_codes:
        extra = [
            {
                "name": f"extra-{position}",
                "url": resolve_index_url(reference),
                "ignore-error-codes": list(indexes.ignore_error_codes),
            }
            for position, reference in enumerate(indexes.extra_index_url)
        ]
    tables = [*extra, *_package_indexes(indexes)]
    return {"index": tables} if tables else {}


def write_package_project(directory: str, indexes: IndexOptions, names: Collection[str]) -> str:
    """Write a `pyproject.toml` that requires packages, each from its own index only.

    uv honors the index of a package only if a project requires it directly.

    Args:
        directory: The directory of the file.
        indexes: The indexes.
        names: The packages to require.

    Returns:
        The path of the file.

    """
    positions = {url: position for position, url in enumerate(_package_urls(indexes))}
    by_name = {name: resolve_index_url(url) for name, url in indexes.package_indexes}
    sources = {name: {"index": f"package-{positions[by_name[name]]}"} for name in sorted(names)}
    project = {"name": "converge-indexes", "version": "0", "dependencies": sorted(names)}
    uv = {"sources": sources, "index": _package_indexes(indexes)}
    os.makedirs(directory, exist_ok=True)
    path = f"{directory}/pyproject.toml"
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(tomli_w.dumps({"project": project, "tool": {"uv": uv}}))
    return path


def without_packages(lines: Iterable[str], names: Collection[str]) -> list[str]:
    """Return the requirements of other packages than these."""
    return [
        line
        for line in lines
        if canonicalize_name(re.split(r"[^\w.-]", line, maxsplit=1)[0]) not in names
    ]


def _package_urls(indexes: IndexOptions) -> list[str]:
    urls = [resolve_index_url(reference) for _, reference in indexes.package_indexes]
    return list(dict.fromkeys(urls))


def _package_indexes(indexes: IndexOptions) -> list[dict[str, Any]]:
    return [
        {"name": f"package-{position}", "url": url, "explicit": True}
        for position, url in enumerate(_package_urls(indexes))
    ]


def write_stub(directory: str, name: str) -> str:
    """Write an empty wheel of a package, version 0, and return its URL."""
    os.makedirs(directory, exist_ok=True)
    module = name.replace("-", "_")
    info = f"{module}-0.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={_digest(content)},{len(content)}" for path, content in files.items()]
    files[f"{info}/RECORD"] = "".join(f"{row}\n" for row in [*rows, f"{info}/RECORD,,"])
    path = f"{directory}/{module}-0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, content in files.items():
            wheel.writestr(zipfile.ZipInfo(member), content)
    return f"file://{quote(path)}"


def _digest(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def source_options(indexes: IndexOptions) -> list[str]:
    """Return the options for the sources that aren't indexes."""
    arguments = []
    for place in indexes.find_links:
        # UV-QUIRK(0.12): uv takes the part of a path after `#` for a fragment.
        is_split = place.startswith("/") and "#" in place
        arguments += ["--find-links", f"file://{quote(place)}" if is_split else place]
    for host in indexes.insecure_hosts:
        arguments += ["--allow-insecure-host", host]
    if indexes.no_index:
        arguments.append("--no-index")
    if indexes.exclude_newer:
        arguments += ["--exclude-newer", indexes.exclude_newer]
    return arguments
