"""A package index on 127.0.0.1 that serves a directory and records each request."""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import final
from urllib.parse import unquote, urlsplit

from tests.support.metadata import normalized
from tests.support.pages import CONTENT_TYPES, File, listing, project_html, project_json

FRESH = {"Cache-Control": "no-cache"}
"""A client can cache a page but must revalidate it, so that it sees new releases."""
FOREVER = {"Cache-Control": "max-age=31536000, immutable"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request, and the status of its response."""

    method: str
    path: str
    status: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    status: int
    content_type: str
    body: bytes
    headers: dict[str, str]
    fault: str = ""


@final
class Index:
    """Serves the wheels and source distributions in a directory; new files are visible at once.

    Pages are PEP 503 HTML or PEP 691 JSON, depending on the request, with hashes, `Requires-Python`
    and the metadata of wheels (PEP 658). It is a context manager. The port stays the same after
    `close` and `open`. Tests can set the attributes that inject faults at any time.
    """

    def __init__(self, directory: Path, auth: tuple[str, str] | None = None) -> None:
        """Serve `directory`, which may not exist yet; with `auth`, only to (user, password)."""
        self.directory = directory
        self.auth = auth
        self.requests: list[Request] = []
        self.down = False
        """Respond to every request with 503 (to refuse connections, call `close`)."""
        self.delay = 0.0
        """Seconds to wait before each response."""
        self.statuses: dict[str, int] = {}
        """{suffix of a path: status} to respond with."""
        self.replaced: dict[str, bytes] = {}
        """{file name: content} to serve instead of the file; the pages keep the original hash."""
        self.interrupted: dict[str, str] = {}
        """{file name: fault}: serve half of the file, and `cut` or `stall` the connection."""
        self.signature = ""
        """If set, serve a file only to a presigned URL, whose query contains this value."""
        self.yanked: dict[str, str] = {}
        """{file name: reason}."""
        self.uploaded: dict[str, str] = {}
        """{file name: upload time} (default: 2020-01-01T00:00:00Z)."""
        self.html_only = False
        """Serve neither JSON nor separate metadata, as a plain directory of links does."""
        self.freshness = FOREVER
        """The caching headers of files."""
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Index:
        """Start serving."""
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self.close()

    def open(self) -> None:
        """Listen, on the same port as before if this isn't the first time."""
        index = self

        class Handler(_Handler):
            def answer(self) -> _Answer:
                return index.answer(self.path, self.headers.get("Accept", ""), self.credentials())

            def record_request(self, status: int) -> None:
                index.requests.append(Request(method=self.command, path=self.path, status=status))

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def close(self) -> None:
        """Stop listening, so that connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        """The URL of the simple index, without credentials."""
        return f"http://127.0.0.1:{self._port}/simple/"

    @property
    def url_with_password(self) -> str:
        """The URL of the simple index, with the credentials."""
        user, password = self.auth or ("", "")
        return self.url.replace("//", f"//{user}:{password}@", 1)

    def paths(self) -> list[str]:
        """Return the requested paths in order."""
        return [request.path for request in self.requests]

    def answer(self, target: str, accept: str, credentials: tuple[str, str] | None) -> _Answer:
        """Return the response to a GET of `target`; injected faults take precedence."""
        time.sleep(self.delay)
        path = unquote(urlsplit(target).path)
        if self.down:
            return _refusal(503)
        for end, status in self.statuses.items():
            if path.endswith(end):
                return _refusal(status)
        if self.auth is not None and credentials != self.auth:
            return _refusal(401)
        top, _, rest = path.strip("/").partition("/")
        if top == "files" and self.signature not in urlsplit(target).query:
            return _refusal(403)
        if top == "files":
            return self._file(rest)
        if top == "simple":
            return self._page(rest, as_json=not self.html_only and "json" in accept)
        return _refusal(404)

    def _files(self) -> list[File]:
        return [
            File.read(
                path,
                yanked=self.yanked.get(path.name),
                uploaded=self.uploaded.get(path.name, "2020-01-01T00:00:00Z"),
            )
            for path in sorted(self.directory.glob("*"))
            if path.name.endswith((".whl", ".tar.gz", ".zip"))
        ]

    def _page(self, name: str, *, as_json: bool) -> _Answer:
        files = self._files()
        kind = CONTENT_TYPES["json" if as_json else "html"]
        if not name:
            body = listing(sorted({file.project for file in files}), as_json=as_json)
            return _Answer(status=200, content_type=kind, body=body.encode(), headers=FRESH)
        project_files = [file for file in files if file.project == normalized(name)]
        if not project_files:
            return _refusal(404)
        if as_json:
            body = project_json(name, project_files)
        else:
            body = project_html(name, project_files, with_metadata=not self.html_only)
        return _Answer(status=200, content_type=kind, body=body.encode(), headers=FRESH)

    def _file(self, name: str) -> _Answer:
        files = {file.name: file for file in self._files()}
        wheel = files.get(name.removesuffix(".metadata"))
        if wheel is None or "/" in name:
            return _refusal(404)
        body = self.replaced.get(name) or wheel.path.read_bytes()
        if name.endswith(".metadata"):
            if wheel.metadata is None or self.html_only:
                return _refusal(404)
            body = wheel.metadata
        kind = "application/octet-stream"
        fault = self.interrupted.get(name, "")
        return _Answer(
            status=200, content_type=kind, body=body, headers=self.freshness, fault=fault
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> _Answer:
        raise NotImplementedError

    def record_request(self, status: int) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        answer = self.answer()
        self.record_request(answer.status)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for header, value in answer.headers.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if not answer.fault:
            self.wfile.write(answer.body)
            return
        self.close_connection = True
        self.wfile.write(answer.body[: len(answer.body) // 2])
        if answer.fault == "stall":
            time.sleep(10)

    def do_HEAD(self) -> None:
        self.do_GET()

    def credentials(self) -> tuple[str, str] | None:
        scheme, _, rest = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        user, _, password = base64.b64decode(rest).decode().partition(":")
        return user, password

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Don't log to stderr: `Index.requests` has each request."""


def _refusal(status: int) -> _Answer:
    headers = {"WWW-Authenticate": 'Basic realm="tests"'} if status == 401 else {}
    return _Answer(status=status, content_type="text/plain", body=b"no\n", headers=headers)
