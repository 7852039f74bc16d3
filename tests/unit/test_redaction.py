"""Redaction hides credentials in URLs and keeps text that only resembles them."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator

import pytest

from engine import redaction
from engine.redaction import redact, redact_all, redact_offset, register_url

HIDDEN = "https://****@host/simple/"


@pytest.mark.parametrize(
    "user",
    ["ann:pw", "ann:p@w", "ann:p/w", "ann:p w", "ann:p#w", "ann:p?w", 'ann:p"w', "ann:12", "ann:1/2", ":pw",
     "token", "a@b:pw"],
)  # fmt: skip
def test_redact_hides_user_and_password(user: str) -> None:
    assert redact(f"see `https://{user}@host/simple/`") == f"see `{HIDDEN}`"


def test_redact_hides_credentials_of_every_url() -> None:
    text = '["https://ann:pw@host/simple/", "git+https://pw@host/simple/"]'
    assert redact(text) == f'["{HIDDEN}", "git+{HIDDEN}"]'


def test_redact_hides_credentials_of_a_url_used_as_path() -> None:
    assert redact("/etc/https:/ann:pw@host/lock") == "/etc/https:/****@host/lock"


@pytest.mark.parametrize("host", ["host/simple", "host.example:8080/simple/", "127.0.0.1/"])
def test_redact_hides_credentials_without_a_scheme(host: str) -> None:
    assert redact(f'index-url = "ann:pw@{host}"') == f'index-url = "****@{host}"'


def test_redact_hides_a_password_that_contains_a_url() -> None:
    assert redact("https://ann:x b:c@d/@host/simple/") == HIDDEN


@pytest.mark.parametrize(
    "text",
    [
        "git@host:ann/repo", "rsync ann@host:/srv/", "mailto:ann@host/x", "name:tag@sha256:0123",
        "12:30:01 ann@host/x",
        "https://host/simple/", "git+https://host:8080/repo.git@v1", "https://[::1]:80/x@y",
        "git+ssh://git@host/repo.git@v1", "git+ssh://deploy@host/repo.git", "file:///home/x@y/z",
        "file:/etc/x@y", "`https://host:80`, says ann@host", "see https://host: ann@host",
        "https://host:8080/simple/ ann@host", "https://host:8080/, ann@host",
        "name @ https://host/x.whl", "ann@host",
    ],
)  # fmt: skip
def test_redact_keeps_text_without_a_password(text: str) -> None:
    assert redact(text) == text


def test_redact_covers_a_nested_document() -> None:
    text = "https://ann:pw@host/simple/"
    assert redact_all({"a": [text, (1, None)], "b": {"c": text}}) == {
        "a": [HIDDEN, [1, None]], "b": {"c": HIDDEN},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"),
    [("url", "url"), ("https://", "https://"), ("host", "host"), ("pw", "host")],
)
def test_redact_offset_finds_the_same_position(before: str, after: str) -> None:
    text = 'url = "https://ann:pw@host/"'
    assert redact(text)[redact_offset(text, text.index(before)) :].startswith(after)


@pytest.fixture
def registered_url() -> Iterator[None]:
    register_url("https://ann:correct%20horse@host/simple/")
    yield
    redaction.reset()


@pytest.mark.usefixtures("registered_url")
@pytest.mark.parametrize(
    "secret",
    ["correct%20horse", "correct horse", "ann:correct%20horse", b64encode(b"ann:correct horse").decode()],
)  # fmt: skip
def test_registered_secret_is_masked_without_a_url(secret: str) -> None:
    assert redact(f"got <{secret}>, {secret}") == "got <****>, ****"
    assert redact_offset(f"got {secret}!", 4 + len(secret)) == len("got ****")


@pytest.mark.usefixtures("registered_url")
def test_registered_secret_in_a_url_is_masked_once() -> None:
    assert redact("see https://ann:correct%20horse@host/simple/") == f"see {HIDDEN}"
    assert redact("see https://correct%20horse@host/simple/") == f"see {HIDDEN}"


@pytest.mark.parametrize("secret", ["tok%2Fen-1", "tok/en-1", b64encode(b"tok/en-1:").decode()])
def test_registered_token_is_masked_without_a_url(secret: str) -> None:
    register_url("https://tok%2Fen-1@host/simple/")
    masked = redact(f"got <{secret}>")
    redaction.reset()
    assert masked == "got <****>"


def test_registered_password_may_contain_undecodable_bytes() -> None:
    register_url("https://ann:correct\udcffhorse@host/simple/")
    masked = redact("got <correct\udcffhorse>")
    redaction.reset()
    assert masked == "got <****>"


def test_short_secret_is_masked_only_in_a_url() -> None:
    register_url("https://ann:admin@host/simple/")
    assert redact("admin at https://ann:admin@host/simple/") == f"admin at {HIDDEN}"


def test_no_secret_is_registered_twice_or_kept_after_a_reset() -> None:
    for _ in range(2):
        register_url("https://ann:correct%20horse@host/simple/")
    assert len(set(redaction._secrets)) == len(redaction._secrets)
    redaction.reset()
    assert redact("correct%20horse") == "correct%20horse"


@pytest.mark.parametrize(
    "unit",
    ["http:/x:", "http://x:", "a:", "a:,", "x@", "://", "http:/u:p@h/", "a:b@c/", "u:p@", "https:/",
     "a:b,", "git+https://", "@/", ":@"],
)  # fmt: skip
def test_redaction_takes_linear_time(unit: str) -> None:
    """Other users can plant any text, such as a version or a file name."""

    def duration(size: int) -> float:
        text = f"1@ {unit * (size // len(unit))} u:p@h/"
        start = time.process_time()
        redact(text)
        return time.process_time() - start

    assert duration(1 << 15) < max(0.2, 20 * duration(1 << 12)), unit
