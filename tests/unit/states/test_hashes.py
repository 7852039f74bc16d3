"""Hashes in requirement files: which files of a lock they allow."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.markers import default_environment

from engine.errors import ConvergeError, IntegrityError
from states.venv.resolve.hashes import filter_by_hash
from states.venv.resolve.lines.line import parse_line
from states.venv.resolve.pylock import Lock, format_lock
from states.venv.resolve.requirements import declared_lines

ENVIRONMENT = dict[str, Any](default_environment())
GOOD, OTHER = "a" * 64, "b" * 64


def _file(digest: str) -> dict[str, Any]:
    return {"url": f"https://example.org/{digest[0]}", "hashes": {"sha256": digest}}


def _package(**files: Any) -> dict[str, Any]:
    return {"name": "web", "version": "1.0", **files}


def _restrict(package: dict[str, Any], *texts: str) -> dict[str, Any]:
    """Return the package as the lines restrict it."""
    lines = [parse_line(text, "/r.txt", n, constraint=False) for n, text in enumerate(texts, 1)]
    lock = format_lock({"lock-version": "1.0", "packages": [package]})
    return filter_by_hash(lock, lines, [ENVIRONMENT]).packages[0]


def test_lock_without_hashes_is_unchanged() -> None:
    """The text stays the same, byte for byte."""
    lock = Lock("# any text", {})
    assert filter_by_hash(lock, declared_lines(["web==1.0"]), [ENVIRONMENT]) is lock


ALLOWING = [
    f"web==1.0 --hash=sha256:{GOOD}",
    f"Web==1.0 --hash=sha256:{GOOD}",
    f"web==1.0 --hash sha256:{GOOD}",
    f'web==1.0 --hash="sha256:{GOOD}"',
    f"web==1.0 --hash=SHA256:{GOOD.upper()}",
    f"web==1.0 --hash=md5:abcd --hash=sha256:{GOOD}",
    f"web @ https://example.org/web-1.0.tar.gz#sha256={GOOD}",
    f"web @ https://example.org/web.tar.gz#egg=web&sha256={GOOD}",
    f"https://example.org/web-1.0-py3-none-any.whl#sha256={GOOD}",
]


@pytest.mark.parametrize("text", ALLOWING)
def test_hash_keeps_matching_wheel(text: str) -> None:
    """A wheel without the given digest is dropped."""
    entry = _restrict(_package(wheels=[_file(GOOD), _file(OTHER)]), text)
    assert entry["wheels"] == [_file(GOOD)]


def test_hashes_of_several_lines_add_up() -> None:
    """Each line may allow a file."""
    package = _package(wheels=[_file(GOOD)], sdist=_file(OTHER))
    assert _restrict(package, f"web --hash=sha256:{GOOD}", f"web --hash=sha256:{OTHER}") == package


@pytest.mark.parametrize("key", ["sdist", "archive"])
def test_hash_drops_source_with_other_digest(key: str) -> None:
    """The wheel remains."""
    entry = _restrict(
        _package(wheels=[_file(GOOD)], **{key: _file(OTHER)}), f"web --hash=sha256:{GOOD}"
    )
    assert entry == _package(wheels=[_file(GOOD)])


REFUSED = [
    ({"wheels": [_file(OTHER)]}, [f"web --hash=sha256:{GOOD}"], IntegrityError),
    ({"sdist": _file(OTHER)}, [f"web --hash=sha256:{GOOD}"], IntegrityError),
    ({"wheels": [{"url": "https://x"}]}, [f"web --hash=sha256:{GOOD}"], IntegrityError),
    ({"wheels": [_file(GOOD)]}, ["--require-hashes", "web"], IntegrityError),
    ({"wheels": [_file(GOOD)]}, ["web --hash=md5:abcd"], ConvergeError),
    ({"wheels": [_file(GOOD)]}, ["web --hash=nonsense"], ConvergeError),
    ({"wheels": [_file(GOOD)]}, [f"https://x/web.tar.gz#sha256={GOOD}"], ConvergeError),
]


@pytest.mark.parametrize(("files", "texts", "error"), REFUSED)
def test_refused_hash_has_an_error_class(
    files: dict[str, Any], texts: list[str], error: type[ConvergeError]
) -> None:
    """A wrong digest is an integrity error, an unusable line isn't."""
    with pytest.raises(ConvergeError) as caught:
        _restrict(_package(**files), *texts)
    assert type(caught.value) is error
    assert caught.value.hint


def test_refused_line_is_named_with_its_place() -> None:
    """The message has the file and the line."""
    with pytest.raises(ConvergeError, match=r"`/r\.txt` line 2.*md5"):
        _restrict(_package(wheels=[_file(GOOD)]), "api", "web --hash=md5:abcd")


def test_hash_with_other_marker_allows_nothing() -> None:
    """A line whose marker doesn't apply is as good as absent."""
    package = _package(wheels=[_file(OTHER)])
    assert _restrict(package, f"web ; python_version < '3' --hash=sha256:{GOOD}") == package


@pytest.mark.parametrize("key", ["directory", "vcs"])
def test_require_hashes_exempts_sources_without_digest(key: str) -> None:
    """A local directory and a commit have no hash."""
    package = _package(**{key: {"path": "/srv/web"}})
    assert _restrict(package, "--require-hashes") == package
