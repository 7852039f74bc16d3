"""Hashes in RECORD files. The wheel format requires SHA-256 or better.

https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from typing import TYPE_CHECKING

from engine.system.files import iter_chunks, sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Iterable

_STRONGER = {
    *("sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"),
}
"""Names in `hashlib.algorithms_guaranteed` whose digest has 256 bits or more, except SHA-256."""

_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{64}")
"""A form that some wheels use, against the format. In base64, a SHA-256 has 43 characters."""


def parse_hash(text: str) -> str:
    """Return the digest in the hash column of a RECORD.

    Returns:
        Hexadecimal for SHA-256, `ALGORITHM:HEXADECIMAL` for a stronger hash, and an empty string
        if the column is empty.

    Raises:
        ValueError: The hash is malformed or weaker than SHA-256.

    """
    algorithm, _, value = text.partition("=")
    if not value:
        return ""
    if algorithm != "sha256" and algorithm not in _STRONGER:
        raise ValueError(f"{algorithm} isn't accepted, only sha256 or better")
    if algorithm == "sha256" and _HEXADECIMAL.fullmatch(value):
        return value.lower()
    try:
        # URL-safe base64 without padding.
        digest = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    return digest if algorithm == "sha256" else f"{algorithm}:{digest}"


def has_digest(path: str, digest: str) -> bool:
    """Return whether a file has a digest, which is a result of `parse_hash`.

    Raises:
        OSError: The file can't be read.

    """
    algorithm, is_stronger, _ = digest.rpartition(":")
    chunks = iter_chunks(path, os.path.getsize(path))
    if is_stronger:
        return f"{algorithm}:{_digest(algorithm, chunks)}" == digest
    return sha256_of_file(chunks) == digest


def _digest(algorithm: str, chunks: Iterable[bytes]) -> str:
    import hashlib  # Imported here: almost every RECORD uses SHA-256.

    digest = hashlib.new(algorithm, usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
