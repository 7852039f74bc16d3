"""The pages of the package index: HTML (PEP 503) and JSON (PEP 691, PEP 700), with PEP 658 hashes.

All URLs are relative, so the index works below any URL. A server without special settings serves
`index.html` of each directory.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from states.wheelhouse.store.wheels import Wheel

FILES = "files"
"""The directory of the wheels, with a subdirectory for each."""
SIMPLE = "simple"
"""The directory of the pages."""
_API_VERSION = "1.1"
"""The first version with sizes and upload times."""


def pages(wheels: Sequence[Wheel]) -> Iterator[tuple[str, str]]:
    """Yield the relative path and the content of each page.

    Args:
        wheels: The wheels, with unique file names.

    Yields:
        The pages, in a stable order.

    """
    projects: dict[str, list[Wheel]] = {}
    for wheel in sorted(wheels, key=lambda wheel: (wheel.project, wheel.file)):
        projects.setdefault(wheel.project, []).append(wheel)
    yield (
        f"{SIMPLE}/index.html",
        _html("Simple index", [_link(f"{name}/", name) for name in projects]),
    )
    listing = {"meta": {"api-version": _API_VERSION}, "projects": [{"name": n} for n in projects]}
    yield f"{SIMPLE}/index.json", _json(listing)
    for name, own in projects.items():
        links = [_file_link(wheel) for wheel in own]
        yield f"{SIMPLE}/{name}/index.html", _html(f"Links for {name}", links)
        versions = sorted({wheel.version for wheel in own}, key=Version)
        page = {
            "meta": {"api-version": _API_VERSION},
            "name": name,
            "versions": versions,
            "files": [_file_entry(wheel) for wheel in own],
        }
        yield f"{SIMPLE}/{name}/index.json", _json(page)


def file_path(wheel: Wheel) -> str:
    """Return the path of a wheel, relative to the published directory."""
    return f"{FILES}/{wheel.sha256}/{wheel.file}"


def _url(wheel: Wheel) -> str:
    return quote(f"../../{file_path(wheel)}")


def _file_link(wheel: Wheel) -> str:
    metadata = f"sha256={wheel.metadata}"
    attributes = {"data-core-metadata": metadata, "data-dist-info-metadata": metadata}
    if wheel.requires_python:
        attributes["data-requires-python"] = wheel.requires_python
    return _link(f"{_url(wheel)}#sha256={wheel.sha256}", wheel.file, attributes)


def _link(url: str, text: str, attributes: dict[str, str] | None = None) -> str:
    pairs = {"href": url, **(attributes or {})}
    inside = " ".join(f'{name}="{escape(value)}"' for name, value in pairs.items())
    return f"    <a {inside}>{escape(text)}</a><br>"


def _html(title: str, links: list[str]) -> str:
    lines = [
        "<!DOCTYPE html>",
        "<html>",
        "  <head>",
        '    <meta charset="utf-8">',
        f'    <meta name="pypi:repository-version" content="{_API_VERSION}">',
        f"    <title>{escape(title)}</title>",
        "  </head>",
        "  <body>",
        *links,
        "  </body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _file_entry(wheel: Wheel) -> dict[str, Any]:
    metadata = {"sha256": wheel.metadata}
    entry: dict[str, Any] = {
        "filename": wheel.file,
        "url": _url(wheel),
        "hashes": {"sha256": wheel.sha256},
        "size": wheel.size,
        "upload-time": wheel.uploaded,
        "core-metadata": metadata,
        "dist-info-metadata": metadata,
        "yanked": False,
    }
    if wheel.requires_python:
        entry["requires-python"] = wheel.requires_python
    return entry


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1) + "\n"
