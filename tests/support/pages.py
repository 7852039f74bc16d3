"""The pages of a package index: PEP 503 and 592 (HTML), 691 and 700 (JSON), 658 (metadata)."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tests.support.metadata import normalized

CONTENT_TYPES = {
    "json": "application/vnd.pypi.simple.v1+json",
    "html": "text/html; charset=utf-8",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A wheel or source distribution with the metadata that an index publishes."""

    path: Path
    sha256: str
    size: int
    metadata: bytes | None
    """A wheel's METADATA, if it has one; None for a source distribution."""
    yanked: str | None
    uploaded: str

    @classmethod
    def read(cls, path: Path, *, yanked: str | None, uploaded: str) -> File:
        """Read the file at `path`."""
        blob = path.read_bytes()
        return cls(
            path=path,
            sha256=hashlib.sha256(blob).hexdigest(),
            size=len(blob),
            metadata=_wheel_metadata(path),
            yanked=yanked,
            uploaded=uploaded,
        )

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def _parts(self) -> tuple[str, str]:
        if self.name.endswith(".whl"):
            name, version = self.name.split("-")[:2]
            return name, version
        stem = self.name.removesuffix(".tar.gz").removesuffix(".zip")
        name, _, version = stem.rpartition("-")
        return name, version

    @property
    def project(self) -> str:
        """The normalized name of the file's project."""
        return normalized(self._parts[0])

    @property
    def version(self) -> str:
        """The version in the file name."""
        return self._parts[1]

    @property
    def requires_python(self) -> str | None:
        """The `Requires-Python` of the metadata."""
        for line in (self.metadata or b"").decode().splitlines():
            if line.startswith("Requires-Python: "):
                return line.partition(": ")[2]
        return None

    @property
    def metadata_sha256(self) -> str | None:
        """The hash of the metadata, if there is any."""
        return hashlib.sha256(self.metadata).hexdigest() if self.metadata is not None else None


def listing(projects: list[str], *, as_json: bool) -> str:
    """Return the page that names every project."""
    if as_json:
        names = [{"name": name} for name in projects]
        return json.dumps({"meta": {"api-version": "1.1"}, "projects": names})
    links = [f'<a href="{name}/">{name}</a>' for name in projects]
    return "\n".join(["<!DOCTYPE html><html><body>", *links, "</body></html>"])


def project_json(name: str, files: list[File]) -> str:
    """Return the page of one project as JSON."""
    page = {
        "meta": {"api-version": "1.1"},
        "name": normalized(name),
        "versions": sorted({file.version for file in files}),
        "files": [_file_json(file) for file in files],
    }
    return json.dumps(page)


def _file_json(file: File) -> dict[str, object]:
    entry: dict[str, object] = {
        "filename": file.name,
        "url": f"/files/{file.name}",
        "hashes": {"sha256": file.sha256},
        "size": file.size,
        "upload-time": file.uploaded,
        "yanked": False if file.yanked is None else file.yanked or True,
    }
    if file.requires_python:
        entry["requires-python"] = file.requires_python
    if file.metadata_sha256:
        entry["core-metadata"] = {"sha256": file.metadata_sha256}
    return entry


def project_html(name: str, files: list[File], *, with_metadata: bool) -> str:
    """Return the page of one project as HTML."""
    links = []
    for file in files:
        attributes = {"href": f"/files/{file.name}#sha256={file.sha256}"}
        if file.requires_python:
            attributes["data-requires-python"] = file.requires_python
        if file.metadata_sha256 and with_metadata:
            attributes["data-core-metadata"] = f"sha256={file.metadata_sha256}"
        if file.yanked is not None:
            attributes["data-yanked"] = file.yanked
        text = " ".join(f'{key}="{escape(value)}"' for key, value in attributes.items())
        links.append(f"<a {text}>{escape(file.name)}</a><br>")
    title = f"<!DOCTYPE html><html><head><title>{escape(name)}</title></head><body>"
    return "\n".join([title, *links, "</body></html>"])


def _wheel_metadata(path: Path) -> bytes | None:
    if path.suffix != ".whl":
        return None
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(".dist-info/METADATA"):
                return archive.read(member)
    return None
