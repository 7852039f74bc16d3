"""Read requirement files during a resolution: from disk, or from a URL.

The standard library is enough: uv makes every other request. It uses the system's certificates.
"""

from __future__ import annotations

import os
import socket
import ssl
import stat
import threading
import time
from http.client import HTTPException, IncompleteRead
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from engine import progress
from engine.declaration.inputs import decode
from engine.errors import ConvergeError, Unavailable
from engine.system import signals
from states.installer.credentials import CREDENTIALS_HINT, credentials_error
from states.venv.resolve.http import create_opener
from states.venv.resolve.references import is_url

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from urllib.request import OpenerDirector

    from states.venv.spec import Venv

MAX_SIZE = 8 * 2**20
"""Bytes of the largest file behind a URL. OpenStack's upper constraints have 30 kB."""
MAX_FILES = 100
"""Files behind URLs that one resolution fetches."""
MAX_DURATION_S = 120
"""Seconds for all files, apart from timeouts. A server may send a byte now and then, forever."""
_TOO_SLOW = "too slow"
RETRY_PAUSE_S = 0.5
"""Seconds before the second attempt. Each further pause is twice as long."""
_BLOCK_SIZE = 2**16


class Fetcher:
    """Reads the requirement files of one resolution, each URL once.

    Args:
        netrc_path: A netrc file with credentials, or empty.
        timeout_s: Seconds to wait for a connection, and for each part of a response.
        retries: Number of further attempts after a failure that may be temporary.

    """

    def __init__(self, netrc_path: str, timeout_s: int, retries: int) -> None:
        self.netrc_path = netrc_path
        self.timeout_s = timeout_s
        self.retries = retries
        self._texts: dict[str, str] = {}
        self._deadline = time.monotonic() + MAX_DURATION_S + timeout_s * (retries + 1)

    def read(self, name: str) -> str | None:
        """Return the text of a requirement file, or None if a file doesn't exist.

        Args:
            name: A path or URL.

        Returns:
            The text.

        Raises:
            ConvergeError: The file isn't text, or the URL contains a password.
            Unavailable: The URL can't be fetched, or its content exceeds a limit.

        """
        if not is_url(name):
            return _read_file(name)
        if message := credentials_error(name):
            raise ConvergeError(message, hint=CREDENTIALS_HINT)
        if name not in self._texts:
            if len(self._texts) >= MAX_FILES:
                raise Unavailable(
                    f"more than {MAX_FILES} remote requirement files, the last one: `{name}`",
                    hint="name fewer files, or keep a local copy of them",
                )
            self._texts[name] = self._fetch(name)
        return self._texts[name]

    def _fetch(self, url: str) -> str:
        progress.step(f"fetching {url}")
        opener = create_opener(url, self.netrc_path)
        for attempt in range(self.retries + 1):
            is_last = attempt == self.retries
            try:
                return decode(self._download(opener, url))
            except Exception as error:
                is_last = is_last or time.monotonic() > self._deadline
                if is_last or not is_temporary(error):
                    raise translate_http_error(error, url, self.timeout_s) from None
            time.sleep(RETRY_PAUSE_S * 2**attempt)
        raise AssertionError

    def _download(self, opener: OpenerDirector, url: str) -> bytes:
        """Return the body of a response.

        It runs in a thread, because a name server, or headers that arrive slowly, can take any
        time. An abandoned thread doesn't delay the end of the process.

        Raises:
            Exception: The request failed.
            TimeoutError: It took too long.

        """
        results: list[bytes | Exception] = []

        def download() -> None:
            try:
                results.append(self._read_response(opener, url))
            except Exception as error:
                results.append(error)

        thread = threading.Thread(target=download, daemon=True)
        thread.start()
        while thread.is_alive() and time.monotonic() < self._deadline:
            thread.join(0.1)
            signals.raise_if_interrupted()
        result = results[0] if results else TimeoutError(_TOO_SLOW)
        if isinstance(result, Exception):
            raise result
        return result

    def _read_response(self, opener: OpenerDirector, url: str) -> bytes:
        response: HTTPResponse
        with opener.open(url, timeout=self.timeout_s) as response:
            data = bytearray()
            while block := response.read1(_BLOCK_SIZE):
                data += block
                if len(data) > MAX_SIZE:
                    raise ValueError(f"larger than {MAX_SIZE // 2**20} MiB")
                if time.monotonic() > self._deadline:
                    raise TimeoutError(_TOO_SLOW)
            if response.length:
                raise IncompleteRead(bytes(data), response.length)
            return bytes(data)


def _read_file(path: str) -> str | None:
    try:
        # Without waiting for a writer, if the path is a named pipe.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return None
            return decode(stream.read())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConvergeError(f"`{path}` {error}") from None


def is_temporary(error: Exception) -> bool:
    """Return whether a further attempt can succeed after the error of a request."""
    if isinstance(error, HTTPError):
        return error.code in (408, 429) or error.code >= 500
    reason = error.reason if isinstance(error, URLError) else error
    return isinstance(reason, (OSError, HTTPException)) and not isinstance(
        reason, (socket.gaierror, ssl.SSLCertVerificationError)
    )


def translate_http_error(error: Exception, url: str, timeout_s: int) -> Exception:
    """Return an error that names the cause of a failed download.

    Args:
        error: The exception.
        url: The URL.
        timeout_s: The timeout of the connection and of each part, in seconds.

    Returns:
        The error to raise. A bug in this module stays as it is.

    """
    reason = error.reason if isinstance(error, URLError) else error
    host = urlsplit(url).hostname
    cause, hint = str(reason), "check the network; the live generation stays unchanged"
    if isinstance(error, HTTPError):
        cause = f"{error.code} {error.reason}"
        if error.code in (401, 403):
            hint = "set `netrc` to a file with its credentials"
        elif error.code in (404, 410):
            hint = "check the URL"
    elif isinstance(reason, socket.gaierror):
        cause, hint = f"unknown host `{host}`", "check DNS, or set `https_proxy` to a proxy"
    elif isinstance(reason, TimeoutError):
        cause = _TOO_SLOW if _TOO_SLOW in str(reason) else f"no data for {timeout_s} s"
        hint = "try again later, or raise `download-timeout`"
    elif isinstance(reason, ConnectionRefusedError):
        cause = f"`{urlsplit(url).netloc}` refuses connections"
    elif isinstance(reason, ssl.SSLCertVerificationError):
        cause = reason.verify_message or str(reason)
        hint = "set `SSL_CERT_FILE` to the certificates that your organization trusts"
    elif isinstance(reason, ValueError):
        hint = "check the content of the URL"
    elif not isinstance(reason, (OSError, HTTPException, str)):
        return error
    return Unavailable(f"can't fetch `{url}`: {cause}", hint=hint)


def fetcher_of(spec: Venv) -> Fetcher:
    """Return a fetcher with the credentials and the limits that a spec declares."""
    return Fetcher(spec.netrc, spec.download_timeout, spec.download_retries)
