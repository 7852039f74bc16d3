"""The proof inside a generation that it was finished, and what it was made of.

`.converge/receipt.json` is written last. It carries a checksum of itself, so a torn one
counts as none, and the digests of its neighbours: the seal and the resolution.
"""

from __future__ import annotations

import json
import os
import stat

from engine.frozen import as_items, frozen
from engine.system.files import read_regular_file, sha256, write_atomic
from states.interpreter import discovery
from states.venv.layout import METADATA_DIR, RECEIPT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from states.interpreter.discovery import Python

_FORMAT = 1


@frozen
class Package:
    """One installed package: version, where from, and which content."""

    name: str
    """Normalised, as PEP 503 says."""
    version: str
    """Empty while a local project was not built yet."""
    origin: str = ""
    """Where it came from, if not from an index: a URL without credentials."""
    content: str = ""
    """`sha256:…` of the file, the commit, or the digest of the source tree."""
    wheel: bool = False
    """Whether it came as a wheel, so that the same content is installed each time."""
    record: str = ""
    """SHA-256 of its RECORD's own rows, as first installed; tells a poisoned cache later."""

    def project(self) -> str:
        """Return the folder of the local project that it was built from; empty if it was not."""
        whole = self.content.startswith("sha256:")  # one file
        return "" if whole or not self.origin.startswith("file://") else self.origin[7:]

    def identity(self) -> str:
        """Return the form that plans show: a version, and the origin of a direct reference."""
        if not self.origin:
            return self.version
        short = self.content.rpartition(":")[2][:12]
        return f"{self.version or '?'} @ {self.origin}" + (f"#{short}" if short else "")


@frozen
class Receipt:
    """What one generation is."""

    generation: str
    path: str
    """Absolute path of the generation: its scripts carry it, so it is valid only there."""
    created: str
    """UTC, ISO 8601; for people, never for decisions."""
    converge_version: str
    declared: str
    """The file and the address that declared it, for people."""
    inputs: str
    """What the versions followed from; see `Venv.inputs`."""
    settings: str
    """Digest of what else shapes the content; see `choice.settings_digest`."""
    request: str
    """What the interpreter was asked by: a version, a range, or a path."""
    python: Python
    system_site_packages: bool
    owner: str
    group: str
    mode: str
    packages: tuple[Package, ...]
    lock: str
    """SHA-256 of the resolution beside it."""
    manifest: str
    """SHA-256 of the seal beside it."""
    loose: tuple[str, ...] = ()
    """Folders that hold ignored things: what is in them is compared name by name."""


def write(receipt: Receipt, root: str) -> None:
    """Write a receipt into a generation's folder, durably; the store's lock must be held."""
    body = dict(as_items(receipt))
    body["python"] = discovery.to_json(receipt.python)
    body["packages"] = [dict(as_items(one)) for one in receipt.packages]
    text = json.dumps({"format": _FORMAT, **body}, sort_keys=True)
    signed = f"{sha256(text.encode())}\n{text}\n".encode()
    write_atomic(f"{root}/{RECEIPT}", signed, durable=True, locked=True)


def read(root: str) -> Receipt | None:
    """Read a generation's receipt; `None` if it is missing, torn or of another format."""
    try:
        checksum, _, text = read_regular_file(f"{root}/{RECEIPT}").decode().partition("\n")
        text = text.removesuffix("\n")
        if sha256(text.encode()) != checksum:
            return None
        return _receipt(json.loads(text))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def is_protected(root: str) -> bool:
    """Tell whether nobody but us can have written what a generation says of itself."""
    try:
        found = [os.lstat(one) for one in (root, f"{root}/{METADATA_DIR}")]
    except OSError:
        return False
    return all(
        stat.S_ISDIR(one.st_mode) and one.st_uid == os.geteuid() and not one.st_mode & 0o022
        for one in found
    )


def lock_text(root: str, receipt: Receipt) -> str | None:
    """Return the resolution kept in a generation; `None` if it is not what the receipt says."""
    try:
        text = read_regular_file(f"{root}/{METADATA_DIR}/pylock.toml").decode()
    except (OSError, ValueError):
        return None
    return text if sha256(text.encode()) == receipt.lock else None


def _receipt(body: dict[str, Any]) -> Receipt | None:
    if body.pop("format") != _FORMAT:
        return None
    body["python"] = discovery.from_json(body["python"])
    body["packages"] = tuple(Package(**one) for one in body["packages"])
    body["loose"] = tuple(body["loose"])
    return Receipt(**body)
