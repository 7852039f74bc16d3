"""What uv is called with, and what its arguments and those of git amount to."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConvergeError, Forbidden, Unavailable
from states import child, uv

FETCHING = "  cause: failed to fetch into: /cache/uv/git-v2/db/0123456789abcdef\n"
COMPLAINTS: dict[str, tuple[str, type[ConvergeError], str]] = {
    "a host that nobody knows": (
        f"{FETCHING}fatal: unable to access 'https://x.invalid/x.git/': Could not resolve host",
        Unavailable,
        "check the network",
    ),
    "a host that refuses": (
        "  cause: failed to clone into: /cache\nfatal: unable to access 'http://127.0.0.1:1/x.git/': "
        "Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server",
        Unavailable,
        "check the network",
    ),
    "a repository that wants a password": (
        f"{FETCHING}fatal: could not read Username for 'https://h': terminal prompts disabled",
        Unavailable,
        "`git+ssh://`",
    ),
    "a repository that knows no such key": (
        f"{FETCHING}git@h: Permission denied (publickey).",
        Unavailable,
        "`git+ssh://`",
    ),
    "a repository that is not there": (
        f"{FETCHING}fatal: repository 'http://127.0.0.1/x.git/' not found",
        ConvergeError,
        "correct its URL",
    ),
    "a repository of another user's": (
        f"{FETCHING}fatal: detected dubious ownership in repository at '/x/.git'\n"
        "To add an exception for this directory, call:\n"
        "\tgit config --global --add safe.directory /x/.git",
        Forbidden,
        "`git config --system",
    ),
    "a folder that is no repository": (
        f"{FETCHING}fatal: '/x' does not appear to be a git repository",
        ConvergeError,
        "correct its URL",
    ),
    "a branch that is not there": (
        f"{FETCHING}fatal: couldn't find remote ref refs/tags/none",
        ConvergeError,
        "the branch, tag or commit",
    ),
    "a file that is not there": (
        "Failed to fetch: http://h/x.whl\n"
        "  cause: HTTP status client error (404 Not Found) for url (http://h/x.whl)",
        Unavailable,
        "`--upgrade` chooses anew",
    ),
    "a certificate that nobody vouches for": (
        "  cause: error sending request for url (https://h/simple/x/)\n"
        "  cause: invalid peer certificate: UnknownIssuer",
        Unavailable,
        "`SSL_CERT_FILE`",
    ),
    "one that git does not take": (
        f"{FETCHING}fatal: unable to access 'https://h/x.git/': server certificate verification "
        "failed. CAfile: none CRLfile: none",
        Unavailable,
        "`SSL_CERT_FILE`",
    ),
}


@pytest.mark.parametrize(("arguments", "kind", "hint"), COMPLAINTS.values(), ids=COMPLAINTS)
def test_uv_error_has_its_class_and_hint(
    arguments: str, kind: type[ConvergeError], hint: str
) -> None:
    error = uv.complaint(child.Ended(1, arguments), "choosing versions")

    assert type(error) is kind
    assert hint in (error.hint or "")


def test_git_uses_the_certificates_of_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}

    def run(_argv: object, *, env: dict[str, str], **_how: object) -> child.Ended:
        seen.update(env)
        return child.Ended(0, "")

    monkeypatch.setattr(child, "run", run)
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ours.pem")
    monkeypatch.setenv("SSL_CERT_DIR", "")

    uv.call(["version"], work=str(tmp_path), cache=str(tmp_path), doing="asking")

    assert seen["SSL_CERT_FILE"] == seen["GIT_SSL_CAINFO"] == "/etc/ours.pem"
    assert "GIT_SSL_CAPATH" not in seen
