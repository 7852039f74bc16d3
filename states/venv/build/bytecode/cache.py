"""Cache the bytecode of each package in one file.

Bytecode depends only on the sources, their paths inside the venv, and the interpreter
(`compile_script.py`), so their digest is the key. A cache may be shared, copied, and restored,
and its content is executed. Each file is therefore signed (HMAC, RFC 2104) with a key from the
state directory. A file that is torn, forged, or from another host counts as missing.
"""

from __future__ import annotations

import hmac
import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.system.atomic_write import write_atomic
from engine.system.files import make_private_dir, sha256, sha256_of_file, write_all
from states.system.cache_expiry import touch
from states.system.scratch import writable_dir
from states.venv.integrity.pyc_paths import pyc_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.settings import Settings
    from states.interpreter.discovery import Python

_DIGEST_SIZE = 32
"""The size of the key and of a signature in bytes: that of SHA-256."""
_LENGTH = struct.Struct("<q")
_NO_BYTECODE = -1
"""The length that marks a source with a syntax error."""


class BytecodeCache:
    """The cached bytecode of one interpreter.

    A package is a mapping of its sources, relative to the venv, to their SHA-256. Its file has
    a signature, then a length and that number of bytes for each source, sorted by path.
    """

    def __init__(self, settings: Settings, python: Python) -> None:
        self._directory = os.path.join(settings.cache, "bytecode", python.digest[:32])
        key = _load_or_create_key(settings.state)
        self._key = hmac.digest(key, python.digest.encode(), "sha256")

    def restore(self, root: str, package: Mapping[str, str]) -> dict[str, str] | None:
        """Write the bytecode of a package into a generation, if it is cached.

        Returns:
            The SHA-256 of each bytecode file by path, or None if the cache doesn't have it.

        Raises:
            OSError: The generation can't be written.

        """
        name = _name(package)
        path = os.path.join(self._directory, name)
        try:
            with open(path, "rb") as stream:
                cached = stream.read()
        except OSError:
            return None
        signature, packed = cached[:_DIGEST_SIZE], cached[_DIGEST_SIZE:]
        if not hmac.compare_digest(signature, self._sign(name, packed)):
            return None
        touch(path)
        digests = {}
        for source, content in zip(sorted(package), decode(packed), strict=True):
            if content is not None:
                target = pyc_path(source, root)
                _write_new(f"{root}/{target}", content)
                digests[target] = sha256_of_file([content])
        return digests

    def store(self, root: str, package: Mapping[str, str]) -> dict[str, str]:
        """Cache the bytecode that was just compiled, unless the cache can't be written.

        Returns:
            The SHA-256 of each bytecode file by path.

        """
        name = _name(package)
        contents = []
        digests = {}
        for source in sorted(package):
            target = pyc_path(source, root)
            content = _read_or_none(f"{root}/{target}")
            if content is not None:
                digests[target] = sha256_of_file([content])
            contents.append(content)
        packed = encode(contents)
        if writable_dir(self._directory):
            with suppress(OSError), open(os.path.join(self._directory, name), "wb") as stream:
                stream.write(self._sign(name, packed) + packed)
        return digests

    def _sign(self, name: str, packed: bytes) -> bytes:
        """Sign a file together with its name, so that it can't replace another one."""
        return hmac.digest(self._key, name.encode() + packed, "sha256")


def _name(package: Mapping[str, str]) -> str:
    lines = "".join(f"{digest} {source}\n" for source, digest in sorted(package.items()))
    return sha256(lines.encode("utf-8", "surrogateescape"))


def encode(contents: Sequence[bytes | None]) -> bytes:
    """Return the bytecode of a package as one block. None stands for a source without any."""
    parts = []
    for content in contents:
        parts.append(_LENGTH.pack(_NO_BYTECODE if content is None else len(content)))
        parts.append(content or b"")
    return b"".join(parts)


def decode(packed: bytes) -> Iterator[bytes | None]:
    """Yield what `encode` was given. The signature must have been checked."""
    position = 0
    while position < len(packed):
        (length,) = _LENGTH.unpack_from(packed, position)
        position += _LENGTH.size
        if length == _NO_BYTECODE:
            yield None
        else:
            yield packed[position : position + length]
            position += length


def _write_new(path: str, content: bytes) -> None:
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


def _read_or_none(path: str) -> bytes | None:
    try:
        with open(path, "rb", buffering=0) as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def _load_or_create_key(state: str) -> bytes:
    """Return the signing key of this host and user. Without it, cached bytecode is unusable."""
    path = os.path.join(state, "bytecode.key")
    with suppress(OSError):
        with open(path, "rb") as stream:
            key = stream.read()
        if len(key) == _DIGEST_SIZE:
            return key
    key = os.urandom(_DIGEST_SIZE)
    with suppress(OSError):
        make_private_dir(state, durable=False)
        write_atomic(path, key, 0o600)
    return key
