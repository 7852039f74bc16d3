"""The files and repositories that venvs need, as their resolutions name them."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from engine.errors import ConvergeError
from engine.frozen import frozen
from engine.system.files import sha256
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.builds.settings import add_build_digests
from states.venv.resolve.pylock import package_of, parse_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from states.interpreter.discovery import Python
    from states.venv.integrity.receipt import Package
    from states.venv.spec import Venv
    from states.wheelhouse.select.selection import Selected

_SHORT = 12
"""Characters of a hash or a commit in a report."""
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_FILE = re.compile(r"(?!\.\.?$)[^/\x00]+")
_PREFIXES = {"CPython": "cp", "PyPy": "pp"}
"""The beginnings of the names of interpreters in wheel tags (PEP 425)."""


@frozen
class Build:
    """How the wheel of an artifact is built."""

    python: Python
    settings: str
    """The digest of the settings. Empty for the defaults."""
    url: str = ""
    """The URL of a Git repository. Empty for a source archive."""
    commit: str = ""
    revision: str = ""
    """The branch or tag that the commit was found by, if any."""
    subdirectory: str = ""

    @property
    def label(self) -> str:
        """The interpreter as in the tag of a wheel, such as `cp311`."""
        name = self.python.implementation.removesuffix("t") or "CPython"
        suffix = "t" if self.python.implementation.endswith("t") else ""
        major, minor = self.python.version.split(".")[:2]
        return f"{_PREFIXES.get(name, name.lower())}{major}{minor}{suffix}"


@frozen
class Artifact:
    """One file or repository that a package of a venv comes from."""

    project: str
    """Normalized as in PEP 503."""
    version: str
    """Empty for a repository whose version only a build can find."""
    file: str
    """The name of the file. Empty for a repository."""
    place: str
    """A URL without credentials, or an absolute path. Empty for a repository."""
    sha256: str
    """Empty for a repository."""
    uploaded: str
    """RFC 3339, or an empty string if the index doesn't state it."""
    venv: str
    """The first venv that needs it. It determines the credentials, and the settings of builds."""
    build: Build | None = None
    """None for a wheel."""

    @property
    def attribute(self) -> str:
        """The attribute of the wheelhouse for this artifact."""
        if self.build is None:
            return f"wheel.{self.file}"
        return f"wheel.{self.project} {self.version or self._content} for {self.build.label}"

    @property
    def value(self) -> str:
        """The value of the attribute."""
        if self.build is None:
            return f"sha256:{self.sha256[:_SHORT]}"
        place = f"git {self._content}" if self.build.commit else f"sha256:{self._content}"
        settings = f", settings {self.build.settings}" if self.build.settings else ""
        return f"built from {place}{settings}"

    @property
    def identity(self) -> str:
        """The content that the wheel has, or that it is built from, with which settings.

        One wheel of each serves all interpreters that accept it.
        """
        build = self.build
        if build is None:
            return f"sha256:{self.sha256}"
        source = self.sha256 or f"{build.url}@{build.commit}"
        return sha256(json.dumps([source, build.subdirectory, build.settings]).encode())

    @property
    def _content(self) -> str:
        return (self.sha256 or (self.build.commit if self.build else ""))[:_SHORT]


def artifacts_of(selected: Selected, venv: Venv) -> Iterator[Artifact]:
    """Yield the artifacts of one venv and interpreter.

    Raises:
        ConvergeError: A package is a local project, or a file name or a commit is invalid.

    """
    entries = parse_lock(selected.lock).packages
    packages = add_build_digests(
        venv, tuple(package_of(entry, _refuse_project) for entry in entries)
    )
    for entry, package in zip(entries, packages, strict=True):
        yield _artifact(entry, package, selected)


def _refuse_project(path: str) -> str:
    raise ConvergeError(
        f"`{path}` is a local project, and a wheelhouse builds archives and Git repositories",
        hint=f"commit it, and require it by `git+file://{path}`",
    )


def _artifact(entry: Mapping[str, Any], package: Package, selected: Selected) -> Artifact:
    name, version = normalize_name(entry["name"]), str(entry.get("version", ""))
    source = entry.get("vcs") or entry.get("sdist") or entry.get("archive") or entry["wheels"][0]
    place = source.get("path") or source.get("url") or ""
    file = source.get("name") or unquote(os.path.basename(urlsplit(place).path))
    build = None
    if "vcs" in entry:
        # The build user can write the lock. Git would take `--upload-pack=PROGRAM` as an option.
        _require_form(_COMMIT, source["commit-id"], f"commit of {name}")
        build = Build(
            selected.python,
            package.build,
            url=place if "://" in place or ":" in place else f"file://{place}",
            commit=source["commit-id"],
            revision=source.get("requested-revision", ""),
            subdirectory=source.get("subdirectory", ""),
        )
        return Artifact(name, version, "", "", "", "", selected.venv, build)
    # It becomes part of a path.
    _require_form(_FILE, file, f"file name of {name}")
    if not file.endswith(".whl"):
        subdirectory = source.get("subdirectory", "")
        build = Build(selected.python, package.build, subdirectory=subdirectory)
    return Artifact(
        project=name,
        version=version,
        file=file,
        place=place,
        sha256=source["hashes"]["sha256"],
        uploaded=_timestamp(source.get("upload-time")),
        venv=selected.venv,
        build=build,
    )


def _require_form(form: re.Pattern[str], value: str, label: str) -> None:
    """Check a value of a lock.

    Args:
        form: The form of a valid value.
        value: The value.
        label: The name of the value in the message.

    Raises:
        ConvergeError: The value is invalid.

    """
    if not form.fullmatch(value):
        raise ConvergeError(f"invalid {label} in the lock: `{value}`", hint="create the lock again")


def _timestamp(value: object) -> str:
    """Return a time of a lock in the form of PEP 700."""
    if not isinstance(value, datetime):
        return ""
    utc = value.astimezone(timezone.utc) if value.tzinfo else value
    return utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
