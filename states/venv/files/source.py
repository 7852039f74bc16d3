"""Read the sources of declared files."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from engine.errors import IntegrityError
from engine.frozen import frozen
from engine.system.existence import proves_absence
from engine.system.files import CHUNK_SIZE, sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.venv.spec import File

_MAX_SIZE = 1 << 26
"""In bytes. Each run hashes the sources, because the declaration depends on their content."""


EXECUTABLE, PRIVATE, OPEN_TO_ALL, SCRIPT = "xpw#"
"""Letters for the properties of a source. `SCRIPT` means that it begins with `#!`."""


@frozen
class Source:
    """A source as the digest function `declared-file` describes it."""

    digest: str
    """SHA-256 of the content. Empty if the source can't be copied."""
    problem: str
    """The reason, as the end of a sentence."""
    flags: str
    """Letters for its properties."""


def digest_source(path: str) -> str:
    """Return a text that changes if the content, or a relevant permission, of a source does.

    Raises:
        OSError: The source can't be read. For a missing one, the text is the reason.

    """
    try:
        descriptor = _open(path)
    except OSError as error:
        if proves_absence(error):
            return "doesn't exist"
        raise
    with os.fdopen(descriptor, "rb"):
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            return "is a directory"
        if not stat.S_ISREG(status.st_mode):
            return "isn't a regular file"
        if status.st_size > _MAX_SIZE:
            return f"has more than {_MAX_SIZE >> 20} MiB"
        digest = sha256_of_file(_chunks(descriptor))
        flags = {
            EXECUTABLE: status.st_mode & 0o111,
            PRIVATE: not status.st_mode & stat.S_IROTH,
            OPEN_TO_ALL: status.st_mode & stat.S_IWOTH,
            SCRIPT: os.pread(descriptor, 2, 0) == b"#!",
        }
        # Other bits of the mode have no effect, so another one isn't a change.
        return f"sha256:{digest}:{''.join(flag for flag, is_set in flags.items() if is_set)}"


def parse_source(text: str) -> Source:
    """Return the source that `digest_source` describes."""
    if not text.startswith("sha256:"):
        return Source("", text, "")
    _, digest, flags = text.split(":")
    return Source(digest, "", flags)


def read_content(file: File) -> Iterator[bytes]:
    """Yield the content of a declared file.

    Raises:
        OSError: The source can't be read.

    """
    if file.content is not None:
        yield file.content.encode()
        return
    assert file.from_ is not None  # `validate_files` has checked it.
    descriptor = _open(file.from_)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            yield from _chunks(descriptor)
    finally:
        os.close(descriptor)


def source_changed(path: str) -> IntegrityError:
    """Return the error for a source that changed after the declaration was read."""
    return IntegrityError(
        f"the source of a file changed during the run: `{path}`",
        hint="run the command again; nothing was published",
    )


def _open(path: str) -> int:
    """Open a source. A symlink is followed: directories such as mounted secrets consist of them."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _chunks(descriptor: int) -> Iterator[bytes]:
    """Yield the content of an open file, up to the maximum size."""
    remaining = _MAX_SIZE
    while remaining > 0 and (chunk := os.read(descriptor, min(remaining, CHUNK_SIZE))):
        remaining -= len(chunk)
        yield chunk
