"""A password works, and is found nowhere afterwards."""

from __future__ import annotations

import base64
import http.server
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from states.credentials import without
from tests.integration.conftest import stock
from tests.integration.host import Host, Run
from tests.support.index import Index

USER, PASSWORD = "deployer", "hunter2-canary"
FORMS = (
    PASSWORD,
    base64.b64encode(PASSWORD.encode()).decode().rstrip("="),
    base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode().rstrip("="),
)


@pytest.fixture
def guarded(host: Host, index: Index) -> Host:
    """A host with a cache of its own, and an index that wants a password."""
    host.cache = host.folder / "cache"
    index.auth = (USER, PASSWORD)
    stock(index.directory)
    return host


REFERENCES = ["in the URL", "in a variable", "in a file", "in a netrc"]


def declare(host: Host, index: Index, how: str, packages: list[str]) -> None:
    """Declare an index in one of the four ways that a password can be told."""
    keys: dict[str, object] = {"find_links": [], "no_index": False}
    if how == "in a variable":
        host.env = {"INDEX": index.url_with_password}
        keys["index_url"] = "env:INDEX"
    elif how == "in a file":
        host.write(index.url_with_password + "\n", "secrets/index")
        keys["index_url"] = "file:secrets/index"
    elif how == "in a netrc":
        host.write(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n", "secrets/netrc")
        keys |= {"index_url": index.url, "netrc": "secrets/netrc"}
    else:
        keys["index_url"] = index.url_with_password
        keys["extra_index_url"] = [index.url_with_password]
    host.declare(packages, **keys)


@pytest.mark.parametrize("how", REFERENCES)
def test_a_password_works_and_is_found_nowhere(guarded: Host, index: Index, how: str) -> None:
    declare(guarded, index, how, ["alpha", "beta<2"])
    with arguments_watched() as seen:
        runs = [
            guarded.plan("--verbose"),
            guarded.run("plan", "converge.toml", "--verbose"),
            guarded.apply("--verbose"),
            guarded.run("apply", "converge.toml", "--upgrade", "--verbose"),
            guarded.check(),
            guarded.run("graph", "converge.toml", "--format", "dot"),
            guarded.run("lock", "converge.toml"),
            guarded.run("status", "converge.toml"),
        ]

    assert all(run.code == 0 for run in runs), runs[2].out + runs[2].err
    assert guarded.versions() == {"alpha": "1.1", "beta": "1.0"}
    said_nowhere(runs)
    assert not [words for words in seen if leaks(words)]
    assert any(b"pip\0" in words for words in seen), "nobody looked while the tool ran"
    assert files_that_tell(guarded) == []
    kept = (guarded.generation / ".converge/pylock.toml").read_text()
    assert "http://127.0.0.1" in kept


@pytest.mark.parametrize("how", REFERENCES[:3])
def test_a_failure_does_not_tell_it_either(guarded: Host, index: Index, how: str) -> None:
    declare(guarded, index, how, ["beta==99"])
    runs = [guarded.apply("--verbose")]
    declare(guarded, index, how, ["gamma"])
    index.auth = (USER, "changed")
    runs.append(guarded.apply("--verbose"))

    assert [run.code != 0 for run in runs] == [True, True]
    said_nowhere(runs)
    assert files_that_tell(guarded) == []


@pytest.mark.parametrize("how", REFERENCES[:3])
def test_an_index_that_cannot_be_reached_does_not_tell_it_either(
    guarded: Host, index: Index, how: str
) -> None:
    declare(guarded, index, how, ["beta==99"])
    index.close()

    failed = guarded.apply("--verbose")

    assert failed.code == 69
    said_nowhere([failed])
    assert files_that_tell(guarded) == []


def test_a_wrong_declaration_does_not_print_it(guarded: Host, index: Index) -> None:
    guarded.declare(["beta"], index_url=index.url_with_password, reqirements=["x"])

    refused = guarded.run("plan", "converge.toml")

    assert refused.code == 65
    said_nowhere([refused])


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
def test_no_mistake_on_its_line_tells_it(guarded: Host, line: str) -> None:
    awkward = ("{0}", "a@{0}", "a/{0}", "a {0}", "{0}" + "x" * 80)
    urls = [f"https://{USER}:{one.format(PASSWORD)}@example.org/simple/" for one in awkward]
    tables = [f'[venv.app{n}]\npath = "v{n}"\n{line}\n' for n in range(len(urls))]
    guarded.write("".join(map(str.replace, tables, ["URL"] * len(urls), urls)))

    refused = guarded.plan("--verbose")

    assert refused.code == 65
    assert "example.org" in refused.err
    said_nowhere([refused])
    assert files_that_tell(guarded) == []


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("find_links", "URL"),
        ("requirements", "URL"),
        ("constraints", "URL"),
        ("build_constraints", "URL"),
        ("packages", "gamma @ URL"),
        ("packages", "gamma @ git+URL"),
        ("overrides", "gamma @ URL"),
        ("asked", "gamma @ URL"),
        ("asked", "--index-url URL"),
        ("asked", "--find-links=URL"),
        ("asked", "-c URL"),
        ("asked", "-r URL"),
    ],
)
def test_a_password_elsewhere_than_in_an_index_is_refused_and_not_told(
    guarded: Host, index: Index, key: str, text: str
) -> None:
    """An installer would take it as an argument, which everybody can see."""
    text = text.replace("URL", index.url_with_password)
    guarded.write(f"beta\n{text}\n", "asked.txt")
    keys: dict[str, list[str]] = {"packages": [], "requirements": ["asked.txt"]}
    guarded.declare(**(keys if key == "asked" else {"packages": [], key: [text]}))

    runs = [guarded.plan("--verbose"), guarded.apply("--verbose")]

    assert {run.code for run in runs} == {65}
    assert "a password stands in `" in runs[0].err
    assert "`netrc`" in runs[0].err
    said_nowhere(runs)
    assert files_that_tell(guarded) == []


def test_a_password_in_a_command_is_not_remembered(guarded: Host) -> None:
    url = f"https://{USER}:{PASSWORD}@example.org/"
    guarded.declare(["beta"], more=f'[command.x]\nargv = ["/bin/true", "{url}"]\n')
    runs = [guarded.plan("--verbose"), guarded.plan("--out", "approved.json")]

    said_nowhere(runs)
    assert files_that_tell(guarded) == []


def test_a_netrc_file_opens_what_constraints_name(guarded: Host, index: Index) -> None:
    stock(guarded.wheels)
    with bounds_behind_a_password("beta<2\n") as url:
        guarded.declare(["beta"], constraints=[url])
        refused = guarded.plan("--verbose")
        guarded.write(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n", "secrets/netrc")
        guarded.declare(["beta"], constraints=[url], netrc="secrets/netrc")
        opened = guarded.plan("--verbose")

    assert refused.code == 69
    assert "netrc" in refused.first["error"]["hint"]
    assert opened.changes()["package.beta"][1] == "1.0"
    said_nowhere([refused, opened])
    assert files_that_tell(guarded) == []


@pytest.mark.parametrize("asked", ["an index", "a URL"])
def test_a_netrc_file_that_is_not_there_is_named(guarded: Host, index: Index, asked: str) -> None:
    """Neither the network nor the index is to blame."""
    with bounds_behind_a_password("beta<2\n") as url:
        keys: dict[str, object] = {"netrc": "secrets/netrc"}
        if asked == "a URL":
            keys["constraints"] = [url]
        else:
            keys |= {"index_url": index.url, "find_links": [], "no_index": False}
        guarded.declare(["beta"], **keys)
        refused = guarded.plan()

    assert refused.code == 66
    words = f"no such file: `{guarded.folder}/secrets/netrc`, which `netrc` names"
    assert refused.first["error"]["message"] == words


@pytest.mark.parametrize("key", ["index_url", "extra_index_url"])
def test_a_variable_that_is_not_set_is_told_as_it_was_declared(guarded: Host, key: str) -> None:
    url = "env:NOT_SET" if key == "index_url" else ["env:NOT_SET"]
    guarded.declare(["beta"], **{key: url})

    error = guarded.plan().first["error"]

    assert error["message"] == "the environment has no `NOT_SET`, which `env:NOT_SET` refers to"


def test_a_broken_netrc_file_is_not_quoted(guarded: Host, index: Index) -> None:
    with bounds_behind_a_password("beta<2\n") as url:
        guarded.write(f"machine 127.0.0.1\nlogin {USER} {PASSWORD}\n", "secrets/netrc")
        guarded.declare(["beta"], constraints=[url], netrc="secrets/netrc")
        refused = guarded.plan("--verbose")

    assert refused.code == 1
    assert "secrets/netrc` line " in refused.first["error"]["message"]
    said_nowhere([refused])


@pytest.mark.parametrize("how", ["in a variable", "in a file"])
@pytest.mark.parametrize("value", [f"https://{USER}:a {PASSWORD}@h/", f"{USER} {PASSWORD}"])
def test_what_is_no_url_where_one_is_referred_to_is_not_shown(
    guarded: Host, how: str, value: str
) -> None:
    guarded.env = {"INDEX": value}
    guarded.write(value, "secrets/index")
    reference = "env:INDEX" if how == "in a variable" else "file:secrets/index"
    guarded.declare(["beta"], find_links=[], no_index=False, index_url=reference)

    refused = guarded.plan("--verbose")

    assert refused.code == 1
    assert "does not lead to one URL" in refused.first["error"]["message"]
    said_nowhere([refused])


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ann:pw@host/x.whl", "https://host/x.whl"),
        ("https://token@host:8080/x.whl#sha256=1", "https://host:8080/x.whl#sha256=1"),
        ("https://host:8080/@scope/x.whl", "https://host:8080/@scope/x.whl"),
        ("ssh://git@host/x.git", "ssh://git@host/x.git"),
        ("file:///a/b@c/x.whl", "file:///a/b@c/x.whl"),
    ],
)
def test_nothing_but_the_user_and_the_password_is_taken_out(url: str, kept: str) -> None:
    assert without(url) == kept


@contextmanager
def bounds_behind_a_password(text: str) -> Iterator[str]:
    """Serve one file to who has the password; yield its URL."""
    wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("Authorization") == wanted
            self.send_response(200 if known else 401)
            if not known:
                self.send_header("WWW-Authenticate", 'Basic realm="bounds"')
            self.end_headers()
            self.wfile.write(text.encode() if known else b"")

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/upper.txt"
        server.shutdown()


def leaks(data: bytes) -> bool:
    return any(form.encode() in data for form in FORMS)


def said_nowhere(runs: list[Run]) -> None:
    for run in runs:
        assert not leaks((run.out + run.err).encode()), run.out + run.err


def files_that_tell(host: Host) -> list[str]:
    """Return all files below a host that hold the password, but those that were told it."""
    told = {"converge.toml", "asked.txt", "secrets/index", "secrets/netrc"}
    found = []
    for folder, _, names in os.walk(host.folder):
        for name in names:
            path = Path(folder, name)
            relative = str(path.relative_to(host.folder))
            if relative not in told and path.is_file() and leaks(path.read_bytes()):
                found.append(relative)
    return found


@contextmanager
def arguments_watched() -> Iterator[set[bytes]]:
    """Look at the arguments of every process, again and again, as any user of the host may."""
    seen: set[bytes] = set()
    enough = threading.Event()
    strangers = {one.name for one in Path("/proc").iterdir()}

    def look() -> None:
        while not enough.is_set():
            for name in set(os.listdir("/proc")) - strangers:
                try:
                    seen.add(Path("/proc", name, "cmdline").read_bytes())
                except OSError:
                    continue
            enough.wait(0.002)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        enough.set()
        watcher.join()
