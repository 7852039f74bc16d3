"""Download wheels by their hashes. uv has selected them: it has no command that only downloads."""

from __future__ import annotations

import contextvars
import hashlib
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import mktime_tz, parsedate_tz
from http.client import IncompleteRead
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from engine import progress
from engine.errors import IntegrityError, Interrupted, NoInput
from engine.system import signals
from engine.system.existence import resolve
from engine.system.files import iter_chunks
from states.installer.credentials import resolve_index_url, restore_signatures
from states.venv.resolve.fetch import RETRY_PAUSE_S, is_temporary, translate_http_error
from states.venv.resolve.http import create_opener
from states.venv.resolve.references import local_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future
    from http.client import HTTPResponse

    from states.installer import IndexOptions
    from states.wheelhouse.select.artifacts import Artifact

_PARALLEL = 8
"""Downloads at a time."""
_BLOCK_SIZE = 1 << 16


def download_all(
    artifacts: Sequence[tuple[Artifact, IndexOptions]], scratch: str
) -> Iterator[tuple[Artifact, str]]:
    """Download files in parallel, and yield each as soon as it is complete.

    Args:
        artifacts: The files, and the sources that determine credentials and timeouts.
        scratch: A directory for the files.

    Yields:
        Each file, and the path of the download. Its name is that of the file.

    Raises:
        Unavailable: A URL can't be fetched.
        IntegrityError: A file doesn't match its hash.
        NoInput: A local file doesn't exist.
        OSError: A file can't be written.
        Interrupted: A signal was received. Files in progress are abandoned.

    """
    if artifacts:
        progress.measure("fetching", len(artifacts), "wheels")
    pool = ThreadPoolExecutor(min(_PARALLEL, len(artifacts) or 1))
    pending: list[tuple[Artifact, Future[str]]] = []
    try:
        for artifact, indexes in artifacts:
            path = f"{tempfile.mkdtemp(prefix='file-', dir=scratch)}/{artifact.file}"
            context = contextvars.copy_context()
            future = pool.submit(context.run, download, artifact, indexes, path)
            pending.append((artifact, future))
        for artifact, future in pending:
            path = future.result()
            progress.advance()
            yield artifact, path
    finally:
        pool.shutdown(cancel_futures=True)


def download(artifact: Artifact, indexes: IndexOptions, path: str) -> str:
    """Write a file to a path, and return the path.

    Args:
        artifact: The file.
        indexes: The sources that determine credentials and timeouts.
        path: A path that doesn't exist.

    Returns:
        The path.

    Raises:
        ConvergeError, OSError: As for `download_all`.

    """
    local = artifact.place if os.path.isabs(artifact.place) else local_path(artifact.place)
    if local:
        digest = _copy(local, path)
    else:
        digest = _fetch(artifact.place, indexes, path)
    if digest != artifact.sha256:
        raise IntegrityError(
            f"`{artifact.place}` doesn't match its locked hash: sha256:{digest[:12]}, expected "
            f"sha256:{artifact.sha256[:12]}",
            hint="ask its publisher before you install it; to resolve again, run with `--upgrade`",
        )
    return path


def _copy(source: str, path: str) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "xb") as stream:
            for chunk in iter_chunks(resolve(source), 1 << 62):
                digest.update(chunk)
                stream.write(chunk)
        modified_ns = os.stat(source).st_mtime_ns
        os.utime(path, ns=(modified_ns, modified_ns))
    except FileNotFoundError:
        raise NoInput(f"no such file: `{source}`") from None
    return digest.hexdigest()


def _fetch(url: str, indexes: IndexOptions, path: str) -> str:
    opener = create_opener(url, indexes.netrc, _login(url, indexes))
    signed = restore_signatures(f'"{url}"')[1:-1]
    for attempt in range(indexes.retries + 1):
        signals.raise_if_interrupted()
        try:
            with opener.open(signed, timeout=indexes.timeout_s) as response:
                return _save(response, path)
        except Exception as error:
            if isinstance(error, Interrupted) or getattr(error, "filename", "") == path:
                raise  # Of the file, not of the connection.
            if attempt == indexes.retries or not is_temporary(error):
                raise translate_http_error(error, url, indexes.timeout_s) from None
        time.sleep(RETRY_PAUSE_S * 2**attempt)
    raise AssertionError


def _save(response: HTTPResponse, path: str) -> str:
    """Write the body of a response, and return its SHA-256. The file gets the time of the server.

    Raises:
        IncompleteRead: The connection was closed early.
        OSError: The file can't be written. The error names it.

    """
    digest = hashlib.sha256()
    with open(path, "wb") as stream:  # An earlier attempt may have left a part.
        while block := response.read1(_BLOCK_SIZE):
            signals.raise_if_interrupted()
            digest.update(block)
            try:
                stream.write(block)
                stream.flush()
            except OSError as error:
                error.filename = path
                raise
    if response.length:
        raise IncompleteRead(b"", response.length)
    if modified := parsedate_tz(response.headers.get("Last-Modified", "")):
        seconds = mktime_tz(modified)
        os.utime(path, (seconds, seconds))
    return digest.hexdigest()


def _login(url: str, indexes: IndexOptions) -> tuple[str, str] | None:
    """Return the user and the password in the URL of an index with the same scheme and host."""
    by_package = (reference for _, reference in indexes.package_indexes)
    for reference in filter(None, (indexes.index_url, *indexes.extra_index_url, *by_package)):
        parts = urlsplit(resolve_index_url(reference))
        origin = (parts.scheme, parts.netloc.rpartition("@")[2])
        # A page that was fetched through HTTPS can list a file without it.
        if parts.username and origin == (urlsplit(url).scheme, urlsplit(url).netloc):
            return unquote(parts.username), unquote(parts.password or "")
    return None
