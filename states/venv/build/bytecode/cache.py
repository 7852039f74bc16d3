"""Cache the bytecode of each unit in one file.

Bytecode depends only on the sources, their paths inside the venv, and the interpreter
(`compile_script.py`), so their digest is the key. A cache may be shared, copied, and restored,
and its content is executed. Each file therefore ends with the digest of each part, signed (HMAC,
RFC 2104) with a key from the state directory. A file that is torn, forged, or from another host
counts as missing.
"""

from __future__ import annotations

import hmac
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.system.atomic_write import write_atomic
from engine.system.files import make_private_dir
from states.system.cache_expiry import touch
from states.system.scratch import writable_dir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.settings import Settings
    from states.interpreter.discovery import Python
    from states.venv.build.bytecode.units import Unit
    from states.venv.build.bytecode.workers import Row

_DIGEST_SIZE = 32
"""The size of the key and of a signature in bytes: that of SHA-256."""
_LENGTH_SIZE = 8
_FOOTER_SIZE = _LENGTH_SIZE + _DIGEST_SIZE
_MAX_INDEX_SIZE = 1 << 20
"""In bytes. An entry for each of the sources in a unit is much smaller."""


class BytecodeCache:
    """The cached bytecode of one interpreter.

    A file has the bytecode of all sources, an index with a row for each source, the length of
    the index, and a signature of the unit's name and the index.
    """

    def __init__(self, settings: Settings, python: Python) -> None:
        self._directory = os.path.join(settings.cache, "bytecode", python.digest[:32])
        key = _load_or_create_key(settings.state)
        self._key = hmac.digest(key, python.digest.encode(), "sha256")

    def path(self, unit: Unit) -> str:
        """Return the file of a unit, which might not exist."""
        return os.path.join(self._directory, unit.name)

    def find(self, unit: Unit) -> tuple[Row, ...]:
        """Return the signed rows of a unit, or nothing. The bytecode itself isn't checked."""
        path = self.path(unit)
        try:
            with open(path, "rb", buffering=0) as stream:
                end = stream.seek(0, os.SEEK_END) - _FOOTER_SIZE
                stream.seek(max(end, 0))
                footer = stream.read(_FOOTER_SIZE)
                length = int.from_bytes(footer[:_LENGTH_SIZE], "little")
                start = end - length
                if start < 0 or length > _MAX_INDEX_SIZE:
                    return ()
                stream.seek(start)
                index = stream.read(length)
        except OSError:
            return ()
        if not hmac.compare_digest(footer[_LENGTH_SIZE:], self._sign(unit, index)):
            return ()
        rows = [(source, digest, size) for source, digest, size in json.loads(index)]
        if start != sum(size for _, _, size in rows):
            return ()
        touch(path)
        return tuple(rows)

    def new_file(self, unit: Unit) -> str:
        """Return where the bytecode of a unit is written first, or nothing if it can't be."""
        name = f"{self.path(unit)}-{os.urandom(4).hex()}"
        return name if writable_dir(self._directory) else ""

    def add(self, unit: Unit, path: str, rows: Sequence[Row]) -> None:
        """Complete the file of a unit whose sources are verified, if that is possible.

        Args:
            unit: The unit.
            path: The result of `new_file`. It doesn't exist if the bytecode came from the cache.
            rows: The digests and sizes of the sources.

        """
        index = json.dumps(rows).encode()
        footer = len(index).to_bytes(_LENGTH_SIZE, "little") + self._sign(unit, index)
        with suppress(OSError):
            with open(path, "r+b") as stream:
                if stream.seek(0, os.SEEK_END) != sum(size for _, _, size in rows):
                    return  # The process couldn't write everything.
                stream.write(index + footer)
            os.rename(path, self.path(unit))

    def _sign(self, unit: Unit, index: bytes) -> bytes:
        """Sign an index together with the name, so that a file can't replace another one."""
        return hmac.digest(self._key, unit.name.encode() + index, "sha256")


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
