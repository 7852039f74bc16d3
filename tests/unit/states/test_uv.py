"""The environment of uv, and the translation of errors from uv and Git."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConvergeError, PermissionDenied, Unavailable
from states.installer.uv import Uv
from states.installer.uv_errors import translate_error
from states.system import subprocesses

FETCHING = "  cause: failed to fetch into: /cache/uv/git-v2/db/0123456789abcdef\n"
ERRORS: dict[str, tuple[str, type[ConvergeError], str]] = {
    "unknown host": (
        f"{FETCHING}fatal: unable to access 'https://x.invalid/x.git/': Could not resolve host",
        Unavailable,
        "check the network",
    ),
    "connection refused": (
        "  cause: failed to clone into: /cache\nfatal: unable to access 'http://127.0.0.1:1/x.git/': "
        "Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server",
        Unavailable,
        "check the network",
    ),
    "repository requires a password": (
        f"{FETCHING}fatal: could not read Username for 'https://h': terminal prompts disabled",
        Unavailable,
        "`git+ssh://`",
    ),
    "SSH key rejected": (
        f"{FETCHING}git@h: Permission denied (publickey).",
        Unavailable,
        "`git+ssh://`",
    ),
    "missing repository": (
        f"{FETCHING}fatal: repository 'http://127.0.0.1/x.git/' not found",
        ConvergeError,
        "correct its URL",
    ),
    "repository of another user": (
        f"{FETCHING}fatal: detected dubious ownership in repository at '/x/.git'\n"
        "To add an exception for this directory, call:\n"
        "\tgit config --global --add safe.directory /x/.git",
        PermissionDenied,
        "`git config --system",
    ),
    "directory that isn't a repository": (
        f"{FETCHING}fatal: '/x' does not appear to be a git repository",
        ConvergeError,
        "correct its URL",
    ),
    "missing branch": (
        f"{FETCHING}fatal: couldn't find remote ref refs/tags/none",
        ConvergeError,
        "the branch, tag, or commit",
    ),
    "missing file": (
        "Failed to fetch: http://h/x.whl\n"
        "  cause: HTTP status client error (404 Not Found) for url (http://h/x.whl)",
        Unavailable,
        "run with `--upgrade`",
    ),
    "certificate rejected by uv": (
        "  cause: error sending request for url (https://h/simple/x/)\n"
        "  cause: invalid peer certificate: UnknownIssuer",
        Unavailable,
        "`SSL_CERT_FILE`",
    ),
    "certificate rejected by Git": (
        f"{FETCHING}fatal: unable to access 'https://h/x.git/': server certificate verification "
        "failed. CAfile: none CRLfile: none",
        Unavailable,
        "`SSL_CERT_FILE`",
    ),
}


@pytest.mark.parametrize(("output", "error_class", "hint"), ERRORS.values(), ids=ERRORS)
def test_uv_error_has_its_class_and_hint(
    output: str, error_class: type[ConvergeError], hint: str
) -> None:
    error = translate_error(subprocesses.Completed(1, output), "resolving versions")

    assert type(error) is error_class
    assert hint in (error.hint or "")


def test_git_uses_the_certificates_of_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment: dict[str, str] = {}

    def run(_argv: object, *, env: dict[str, str], **_options: object) -> subprocesses.Completed:
        environment.update(env)
        return subprocesses.Completed(0, "")

    monkeypatch.setattr(subprocesses, "run", run)
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/site.pem")
    monkeypatch.setenv("SSL_CERT_DIR", "")

    Uv(str(tmp_path), str(tmp_path)).run(["version"], "checking the version")

    assert environment["SSL_CERT_FILE"] == environment["GIT_SSL_CAINFO"] == "/etc/site.pem"
    assert "GIT_SSL_CAPATH" not in environment
