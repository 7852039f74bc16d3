"""Bytecode that was compiled before, kept in one file for each package.

It follows from the sources, their paths inside the venv and the interpreter alone
(`compile_script.py`), so it is kept under the digest of these. A cache may be shared, copied and
restored, and what it holds runs: so each pack is signed (RFC 2104) with a key from the
state folder, and one that is torn, forged or another host's counts as none.
"""

from __future__ import annotations

import hmac
import os
import struct
from contextlib import suppress

from engine.system.files import make_private_dir, sha256, write_all, write_atomic
from states.system.cache_expiry import touch
from states.system.scratch import writable_dir
from states.venv.integrity.pyc_paths import pyc_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.settings import Settings
    from states.interpreter.discovery import Python

_SIZE = 32
"""Of a key and of a signature, in bytes: those of SHA-256."""
_LENGTH = struct.Struct("<q")
_NONE = -1
"""The length that says that a source does not compile."""


class BytecodeCache:
    """What is remembered for one interpreter.

    A package is given as its sources, relative to the venv, with their SHA-256 digests. A
    pack holds a length and as many bytes for each, sorted by path.
    """

    def __init__(self, settings: Settings, python: Python) -> None:
        self._folder = os.path.join(settings.cache, "bytecode", python.digest[:32])
        self._key = hmac.digest(_key(settings.state), python.digest.encode(), "sha256")

    def recall(self, root: str, package: Mapping[str, str]) -> dict[str, str] | None:
        """Put bytecode in place; return the digests by path, or `None` where it is not known."""
        name = _name(package)
        place = os.path.join(self._folder, name)
        try:
            with open(place, "rb") as stream:
                kept = stream.read()
        except OSError:
            return None
        if not hmac.compare_digest(kept[:_SIZE], self._sign(name, kept[_SIZE:])):
            return None
        touch(place)
        digests = {}
        for source, content in zip(sorted(package), _decode(kept), strict=True):
            if content is not None:
                target = pyc_path(source, root)
                _write(f"{root}/{target}", content)
                digests[target] = sha256(content)
        return digests

    def keep(self, root: str, package: Mapping[str, str]) -> dict[str, str]:
        """Remember what was just compiled; losing it costs only time. Return its digests."""
        name = _name(package)
        parts = []
        digests = {}
        for source in sorted(package):
            target = pyc_path(source, root)
            content = _read(f"{root}/{target}")
            if content is not None:
                digests[target] = sha256(content)
            parts.append(_LENGTH.pack(_NONE if content is None else len(content)))
            parts.append(content or b"")
        packed = b"".join(parts)
        if writable_dir(self._folder):
            with suppress(OSError), open(os.path.join(self._folder, name), "wb") as stream:
                stream.write(self._sign(name, packed) + packed)
        return digests

    def _sign(self, name: str, packed: bytes) -> bytes:
        """Sign a pack together with its name, so that none can stand in for another."""
        return hmac.digest(self._key, name.encode() + packed, "sha256")


def _name(package: Mapping[str, str]) -> str:
    lines = "".join(f"{digest} {source}\n" for source, digest in sorted(package.items()))
    return sha256(lines.encode("utf-8", "surrogateescape"))


def _decode(kept: bytes) -> Iterator[bytes | None]:
    position = _SIZE
    while position < len(kept):
        (length,) = _LENGTH.unpack_from(kept, position)
        position += _LENGTH.size
        if length == _NONE:
            yield None
        else:
            yield kept[position : position + length]
            position += length


def _write(path: str, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o644)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, flags, 0o644)
    try:
        write_all(descriptor, content)
    finally:
        os.close(descriptor)


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb", buffering=0) as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def _key(state: str) -> bytes:
    """Return the key of this host and user, made when first needed; losing it costs only time."""
    place = os.path.join(state, "bytecode.key")
    with suppress(OSError):
        with open(place, "rb") as stream:
            key = stream.read()
        if len(key) == _SIZE:
            return key
    key = os.urandom(_SIZE)
    with suppress(OSError):
        make_private_dir(state, durable=False)
        write_atomic(place, key, 0o600)
    return key
