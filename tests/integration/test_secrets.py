"""A password works, and is found nowhere afterwards."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

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
    index.close()
    runs.append(guarded.apply("--verbose"))
    index.auth = (USER, "changed")
    index.open()
    declare(guarded, index, how, ["gamma"])
    runs.append(guarded.apply("--verbose"))

    assert runs[0].code != 0
    assert runs[1].code == 69
    said_nowhere(runs)
    assert files_that_tell(guarded) == []


def test_a_wrong_declaration_does_not_print_it(guarded: Host, index: Index) -> None:
    guarded.declare(["beta"], index_url=index.url_with_password, reqirements=["x"])

    refused = guarded.run("plan", "converge.toml")

    assert refused.code == 65
    said_nowhere([refused])


def test_a_password_in_a_direct_reference_is_not_kept(guarded: Host, index: Index) -> None:
    wheel = index.url_with_password.replace("simple/", "files/gamma-3.0-py3-none-any.whl")
    guarded.declare([f"gamma @ {wheel}"])

    runs = [guarded.plan("--verbose"), guarded.apply("--verbose")]

    said_nowhere(runs)
    assert files_that_tell(guarded) == []


def leaks(data: bytes) -> bool:
    return any(form.encode() in data for form in FORMS)


def said_nowhere(runs: list[Run]) -> None:
    for run in runs:
        assert not leaks((run.out + run.err).encode()), run.out + run.err


def files_that_tell(host: Host) -> list[str]:
    """Return all files below a host that hold the password, but those that were told it."""
    told = {"converge.toml", "secrets/index", "secrets/netrc"}
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
