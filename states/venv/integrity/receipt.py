"""The receipt: proof that a generation was finished, and a record of its contents.

`.converge/receipt.json` is the last file of a build. Its first line is the SHA-256 of the rest,
so a torn receipt counts as missing. It contains the digests of the files beside it: the
manifest and the lock.
"""

from __future__ import annotations

import json
import os
import stat

from engine.frozen import as_items, frozen
from engine.system.existence import lstat, proves_no_file, status
from engine.system.files import read_regular_file, sha256
from states.interpreter import discovery
from states.venv.layout import LOCKFILE, METADATA_DIR, RECEIPT
from states.venv.sources.project import ProjectFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from states.interpreter.discovery import Python
    from states.venv.integrity.system_modules import SystemModule

_FORMAT = 1
Overlap = tuple[str, str, int, str]
"""The package whose files are installed, those that contain other files with the same paths,
the number of these paths, and the first of them."""
OwnFile = tuple[str, str, str]
"""The declared path of a file, its description, and the package whose file it replaced."""


@frozen
class Package:
    """One installed package."""

    name: str
    """Normalized as in PEP 503."""
    version: str
    """Empty until a local project is built."""
    origin: str = ""
    """A URL without credentials if it didn't come from an index, or else empty."""
    content: str = ""
    """`sha256:…` of the file, the commit, or the digest of the source tree."""
    wheel: bool = False
    """Whether it came as a wheel. The same wheel always installs the same files."""
    record: str = ""
    """SHA-256 of the rows of its RECORD at the first installation; detects a poisoned cache."""
    build: str = ""
    """Digest of the settings that it was built with. Empty for a wheel, and for the defaults."""

    def project(self) -> str:
        """Return the directory of the local project that it was built from, or an empty string."""
        is_file = self.content.startswith("sha256:")
        return "" if is_file or not self.origin.startswith("file://") else self.origin[7:]

    def identity(self) -> str:
        """Return the form that plans show: a version, and the origin of a direct reference."""
        if not self.origin:
            return self.version
        short = self.content.rpartition(":")[2][:12]
        return f"{self.version or '?'} @ {self.origin}" + (f"#{short}" if short else "")


@frozen
class Receipt:
    """A record of the contents of one generation, and of the inputs that it was built from."""

    generation: str
    path: str
    """Absolute path of the generation. Its scripts contain it."""
    created: str
    """UTC, ISO 8601. For people: no decision depends on it."""
    converge_version: str
    declared: str
    """The file and the address that declared it. For people."""
    inputs: str
    """Digest of what the versions were selected from; see `Venv.inputs`."""
    settings: str
    """Digest of everything else that shapes the content; see `settings_digest`."""
    request: str
    """The interpreter request: a version, a range, or a path."""
    python: Python
    system_site_packages: bool
    owner: str
    group: str
    mode: str
    packages: tuple[Package, ...]
    lock: str
    """SHA-256 of `pylock.toml`."""
    manifest: str
    """SHA-256 of `manifest.json`."""
    partly_ignored: tuple[str, ...] = ()
    """Directories in which ignored files may appear, so that their times prove nothing."""
    overlaps: tuple[Overlap, ...] = ()
    """The files that several packages contain with different content."""
    tolerated: tuple[str, ...] = ()
    """Files that differ from the RECORD of their package, as `accept-record-mismatch` allows."""
    projects: tuple[ProjectFiles, ...] = ()
    """The local projects."""
    files: tuple[OwnFile, ...] = ()
    """The declared files."""
    uid: int = -1
    """The ID of the owner. -1 if none is declared."""
    gid: int = -1
    """The ID of the group. -1 if none is declared."""
    system_modules: tuple[SystemModule, ...] = ()
    """The modules of the distribution that it links to."""

    def project_files(self, path: str) -> ProjectFiles | None:
        """Return the recorded files of a local project, or None without a record."""
        return next((project for project in self.projects if project.path == path), None)

    def project_content(self, path: str) -> str:
        """Return the recorded digest of a local project's source, or an empty string."""
        contents = (package.content for package in self.packages if package.project() == path)
        return next(contents, "")


def artifacts_of(packages: tuple[Package, ...]) -> str:
    """Return a short digest of the content of all packages.

    Two files of one version can differ, so versions alone don't identify the content. The same
    source can be built with other settings.
    """
    rows = sorted(
        f"{package.name} {package.content} {package.build}".rstrip() for package in packages
    )
    return sha256("\n".join(rows).encode())[:16]


def is_at(receipt: Receipt, root: str) -> bool:
    """Return whether a generation is at the path where it was built, also through a symlink.

    Raises:
        OSError: Either path can't be examined.

    """
    if receipt.path == root:
        return True
    built, present = status(receipt.path), status(root)
    return built is not None and present is not None and os.path.samestat(built, present)


def write_receipt(receipt: Receipt, root: str) -> None:
    """Write a receipt into a generation, durably. The lock of the store must be held."""
    # Imported here: a no-op run writes nothing.
    from engine.system.atomic_write import write_atomic

    document = dict(as_items(receipt))
    document["python"] = discovery.to_json(receipt.python)
    document["packages"] = [dict(as_items(package)) for package in receipt.packages]
    document["projects"] = [dict(as_items(project)) for project in receipt.projects]
    if receipt.system_modules:
        from states.venv.integrity import system_modules

        document["system_modules"] = [*map(system_modules.to_json, receipt.system_modules)]
    body = json.dumps({"format": _FORMAT, **document}, sort_keys=True)
    data = f"{sha256(body.encode())}\n{body}\n".encode()
    write_atomic(f"{root}/{RECEIPT}", data, durable=True, locked=True)


def read_receipt(root: str) -> Receipt | None:
    """Return the receipt of a generation, or None if it is missing, torn, or of another format.

    Raises:
        OSError: The receipt can't be read. The generation may be intact, so it must be kept.

    """
    body = _read_body(root)
    if body is None:
        return None
    try:
        document = json.loads(body)
        return _parse(document) if document.pop("format") == _FORMAT else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def has_whole_receipt(root: str) -> bool:
    """Return whether a generation has a receipt that isn't torn. It may be of another format.

    Raises:
        OSError: The receipt can't be read.

    """
    return _read_body(root) is not None


def _read_body(root: str) -> str | None:
    """Return the body of a receipt, or None if it is missing or torn.

    Raises:
        OSError: The receipt can't be read.

    """
    try:
        checksum, _, body = read_regular_file(f"{root}/{RECEIPT}").decode().partition("\n")
    except ValueError:
        return None
    except OSError as error:
        if proves_no_file(error):
            return None
        raise
    body = body.removesuffix("\n")
    return body if sha256(body.encode()) == checksum else None


def _parse(document: dict[str, Any]) -> Receipt:
    """Return the receipt of a JSON document.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: A key is missing, unknown, or malformed.

    """
    document["python"] = discovery.from_json(document["python"])
    document["packages"] = tuple(Package(**package) for package in document["packages"])
    document["partly_ignored"] = tuple(document["partly_ignored"])
    document["tolerated"] = tuple(document.get("tolerated", ()))
    document["projects"] = tuple(_parse_project(files) for files in document.get("projects", ()))
    document["overlaps"] = tuple(tuple(overlap) for overlap in document.get("overlaps", ()))
    document["files"] = tuple(tuple(file) for file in document.get("files", ()))
    if document.get("system_modules"):
        # Imported here: most venvs link to no module of the distribution.
        from states.venv.integrity.system_modules import from_json

        document["system_modules"] = tuple(map(from_json, document["system_modules"]))
    else:
        document["system_modules"] = ()
    return Receipt(**document)


def _parse_project(files: dict[str, Any]) -> ProjectFiles:
    names = {name: tuple(files[name]) for name in ("outputs", "packaged", "ignored")}
    return ProjectFiles(path=str(files["path"]), **names)


def is_protected(root: str) -> bool:
    """Return whether only the current user can write the metadata of a generation.

    Raises:
        OSError: It can't be examined.

    """
    statuses = [lstat(path) for path in (root, f"{root}/{METADATA_DIR}")]
    return all(
        status is not None
        and stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and not status.st_mode & 0o022
        for status in statuses
    )


def lock_text(root: str, receipt: Receipt) -> str | None:
    """Return the lock of a generation, or None if it doesn't have the receipt's digest.

    Raises:
        OSError: The lock can't be read. Its versions must not be selected again.

    """
    try:
        text = read_regular_file(f"{root}/{LOCKFILE}").decode()
    except ValueError:
        return None
    except OSError as error:
        if proves_no_file(error):
            return None
        raise
    return text if sha256(text.encode()) == receipt.lock else None
