"""The files that the venvs of a wheelhouse need, as their resolutions name them."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from engine.errors import ConvergeError
from engine.frozen import frozen
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.pylock import parse_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from states.wheelhouse.select.selection import Selected


@frozen
class Artifact:
    """One file that a package of a venv comes from."""

    project: str
    """Normalized as in PEP 503."""
    version: str
    file: str
    """The name of the file."""
    place: str
    """A URL without credentials, or an absolute path."""
    sha256: str
    uploaded: str
    """RFC 3339, or an empty string if the index doesn't state it."""
    venv: str
    """The first venv that needs it. It determines the credentials."""

    @property
    def attribute(self) -> str:
        """The attribute of the wheelhouse for this file."""
        return f"wheel.{self.file}"

    @property
    def value(self) -> str:
        """The value of the attribute."""
        return f"sha256:{self.sha256[:12]}"


def artifacts_of(selected: Selected) -> Iterator[Artifact]:
    """Yield the artifacts of one venv and interpreter.

    Raises:
        ConvergeError: A package has no wheel.

    """
    for package in parse_lock(selected.lock).packages:
        yield _artifact(package, selected)


def _artifact(package: Mapping[str, Any], selected: Selected) -> Artifact:
    name = normalize_name(package["name"])
    source = package["wheels"][0] if "wheels" in package else package.get("archive", {})
    place = source.get("path") or source.get("url") or ""
    file = source.get("name") or unquote(os.path.basename(urlsplit(place).path))
    if not file.endswith(".whl"):
        raise ConvergeError(
            f"{name} has no wheel for Python {selected.python.version} (for `{selected.venv}`)",
            hint=f"provide a wheel of {name} through `find-links`",
        )
    return Artifact(
        project=name,
        version=str(package.get("version", "")),
        file=file,
        place=place,
        sha256=source["hashes"]["sha256"],
        uploaded=_timestamp(source.get("upload-time")),
        venv=selected.venv,
    )


def _timestamp(value: object) -> str:
    """Return a time of a lock in the form of PEP 700."""
    if not isinstance(value, datetime):
        return ""
    utc = value.astimezone(timezone.utc) if value.tzinfo else value
    return utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
