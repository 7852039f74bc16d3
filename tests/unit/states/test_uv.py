"""The environment of uv, and the translation of errors from uv and Git."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConvergeError, IntegrityError, PermissionDenied, Unavailable
from states.installer import IndexOptions, InstallRequest, ResolveRequest
from states.installer.uv import Uv
from states.installer.uv_errors import damaged_packages, translate_error
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
    "stalled download": (
        "error: Failed to download `big==1.0`\n"
        "  cause: Failed to extract archive: big-1.0-py3-none-any.whl\n"
        "  cause: Failed to download distribution due to network timeout. Try increasing "
        "UV_HTTP_TIMEOUT (current value: 2s).",
        Unavailable,
        "`download-timeout`",
    ),
    "download cut short": (
        "error: Failed to download `big==1.0`\n"
        "  cause: Failed to write to the distribution cache\n"
        "  cause: error reading a body from connection\n"
        "  cause: end of file before message length reached",
        Unavailable,
        "run the command again",
    ),
    "truncated wheel without separate metadata": (
        "error: No solution found when resolving dependencies\n"
        "  cause: Because big==1.0 has an invalid package format and only big==1.0 is available\n"
        "hint: The structure of `big` (v1.0) was invalid:\n  Failed to read from zip file",
        Unavailable,
        "run the command again",
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


@pytest.mark.parametrize(
    ("output", "names"),
    [
        ("error: Failed to download `big-one==1.0`\n  cause: Broken cache", ["big-one"]),
        ("Failed to download `web @ https://example.org/web.whl`", ["web"]),
        ("Hash mismatch for `big==1.0`", ["big"]),
        ("Failed to deserialize cache entry", []),
    ],
)
def test_damaged_packages_are_named(output: str, names: list[str]) -> None:
    assert damaged_packages(output) == names


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


INDEXES = IndexOptions(
    index_url="",
    extra_index_url=(),
    netrc="",
    find_links=("/srv/a#b", "https://example.org/"),
    no_index=True,
    exclude_newer="2026-01-31",
)
LOCK = 'lock-version = "1.0"\ncreated-by = "uv"\n'


class FakeUv(Uv):
    """Records command lines, and raises the given errors first."""

    def __init__(self, directory: Path, errors: list[ConvergeError]) -> None:
        super().__init__(str(directory), str(directory))
        self.directory = directory
        self.errors = errors
        self.calls: list[list[str]] = []
        self.lock = LOCK

    def run(
        self,
        arguments: Iterable[str],
        action: str,
        indexes: IndexOptions | None = None,
        more_variables: Mapping[str, str] | None = None,
    ) -> None:
        """Write the lock instead of running uv."""
        self.calls.append(list(arguments))
        if self.errors:
            raise self.errors.pop(0)
        (self.directory / "pylock.toml").write_text(self.lock)


def _resolve(uv: Uv, **fields: Any) -> str:
    request = {
        "python": "/usr/bin/python3",
        "requirements": ("web",),
        "constraints": (),
        "overrides": (),
        "build_constraints": (),
        "previous": None,
        "upgrade": frozenset[str](),
        "projects": frozenset[str](),
        "allow_prereleases": False,
        "indexes": INDEXES,
    }
    return uv.resolve(ResolveRequest(**{**request, **fields}))


def _install(uv: Uv, root: Path, **fields: Any) -> None:
    request = {
        "root": str(root),
        "python": sys.executable,
        "lock": LOCK,
        "build_constraints": (),
        "projects": (),
        "archive_parts": (),
        "indexes": INDEXES,
    }
    uv.install(InstallRequest(**{**request, **fields}))


def test_find_links_with_fragment_character_becomes_a_url(tmp_path: Path) -> None:
    """The other sources are passed on as they are."""
    uv = FakeUv(tmp_path, [])
    assert _resolve(uv) == LOCK
    (arguments,) = uv.calls
    assert arguments[-7:-3] == [
        "--find-links",
        "file:///srv/a%23b",
        "--find-links",
        "https://example.org/",
    ]
    assert arguments[-3:] == ["--no-index", "--exclude-newer", "2026-01-31"]


OPTIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({"upgrade": frozenset({"b", "a"})}, ["--upgrade-package", "a", "--upgrade-package", "b"]),
    ({"projects": frozenset({"web"})}, ["--refresh-package=web"]),
    ({"projects": None}, ["--refresh"]),
    ({"allow_prereleases": True}, ["--prerelease", "allow"]),
]


@pytest.mark.parametrize(("fields", "options"), OPTIONS)
def test_field_of_a_request_becomes_options(
    tmp_path: Path, fields: dict[str, Any], options: list[str]
) -> None:
    """Without the field, the options are absent."""
    plain, uv = FakeUv(tmp_path, []), FakeUv(tmp_path, [])
    _resolve(plain)
    _resolve(uv, **fields)
    position = uv.calls[0].index(options[0])
    assert uv.calls[0][position : position + len(options)] == options
    assert options[0] not in plain.calls[0]


def test_constraints_are_passed_in_a_file(tmp_path: Path) -> None:
    """The file has one line for each constraint."""
    uv = FakeUv(tmp_path, [])
    _resolve(uv, constraints=("web<2", "api<3"))
    assert uv.calls[0][uv.calls[0].index("--constraints") + 1] == f"{tmp_path}/constraints.txt"
    assert (tmp_path / "constraints.txt").read_text() == "web<2\napi<3\n"


def test_damaged_cache_is_cleared_once(tmp_path: Path) -> None:
    """It is cleared after a resolution with an empty cache succeeded."""
    uv = FakeUv(tmp_path, [IntegrityError("damaged")])
    assert _resolve(uv) == LOCK
    compile_ = ["pip", "compile"]
    assert [call[:2] for call in uv.calls] == [compile_, compile_, ["cache", "clean"]]


def test_cache_is_kept_if_the_index_is_the_cause(tmp_path: Path) -> None:
    """A second failure is final."""
    uv = FakeUv(tmp_path, [IntegrityError("damaged"), IntegrityError("damaged")])
    with pytest.raises(IntegrityError):
        _resolve(uv)
    assert [call[:2] for call in uv.calls] == [["pip", "compile"]] * 2


def test_paths_in_a_lock_become_absolute(tmp_path: Path) -> None:
    """uv names by a relative path what a local project names by one."""
    uv = FakeUv(tmp_path, [])
    uv.lock = '[[packages]]\nname = "web"\ndirectory = { path = "../web" }\n'
    assert f'path = "{tmp_path.parent}/web"' in _resolve(uv)


def test_install_uses_the_network_only_if_the_cache_lacks_a_file(tmp_path: Path) -> None:
    """The second attempt isn't offline."""
    uv = FakeUv(tmp_path, [ConvergeError("not cached")])
    _install(uv, tmp_path)
    assert ["--offline" in call for call in uv.calls] == [True, False]


def test_install_never_runs_again_into_a_changed_target(tmp_path: Path) -> None:
    """The first attempt leaves a directory of metadata."""
    metadata = tmp_path / "lib/python3.11/site-packages/web-1.0.dist-info"

    class Interrupted(FakeUv):
        def run(
            self,
            arguments: Iterable[str],
            action: str,
            indexes: IndexOptions | None = None,
            more_variables: Mapping[str, str] | None = None,
        ) -> None:
            metadata.mkdir(parents=True)
            super().run(arguments, action, indexes, more_variables)

    uv = Interrupted(tmp_path, [ConvergeError("not cached")])
    with pytest.raises(ConvergeError, match="not cached"):
        _install(uv, tmp_path)
    assert len(uv.calls) == 1


def test_install_rebuilds_projects_and_archive_parts(tmp_path: Path) -> None:
    """A build may need the network, so there is no offline attempt."""
    uv = FakeUv(tmp_path, [])
    _install(uv, tmp_path, projects=("web",), archive_parts=("api",))
    clean, sync = uv.calls
    assert clean == ["cache", "clean", "api"]
    assert "--refresh-package=web" in sync
    assert "--offline" not in sync


def test_install_deletes_the_lock_of_uv(tmp_path: Path) -> None:
    """It would be writable by all users."""
    (tmp_path / ".lock").touch()
    _install(FakeUv(tmp_path, []), tmp_path)
    assert not (tmp_path / ".lock").exists()
