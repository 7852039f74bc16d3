"""Read what an index states about a wheel: its name, version, and METADATA file."""

from __future__ import annotations

import zipfile
import zlib
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_version, parse_wheel_filename

from engine.errors import IntegrityError
from engine.frozen import frozen
from states.venv.integrity.dist_info import normalize_name

if TYPE_CHECKING:
    from packaging.tags import Tag

_MAX_METADATA_SIZE = 1 << 24
"""In bytes. A wheel can contain any file under this name."""


@frozen
class Metadata:
    """The METADATA file of a wheel."""

    content: bytes
    version: str


def read_metadata(path: str, project: str, version: str) -> Metadata:
    """Return the METADATA of a wheel, after checking that it belongs to a project.

    Args:
        path: The wheel.
        project: The normalized name of the project.
        version: Its version, or an empty string for any.

    Returns:
        The metadata.

    Raises:
        IntegrityError: The file isn't a wheel, or that of another project or version.

    """
    name = path.rpartition("/")[2]
    try:
        file_project, file_version, _, _ = parse_wheel_filename(name)
        with zipfile.ZipFile(path) as archive:
            members = [
                member
                for member in archive.infolist()
                if member.filename.endswith(".dist-info/METADATA")
                and member.filename.count("/") == 1
            ]
            if len(members) != 1 or members[0].file_size > _MAX_METADATA_SIZE:
                raise ValueError("its METADATA file is missing, ambiguous, or too large")
            content = archive.read(members[0])
    except (InvalidWheelFilename, zipfile.BadZipFile, zlib.error, ValueError, EOFError) as error:
        raise IntegrityError(
            f"`{name}` isn't a valid wheel: {error}", hint="replace it at its source"
        ) from None
    expected = (project, canonicalize_version(version or str(file_version)))
    headers = BytesHeaderParser().parsebytes(content)
    stated = (normalize_name(str(headers["Name"])), canonicalize_version(str(headers["Version"])))
    if (file_project, canonicalize_version(str(file_version))) != expected or stated != expected:
        raise IntegrityError(
            f"`{name}` contains {stated[0]} {stated[1]}, expected {project} {expected[1]}",
            hint="replace it at its source",
        )
    return Metadata(content, str(file_version))


def requires_python(metadata: bytes) -> str:
    """Return the supported versions of Python, or an empty string if they aren't valid."""
    text = str(BytesHeaderParser().parsebytes(metadata)["Requires-Python"] or "")
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        return ""


def tags_of(name: str) -> frozenset[Tag]:
    """Return the compatibility tags in the file name of a wheel."""
    return parse_wheel_filename(name)[3]
