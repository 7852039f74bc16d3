"""A web server on 127.0.0.1 for a static directory, with or without rules for JSON pages."""

from __future__ import annotations

import os
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, final

JSON = "application/vnd.pypi.simple.v1+json"


@final
class StaticServer:
    """Serves a directory, which may be a symlink that changes. A context manager.

    Args:
        directory: The directory.
        negotiates: Whether a client that accepts JSON gets `index.json` instead of `index.html`,
            as the settings for nginx and Apache in the documentation have it.
    """

    def __init__(self, directory: Path, *, negotiates: bool) -> None:
        self.requests: list[tuple[str, str]] = []
        """The path of each request, and the content type of its response."""
        server = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(directory))

            def translate_path(self, path: str) -> str:
                place = super().translate_path(path)
                accepts = JSON in self.headers.get("Accept", "")
                page = os.path.join(place, "index.json")
                return page if negotiates and accepts and os.path.isfile(page) else place

            def guess_type(self, path: Any) -> str:
                return JSON if str(path).endswith("index.json") else super().guess_type(path)

            def send_header(self, keyword: str, value: str) -> None:
                if keyword == "Content-type":
                    server.requests.append((self.path, value))
                super().send_header(keyword, value)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                """Don't log to stderr: `requests` has each request."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """The URL of the directory, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> StaticServer:
        """Start serving."""
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
