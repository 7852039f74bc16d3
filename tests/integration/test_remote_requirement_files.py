"""Requirement files behind URLs: their content and their server aren't trusted."""

from __future__ import annotations

import http.server
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import Unavailable
from states.venv.resolve import fetch
from states.venv.resolve.fetch import Fetcher
from states.venv.resolve.lines.line import Line, line_error
from states.venv.resolve.requirements import read_lines
from tests.integration.host import Host

SECRET = "root:$6$secret-of-the-host"


class Server:
    """Serves texts by path. A callable writes its own response."""

    def __init__(self) -> None:
        self.pages: dict[str, str | Callable[[http.server.BaseHTTPRequestHandler], None]] = {}
        self.requested: list[str] = []
        self.url = ""

    def redirect(self, path: str, location: str) -> None:
        """Redirect a path."""

        def respond(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(302)
            handler.send_header("Location", location)
            handler.end_headers()

        self.pages[path] = respond


@pytest.fixture
def server() -> Iterator[Server]:
    """Yield a server on 127.0.0.1."""
    server = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requested.append(self.path)
            page = server.pages.get(self.path)
            if callable(page):
                page(self)
                return
            self.send_response(404 if page is None else 200)
            self.end_headers()
            self.wfile.write((page or "").encode())

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        httpd.block_on_close = False
        threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
        server.url = f"http://127.0.0.1:{httpd.server_address[1]}"
        yield server
        httpd.shutdown()


def read(url: str, timeout_s: int = 1, retries: int = 0) -> list[Line]:
    """Return the lines of a remote file and of the files that it includes."""
    fetcher = Fetcher("", timeout_s, retries)

    def missing(name: str, _line: Line | None) -> None:
        raise AssertionError(f"a remote file led to a missing local file: {name}")

    return list(read_lines(url, fetcher.read, missing, constraint=True))


@pytest.mark.parametrize(
    "line",
    [
        "-r file://{secret}",
        "-c FILE://{secret}",
        "-r ftp://127.0.0.1/x",
        "-e .",
        "-e {secret}",
        "file://{secret}",
        "web @ file://{secret}",
        "web @ FILE://{secret}",
        "web @ git+file://{secret}",
        "git+file://{secret}#egg=web",
        "-f {secret}",
        "--find-links https://example.org/wheels",
        "-i https://example.org/simple",
        "--pre --index-url=https://example.org/simple",
        "--extra-index-url https://example.org/simple",
        "--no-index",
        "--trusted-host example.org",
        "web @ ${{HOME}}/x.whl",
    ],
)
def test_remote_file_names_nothing_local_and_no_index(
    server: Server, tmp_path: Path, line: str
) -> None:
    (tmp_path / "secret").write_text(SECRET)
    server.pages["/c.txt"] = f"six\n{line.format(secret=tmp_path / 'secret')}\n"

    lines = read(f"{server.url}/c.txt")

    assert [line.number for line in lines if line_error(line)] == [2]
    assert SECRET not in repr(lines)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("-r /etc/shadow", "/etc/shadow"),
        ("-c more.txt", "/dir/more.txt"),
        ("-r ../../../etc/shadow", "/etc/shadow"),
        ("-r file:more.txt", None),
    ],
)
def test_name_in_a_remote_file_is_relative_to_its_url(
    server: Server, line: str, path: str | None
) -> None:
    server.pages |= {"/dir/c.txt": line, "/etc/shadow": "six", "/dir/more.txt": "six"}

    lines = read(f"{server.url}/dir/c.txt")

    assert server.requested[1:] == ([path] if path else [])
    assert [line.text for line in lines if not line_error(line)] == (["six"] if path else [])


def test_path_in_a_remote_file_becomes_a_url(server: Server) -> None:
    server.pages["/dir/c.txt"] = "./web-1.0-py3-none-any.whl\napi @ /srv/api.whl\n/srv/project\n"

    texts = [line.text for line in read(f"{server.url}/dir/c.txt")]

    assert texts == [
        f"{server.url}/dir/web-1.0-py3-none-any.whl",
        f"api @ {server.url}/srv/api.whl",
        f"{server.url}/srv/project",
    ]


@pytest.mark.parametrize("location", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,six"])
def test_redirect_to_another_protocol_is_refused(server: Server, location: str) -> None:
    server.redirect("/c.txt", location)

    with pytest.raises(Unavailable, match="can't fetch"):
        read(f"{server.url}/c.txt")


def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Send data until the client closes the connection."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"# comment\n" * 6000)


def silent(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Send a part of the body, then nothing."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"six\n")
    time.sleep(30)


def dripping(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Send a byte now and then, so that no read times out."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"#")
        time.sleep(0.1)


def dripping_headers(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Send a byte of a header now and then."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.1)


def cut_short(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Close the connection before the end of the body."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"six\n")


@pytest.mark.parametrize(
    ("respond", "cause"),
    [
        (endless, "larger than 8 MiB"),
        (silent, "no data for 1 s"),
        (dripping, "too slow"),
        (dripping_headers, "too slow"),
        (cut_short, "IncompleteRead"),
    ],
)
def test_response_without_end_is_unavailable(
    server: Server,
    respond: Callable[[http.server.BaseHTTPRequestHandler], None],
    cause: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetch, "MAX_DURATION_S", 1)
    server.pages["/c.txt"] = respond

    with pytest.raises(Unavailable, match=cause):
        read(f"{server.url}/c.txt")


def test_temporary_failure_is_retried(server: Server) -> None:
    server.pages["/c.txt"] = cut_short

    def later() -> None:
        while len(server.requested) < 1:
            time.sleep(0.01)
        server.pages["/c.txt"] = "six"

    threading.Thread(target=later, daemon=True).start()

    assert [line.text for line in read(f"{server.url}/c.txt", retries=2)] == ["six"]


def test_long_chain_of_remote_files_is_an_error(server: Server) -> None:
    server.pages |= {f"/{i}.txt": f"-r {i + 1}.txt\n" for i in range(1000)}

    lines = read(f"{server.url}/0.txt")

    (error,) = [line_error(line) for line in lines]
    assert error is not None
    assert "more than 20 nested files" in error[0]


def test_file_that_includes_many_files_is_unavailable(server: Server) -> None:
    server.pages |= {f"/{i}.txt": "six\n" for i in range(1000)}
    server.pages["/c.txt"] = "".join(f"-r {i}.txt\n" for i in range(1000))

    with pytest.raises(Unavailable, match="more than 100 remote requirement files"):
        read(f"{server.url}/c.txt")


def test_files_that_include_each_other_twice_are_read_once(tmp_path: Path) -> None:
    """Otherwise, the work doubles with each level."""
    for i in range(20):
        (tmp_path / f"{i}.txt").write_text(f"-r {i + 1}.txt\n" * 2 + f"web{i}\n")
    (tmp_path / "20.txt").write_text("six\n")

    lines = list(
        read_lines(
            str(tmp_path / "0.txt"),
            lambda name: Path(name).read_text(),
            lambda _name, _line: None,
            constraint=False,
        )
    )

    assert len(lines) == 21


def test_long_chain_of_local_files_is_a_declaration_error(host: Host) -> None:
    for i in range(1000):
        host.write(f"-r {i + 1}.txt\n", f"{i}.txt")
    host.declare([], requirements=["0.txt"])

    refused = host.plan()

    assert refused.code == 65
    assert "`20.txt` line 1: more than 20 nested files" in refused.err.replace(
        f"{host.directory}/", ""
    )


@pytest.mark.parametrize(
    ("url", "cause", "hint"),
    [
        ("http://name.invalid/c.txt", "unknown host `name.invalid`", "check DNS"),
        ("http://127.0.0.1:1/c.txt", "`127.0.0.1:1` refuses connections", "check the network"),
    ],
)
def test_unreachable_url_names_the_cause(url: str, cause: str, hint: str) -> None:
    with pytest.raises(Unavailable) as caught:
        read(url)

    assert caught.value.message == f"can't fetch `{url}`: {cause}"
    assert caught.value.hint is not None
    assert hint in caught.value.hint


@pytest.mark.parametrize("url", ["ftp://example.org/c.txt", "git+file:///srv/c.txt"])
def test_requirement_file_behind_another_protocol_is_an_error(host: Host, url: str) -> None:
    host.declare(["six"], constraints=[url])

    refused = host.plan()

    assert refused.code == 65
    assert f"invalid URL of a requirement file: `{url}`" in refused.err


def test_file_url_of_a_requirement_file_is_read_as_a_path(host: Host, tmp_path: Path) -> None:
    """So that its content counts as an input, and its options apply."""
    host.write("--index-strategy x\n", "r.txt")
    host.declare([], requirements=[f"file://{host.directory}/r.txt"])

    assert host.plan().code == 65


def test_named_pipe_isnt_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert Fetcher("", 1, 0).read(str(tmp_path / "pipe")) is None
