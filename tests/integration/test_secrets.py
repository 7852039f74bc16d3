"""Passwords work, and appear in no output, file or argument list."""

from __future__ import annotations

import base64
import functools
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from states.installer.credentials import strip_credentials
from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.support.command import Completed
from tests.support.index import Index
from tests.support.wheels import make_git_project

USER, PASSWORD = "deployer", "hunter2-canary"
FORMS = (
    PASSWORD,
    base64.b64encode(PASSWORD.encode()).decode().rstrip("="),
    base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode().rstrip("="),
)


@pytest.fixture
def host_with_password(host: Host, index: Index) -> Host:
    """Return a host with a private cache, and protect the index with a password."""
    host.cache = host.directory / "cache"
    index.auth = (USER, PASSWORD)
    make_wheels(index.directory)
    return host


REFERENCES = ["in the URL", "in a variable", "in a file", "in a netrc"]


def declare(host: Host, index: Index, source: str, packages: list[str]) -> None:
    """Declare an index in one of the four ways to pass a password."""
    keys: dict[str, Any] = {"find_links": [], "no_index": False}
    if source == "in a variable":
        host.env = {"INDEX": index.url_with_password}
        keys["index_url"] = "env:INDEX"
    elif source == "in a file":
        host.write(index.url_with_password + "\n", "secrets/index")
        keys["index_url"] = "file:secrets/index"
    elif source == "in a netrc":
        host.write(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n", "secrets/netrc")
        keys |= {"index_url": index.url, "netrc": "secrets/netrc"}
    else:
        keys["index_url"] = index.url_with_password
        keys["extra_index_url"] = [index.url_with_password]
    host.declare(packages, **keys)


@pytest.mark.parametrize("source", REFERENCES)
def test_password_works_and_appears_nowhere(
    host_with_password: Host, index: Index, source: str
) -> None:
    declare(host_with_password, index, source, ["alpha", "beta<2"])
    with watch_arguments() as arguments:
        runs = [
            host_with_password.plan("--verbose"),
            host_with_password.run("plan", "converge.toml", "--verbose"),
            host_with_password.apply("--verbose"),
            host_with_password.run("apply", "converge.toml", "--upgrade", "--verbose"),
            host_with_password.check(),
            host_with_password.run("graph", "converge.toml", "--format", "dot"),
            host_with_password.run("show", "converge.toml", "*"),
            host_with_password.run("show", "converge.toml", "*", "--json"),
            host_with_password.run("lock", "converge.toml"),
            host_with_password.run("status", "converge.toml"),
        ]

    assert all(run.code == 0 for run in runs), runs[2].out + runs[2].err
    assert host_with_password.versions() == {"alpha": "1.1", "beta": "1.0"}
    assert_not_printed(runs)
    assert not [argument for argument in arguments if leaks(argument)]
    assert any(b"pip\0" in argument for argument in arguments), "the tool wasn't observed"
    assert files_with_password(host_with_password) == []
    lockfile = (host_with_password.generation / ".converge/pylock.toml").read_text()
    assert "http://127.0.0.1" in lockfile


@pytest.mark.parametrize("source", REFERENCES[:3])
def test_password_isnt_in_failure_output(
    host_with_password: Host, index: Index, source: str
) -> None:
    declare(host_with_password, index, source, ["beta==99"])
    runs = [host_with_password.apply("--verbose")]
    declare(host_with_password, index, source, ["gamma"])
    index.auth = (USER, "changed")
    runs.append(host_with_password.apply("--verbose"))

    assert [run.code != 0 for run in runs] == [True, True]
    assert_not_printed(runs)
    assert files_with_password(host_with_password) == []


@pytest.mark.parametrize("source", REFERENCES[:3])
def test_password_isnt_in_connection_errors(
    host_with_password: Host, index: Index, source: str
) -> None:
    declare(host_with_password, index, source, ["beta==99"])
    index.close()

    failed = host_with_password.apply("--verbose")

    assert failed.code == 69
    assert_not_printed([failed])
    assert files_with_password(host_with_password) == []


def test_password_isnt_in_declaration_errors(host_with_password: Host, index: Index) -> None:
    host_with_password.declare(["beta"], index_url=index.url_with_password, reqirements=["x"])

    refused = host_with_password.run("plan", "converge.toml")

    assert refused.code == 65
    assert_not_printed([refused])


@pytest.mark.parametrize(
    "line",
    [
        'index_url = "URL"',
        'index-url = "URL"\nindex-url = "URL"',
        'index-url = "URL',
        "index-url = URL",
        'index-url = ["URL"]',
        'index-url = "see URL"',
        'extra-index-url = "URL"',
        'extra-index-url = [["URL"]]',
        'netrc = {url = "URL"}',
        'lock = "URL"',
        'packages = ["URL"]',
        'packages = ["gamma @ URL", "gamma=URL"]',
    ],
)
def test_password_isnt_in_errors_about_its_line(host_with_password: Host, line: str) -> None:
    templates = ("{0}", "a@{0}", "a/{0}", "a {0}", "{0}" + "x" * 80)
    urls = [
        f"https://{USER}:{template.format(PASSWORD)}@example.org/simple/" for template in templates
    ]
    tables = [f'[venv.app{n}]\npath = "v{n}"\n{line}\n' for n in range(len(urls))]
    host_with_password.write("".join(map(str.replace, tables, ["URL"] * len(urls), urls)))

    refused = host_with_password.plan("--verbose")

    assert refused.code == 65
    assert "example.org" in refused.err
    assert_not_printed([refused])
    assert files_with_password(host_with_password) == []


@pytest.mark.parametrize(
    ("key", "requirement"),
    [
        ("find_links", "URL"),
        ("requirements", "URL"),
        ("constraints", "URL"),
        ("build_constraints", "URL"),
        ("packages", "gamma @ URL"),
        ("packages", "gamma @ git+URL"),
        ("overrides", "gamma @ URL"),
        ("file", "gamma @ URL"),
        ("file", "--index-url URL"),
        ("file", "--find-links=URL"),
        ("file", "-c URL"),
        ("file", "-r URL"),
    ],
)
def test_password_outside_an_index_is_refused(
    host_with_password: Host, index: Index, key: str, requirement: str
) -> None:
    """converge would pass it to an installer as an argument, which every user can see."""
    requirement = requirement.replace("URL", index.url_with_password)
    host_with_password.write(f"beta\n{requirement}\n", "requirements.txt")
    named = {"requirements": ["requirements.txt"]} if key == "file" else {key: [requirement]}
    keys: dict[str, Any] = {"packages": [], **named}
    host_with_password.declare(**keys)

    runs = [host_with_password.plan("--verbose"), host_with_password.apply("--verbose")]

    assert {run.code for run in runs} == {65}
    assert "a password isn't allowed here: `" in runs[0].err
    assert "`netrc`" in runs[0].err
    assert_not_printed(runs)
    assert files_with_password(host_with_password) == []


def test_password_in_a_command_isnt_stored(host_with_password: Host) -> None:
    url = f"https://{USER}:{PASSWORD}@example.org/"
    host_with_password.declare(["beta"], more=f'[command.x]\nargv = ["/bin/true", "{url}"]\n')
    runs = [host_with_password.plan("--verbose"), host_with_password.plan("--out", "approved.json")]

    assert_not_printed(runs)
    assert files_with_password(host_with_password) == []


def test_netrc_grants_access_to_constraint_urls(host_with_password: Host, index: Index) -> None:
    make_wheels(host_with_password.wheels)
    with serve_with_password("beta<2\n") as url:
        host_with_password.declare(["beta"], constraints=[url])
        refused = host_with_password.plan("--verbose")
        host_with_password.write(
            f"machine 127.0.0.1 login {USER} password {PASSWORD}\n", "secrets/netrc"
        )
        host_with_password.declare(["beta"], constraints=[url], netrc="secrets/netrc")
        opened = host_with_password.plan("--verbose")

    assert refused.code == 69
    assert "netrc" in refused.first["error"]["hint"]
    assert opened.changes()["package.beta"][1] == "1.0"
    assert_not_printed([refused, opened])
    assert files_with_password(host_with_password) == []


@pytest.mark.parametrize("is_allowed", [True, False])
def test_netrc_grants_access_to_a_git_repository(
    host_with_password: Host, is_allowed: bool
) -> None:
    """Without a helper program, an argument, or a setting of the user."""
    host = host_with_password
    project = make_git_project(host.directory / "src", "tool", "1.0")
    bare = host.directory / "served" / "tool.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(project.path), str(bare)], check=True)
    subprocess.run(["git", "-C", str(bare), "update-server-info"], check=True)
    password = PASSWORD if is_allowed else "wrong-password"
    host.write(f"machine 127.0.0.1 login {USER} password {password}\n", "secrets/netrc")
    with serve_directory_with_password(bare.parent) as url, watch_arguments() as arguments:
        host.declare([f"tool @ git+{url}/tool.git@main"], netrc="secrets/netrc")
        runs = [host.plan("--verbose"), host.apply("--verbose")]

    assert [run.code for run in runs] == ([0, 0] if is_allowed else [69, 69]), runs[0].err
    assert_not_printed(runs)
    assert not [argument for argument in arguments if leaks(argument)]
    assert files_with_password(host) == []


@pytest.mark.parametrize("reference", ["an index", "a URL"])
def test_missing_netrc_file_is_reported(
    host_with_password: Host, index: Index, reference: str
) -> None:
    """The error doesn't mention the network or the index."""
    with serve_with_password("beta<2\n") as url:
        keys: dict[str, Any] = {"netrc": "secrets/netrc"}
        if reference == "a URL":
            keys["constraints"] = [url]
        else:
            keys |= {"index_url": index.url, "find_links": [], "no_index": False}
        host_with_password.declare(["beta"], **keys)
        refused = host_with_password.plan()

    assert refused.code == 66
    message = f"no such file: `{host_with_password.directory}/secrets/netrc` (from `netrc`)"
    assert refused.first["error"]["message"] == message


@pytest.mark.parametrize("key", ["index_url", "extra_index_url"])
def test_unset_variable_is_reported_as_declared(host_with_password: Host, key: str) -> None:
    keys: dict[str, Any] = {key: "env:NOT_SET" if key == "index_url" else ["env:NOT_SET"]}
    host_with_password.declare(["beta"], **keys)

    error = host_with_password.plan().first["error"]

    assert error["message"] == "the environment variable `NOT_SET` isn't set"


def test_invalid_netrc_content_isnt_printed(host_with_password: Host, index: Index) -> None:
    with serve_with_password("beta<2\n") as url:
        host_with_password.write(f"machine 127.0.0.1\nlogin {USER} {PASSWORD}\n", "secrets/netrc")
        host_with_password.declare(["beta"], constraints=[url], netrc="secrets/netrc")
        refused = host_with_password.plan("--verbose")

    assert refused.code == 1
    assert "secrets/netrc` line " in refused.first["error"]["message"]
    assert_not_printed([refused])


@pytest.mark.parametrize("source", ["in a variable", "in a file"])
@pytest.mark.parametrize("value", [f"https://{USER}:a {PASSWORD}@h/", f"{USER} {PASSWORD}"])
def test_invalid_url_from_a_reference_isnt_printed(
    host_with_password: Host, source: str, value: str
) -> None:
    host_with_password.env = {"INDEX": value}
    host_with_password.write(value, "secrets/index")
    reference = "env:INDEX" if source == "in a variable" else "file:secrets/index"
    host_with_password.declare(["beta"], find_links=[], no_index=False, index_url=reference)

    refused = host_with_password.plan("--verbose")

    assert refused.code == 1
    assert "must contain exactly one index URL" in refused.first["error"]["message"]
    assert_not_printed([refused])


@pytest.mark.parametrize("source", ["packages", "requirements", "remote requirements", "lock"])
def test_signature_of_a_url_works_and_appears_nowhere(
    host_with_password: Host, index: Index, source: str
) -> None:
    """A new signature for the same content changes nothing."""
    host, index.auth, index.signature = host_with_password, None, PASSWORD

    def declare(expires: int) -> None:
        query = f"X-Amz-Expires={expires}&X-Amz-Signature={PASSWORD}"
        line = f"gamma @ {index.url.replace('simple', 'files')}gamma-3.0-py3-none-any.whl?{query}"
        host.write(f"{line}\n", "requirements.txt")
        packages = [line]
        keys: dict[str, Any] = {}
        if source.endswith("requirements"):
            packages, keys = [], {"requirements": ["requirements.txt"]}
        if source == "lock":
            keys = {"lock": "app.pylock.toml"}
        host.declare(packages, **keys)

    declare(60)
    if source == "remote requirements":
        make_wheels(host.wheels)
        with serve_with_password("beta\n") as url:
            host.write(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n", "secrets/netrc")
            signed = f"{url}?token={PASSWORD}"
            host.declare([], requirements=[signed], netrc="secrets/netrc")
            runs = [host.plan("--verbose"), host.apply("--verbose"), host.check()]
    else:
        runs = [host.run("lock", "converge.toml")] if source == "lock" else []
        runs += [host.plan("--verbose"), host.apply("--verbose")]
        declare(61)
        runs += [host.check(), host.run("history", "converge.toml", "app")]

    assert all(run.code == 0 for run in runs), [run.err for run in runs]
    assert_not_printed(runs)
    # The installer's cache is private.
    assert [name for name in files_with_password(host) if not name.startswith("cache/uv/")] == []


def test_signature_in_a_remote_requirement_file_is_used(
    host_with_password: Host, index: Index
) -> None:
    """No cache contains it, so `apply` fetches the file again."""
    host, index.auth, index.signature = host_with_password, None, PASSWORD
    wheel = f"{index.url.replace('simple', 'files')}gamma-3.0-py3-none-any.whl"
    with serve_with_password(f"gamma @ {wheel}?X-Amz-Signature={PASSWORD}\n") as url:
        host.write(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n", "secrets/netrc")
        host.declare([], requirements=[url], netrc="secrets/netrc")
        runs = [host.plan("--verbose"), host.apply("--verbose"), host.check()]

    assert [run.code for run in runs] == [0, 0, 0], [run.err for run in runs]
    assert_not_printed(runs)


@pytest.mark.parametrize(
    "value", ["https://a.example/simple https://b.example/simple", "a.example/simple"]
)
def test_variable_without_exactly_one_url_is_refused(host_with_password: Host, value: str) -> None:
    host_with_password.env = {"INDEX": value}
    host_with_password.declare(["beta"], find_links=[], no_index=False, index_url="env:INDEX")

    error = host_with_password.plan().first["error"]

    assert error["message"] == "`env:INDEX` must contain exactly one index URL"
    assert ("remove the other URLs" in error["hint"]) is (" " in value)
    assert ("with its scheme" in error["hint"]) is (" " not in value)


def test_signature_in_find_links_is_refused(host_with_password: Host) -> None:
    """Every user can see the arguments of the installer."""
    url = f"https://example.org/wheels?sig={PASSWORD}"
    host_with_password.declare(["beta"], find_links=[url])

    refused = host_with_password.plan("--verbose")

    assert refused.code == 65
    assert_not_printed([refused])


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ann:pw@host/x.whl", "https://host/x.whl"),
        ("https://token@host:8080/x.whl#sha256=1", "https://host:8080/x.whl#sha256=1"),
        ("https://host:8080/@scope/x.whl", "https://host:8080/@scope/x.whl"),
        ("https://host/x.whl?X-Amz-Signature=ab&v=1#sha256=1", "https://host/x.whl#sha256=1"),
        ("https://host/x.whl?v=1&sig=ab&w=2", "https://host/x.whl"),
        (f"https://host/x.whl?q={'a1' * 20}", "https://host/x.whl"),
        ("https://host/x.whl?path=a/b&ref=main", "https://host/x.whl?path=a/b&ref=main"),
        ("ssh://git@host/x.git", "ssh://git@host/x.git"),
        ("file:///a/b@c/x.whl", "file:///a/b@c/x.whl"),
    ],
)
def test_only_credentials_are_removed_from_a_url(url: str, kept: str) -> None:
    assert strip_credentials(url) == kept


@contextmanager
def serve_with_password(content: str) -> Iterator[str]:
    """Serve one file behind a password; yield its URL."""
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            authorized = self.headers.get("Authorization") == expected
            self.send_response(200 if authorized else 401)
            if not authorized:
                self.send_header("WWW-Authenticate", 'Basic realm="constraints"')
            self.end_headers()
            self.wfile.write(content.encode() if authorized else b"")

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/constraints.txt"
        server.shutdown()


@contextmanager
def serve_directory_with_password(directory: Path) -> Iterator[str]:
    """Serve the files in a directory behind a password; yield the URL."""
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") == expected:
                super().do_GET()
                return
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

    handler = functools.partial(Handler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def leaks(data: bytes) -> bool:
    """Return whether the data contains the password in any form."""
    return any(form.encode() in data for form in FORMS)


def assert_not_printed(runs: list[Completed]) -> None:
    """Assert that no run printed the password."""
    for run in runs:
        assert not leaks((run.out + run.err).encode()), run.out + run.err


def files_with_password(host: Host) -> list[str]:
    """Return the files below a host's directory that contain the password, except the inputs."""
    inputs = {"converge.toml", "requirements.txt", "secrets/index", "secrets/netrc"}
    paths = []
    for directory, _, names in os.walk(host.directory):
        for name in names:
            path = Path(directory, name)
            relative = str(path.relative_to(host.directory))
            if relative not in inputs and path.is_file() and leaks(path.read_bytes()):
                paths.append(relative)
    return paths


@contextmanager
def watch_arguments() -> Iterator[set[bytes]]:
    """Collect the arguments of every new process, which any user of the host can read."""
    arguments: set[bytes] = set()
    stop = threading.Event()
    earlier = {process.name for process in Path("/proc").iterdir()}

    def poll() -> None:
        while not stop.is_set():
            for name in set(os.listdir("/proc")) - earlier:
                try:
                    arguments.add(Path("/proc", name, "cmdline").read_bytes())
                except OSError:
                    continue
            stop.wait(0.002)

    watcher = threading.Thread(target=poll)
    watcher.start()
    try:
        yield arguments
    finally:
        stop.set()
        watcher.join()
