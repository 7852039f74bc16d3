"""Redaction hides the password of a URL in any text."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.redaction import find_credentials, redact, redact_all, redact_offset

_MARKS = "-._~!$&()*+,;=:%@"
ENCODED = st.text(st.sampled_from(f"abzAZ019{_MARKS}"), min_size=6, max_size=20)
"""Characters that may appear unencoded in a URL (RFC 3986, section 3.2.1).

Quotes are excluded because they end a URL in prose. `@` is included because users often forget to
encode it."""
UNENCODED = st.text(st.sampled_from(f"abzAZ019{_MARKS}/?#[]<>{{}}|^\\ "), min_size=6, max_size=20)
"""Characters that should be encoded but often aren't.

A password that starts like a port number is ambiguous, so it must start with a letter."""
PASSWORDS = ENCODED | UNENCODED.filter(lambda password: password[0].isalpha())
CONTEXT = st.text("abc .,;()\n", max_size=10)
SCHEMES = st.sampled_from(["http", "https", "git+https", "svn+http"])


@given(CONTEXT, SCHEMES, PASSWORDS, CONTEXT)
def test_redact_hides_a_password_in_any_text(
    before: str, scheme: str, password: str, after: str
) -> None:
    url = f"{scheme}://ann:{password}@host.example/simple/"
    text = f"{before} {url} {after}"
    hidden = redact(text)
    assert hidden == f"{before} {scheme}://****@host.example/simple/ {after}"
    assert redact(hidden) == hidden
    assert redact_all({"a": [text]}) == {"a": [hidden]}


@given(
    CONTEXT,
    st.sampled_from(["X-Amz-Signature", "sig", "access_token", "X-Goog-Credential", "other"]),
    st.text(st.sampled_from("abzAZ%2+~-_"), min_size=24, max_size=60),
    st.sampled_from(["", "&v=1", "#sha256=ab"]),
)
def test_redact_hides_a_signature_in_a_query(
    before: str, name: str, signature: str, after: str
) -> None:
    """An opaque value counts under any name."""
    text = f"{before} 'https://host.example/x.whl?v=1&{name}={signature}0{after}'"
    hidden = redact(text)
    assert hidden == f"{before} 'https://host.example/x.whl?v=1&{name}=****{after}'"
    assert redact(hidden) == hidden


@given(st.text("htps:/@ab1.# \"'[]", max_size=60))
def test_redact_is_idempotent_and_offsets_stay_inside(text: str) -> None:
    hidden = redact(text)
    spans = find_credentials(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    for offset in range(len(text) + 1):
        assert 0 <= redact_offset(text, offset) <= len(hidden)


@given(st.text(max_size=80).filter(lambda text: "@" not in text and "?" not in text))
def test_redact_keeps_text_without_an_at_sign(text: str) -> None:
    assert redact(text) == text
