"""Mask secrets in everything that converge prints or stores.

Two methods complement each other. Values that converge knows to be secret are registered and
masked verbatim, wherever they occur. In text of other programs and users, the user, the
password, and the signature or token in the query of each URL are recognized by their form.

Registered values are global to the process, since every output of a process needs them.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MASK = "****"
_MIN_LENGTH = 8
"""Characters of the shortest value that is masked verbatim. A shorter one, such as `admin`,
occurs in names and paths. In a URL it is masked by its form."""
_secrets: list[str] = []

# The patterns are compiled on first use: a no-op run needs none of them.
_USER = r"[^\s/?#:\[\]\"'`]*:"
_SLASHES = r"(?:://|(?<=http):/|(?<=https):/)"
_URL = rf"{_SLASHES}(?=(?P<rest>(?:{_USER})?(?:(?!{_SLASHES})[^\n])*))"
"""The beginning of a URL, and the rest of its line up to another URL. A URL that was normalized
as a path has one slash. Such rests don't overlap, so the search takes linear time."""
_PORT = r"\d+[/?#.]|\d*(?:[\s\"'`,;)\]}>]|$)"
"""A port and the end of the host, in which case the text before the colon isn't a user."""
_HOST = r"[\w.-]+(?::\d+)?/"
_WORD = r"[^\s\"'`]*@"
_AUTHORITY = r"[^\s/?#]*@"
"""The part of a URL that contains the credentials, if they are encoded (RFC 3986, section 3.2)."""
_MAX_PASSWORD = 2048
"""Characters of the longest password that is recognized without a scheme: longer than any token.
Without a limit, a text that repeats `a:` would take quadratic time."""
_WITHOUT_SCHEME = (
    rf"(?<![\w.:/@+-])(?!mailto:)[\w.+-]+:[^\s/\"'`@]{{1,{_MAX_PASSWORD}}}@(?={_HOST})"
)
"""Credentials in a URL whose scheme is missing. The host must be followed by a path."""

_QUERY_NAME = (
    r"sig|token|secret|passw|pwd|credential|auth|hmac|jwt|policy"
    r"|(?:api|access|private)[-_]?key|^key$"
)
"""A part of the name of a parameter in a query whose value is a secret."""
_OPAQUE = r"(?=[^\d]*\d)[\w+=%~-]{24,}"
"""A value that may be a signature, under any name."""


def register_url(url: str) -> None:
    """Register the credentials of a URL as secrets: encoded, decoded, and as an HTTP header."""
    # Imported here: only a run that uses an index needs them.
    from base64 import b64encode
    from urllib.parse import unquote

    for start, end in find_credentials(url):
        credentials = url[start : end - 1]
        user, _, password = credentials.partition(":")
        # Without a password, the user is a token, and the header ends with a colon (RFC 7617).
        pair = f"{unquote(user)}:{unquote(password)}"
        # A variable may contain bytes that aren't UTF-8.
        header = b64encode(pair.encode(errors="surrogateescape")).decode()
        for secret in (credentials, unquote(credentials), password, unquote(password), header):
            _register(secret)
    for start, end in find_query_secrets(url):
        _register(url[start:end])
        _register(unquote(url[start:end]))


def _register(secret: str) -> None:
    if len(secret) >= _MIN_LENGTH and secret not in _secrets:
        _secrets.append(secret)


def register_secret(text: str) -> None:
    """Register a text, and each part of it between spaces, as a secret."""
    for secret in (text, *text.split()):
        _register(secret)


def reset() -> None:
    """Forget the registered secrets, for a test that runs several commands in one process."""
    _secrets.clear()


def redact(text: str) -> str:
    """Return text with every secret masked. Redacting it again changes nothing."""
    return _mask(text, _find_secrets(text))


def redact_urls(text: str) -> str:
    """Return text with the secrets in URLs masked, whichever secrets are registered."""
    return _mask(text, _find_url_secrets(text))


def redact_offset(text: str, offset: int) -> int:
    """Return the offset in redacted text. Inside a secret, return the end of its mask."""
    for start, end in reversed(_find_secrets(text)):
        if offset > start:
            offset = max(offset, end) - (end - start) + len(_mask_of(text, end))
    return offset


def redact_all(document: Any, mask: Callable[[str], str] = redact) -> Any:
    """Return a document with all of its strings masked, except keys."""
    if isinstance(document, str):
        return mask(document)
    if isinstance(document, dict):
        return {key: redact_all(value, mask) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [redact_all(value, mask) for value in document]
    return document


def find_credentials(text: str) -> list[tuple[int, int]]:
    """Return the positions of the credentials of URLs, each with its `@`.

    A user without a password may be a token. Exceptions are `git@`, `hg@`, `svn@`, and the
    user of a URL for SSH.
    """
    if "@" not in text:
        return []
    spans = [
        (match.end(), match.end() + length)
        for match in re.finditer(_URL, text, re.IGNORECASE)
        if (length := _credentials_length(match)) and not _is_plain_user(match, length)
    ]
    spans += [match.span() for match in re.finditer(_WITHOUT_SCHEME, text)]
    return _merge(spans)


def find_query_secrets(text: str) -> list[tuple[int, int]]:
    """Return the positions of signatures and tokens in the queries of URLs.

    Presigned URLs give access to everyone who knows them. A query ends at a fragment.
    """
    if "://" not in text or "?" not in text:
        return []
    spans = []
    for url in re.finditer(r"[^\s\"'`<>]+", text):
        before, _, rest = url[0].partition("?")
        if "://" not in before:
            continue
        offset = url.start() + len(before) + 1
        for parameter in re.finditer(r"[^&;]+", rest.partition("#")[0]):
            name, mark, value = parameter[0].partition("=")
            is_secret = re.search(_QUERY_NAME, name, re.IGNORECASE)
            if value and (is_secret or re.fullmatch(_OPAQUE, value)):
                start = offset + parameter.start() + len(name) + len(mark)
                spans.append((start, start + len(value)))
    return spans


def strip_signed_queries(text: str) -> str:
    """Return text with each URL that has a signature or token in its query, without that query.

    The other parameters of such a query, such as an expiry, belong to the signature.
    """
    queries = {text.rfind("?", 0, start) for start, _ in find_query_secrets(text)}
    for query in sorted(queries, reverse=True):
        end = re.compile(r"[^\s\"'`<>#]*").match(text, query)
        text = text[:query] + text[end.end() if end else query :]
    return text


def _credentials_length(url: re.Match[str]) -> int:
    """Return the length of the credentials at the beginning of a URL, with the `@`, or 0.

    Users forget to encode characters, so a password may contain `@`, `/`, or a space. So the
    credentials end at the last `@` of the first pattern that matches.
    """
    rest = url["rest"]
    has_password = re.match(f"{_USER}(?!{_PORT})", rest)
    patterns = [
        f"{_USER}.*@(?={_HOST})" if has_password else None,
        # In a URL such as `git+https://…`, the path may contain `@` and a version.
        f"{_USER}{_WORD}" if _is_http(url) else None,
        _AUTHORITY,
        f"{_USER}.*@" if has_password else None,
    ]
    matches = (re.match(pattern, rest) for pattern in patterns if pattern)
    return next((match.end() for match in matches if match), 0)


def _is_http(url: re.Match[str]) -> bool:
    prefix = url.string[max(0, url.end() - len("+https://")) : url.end()].lower()
    schemes = ("http://", "https://")
    return prefix.endswith(schemes) and not prefix.endswith(tuple(f"+{name}" for name in schemes))


def _is_plain_user(url: re.Match[str], length: int) -> bool:
    user = url["rest"][: length - 1]
    is_ssh = url.string.endswith("ssh", 0, url.start())
    return ":" not in user and (is_ssh or user in ("git", "hg", "svn"))


def _mask(text: str, spans: list[tuple[int, int]]) -> str:
    parts, position = [], 0
    for start, end in spans:
        parts += [text[position:start], _mask_of(text, end)]
        position = end
    return "".join([*parts, text[position:]])


def _mask_of(text: str, end: int) -> str:
    return f"{_MASK}@" if text[end - 1] == "@" else _MASK


def _find_url_secrets(text: str) -> list[tuple[int, int]]:
    return _merge([*find_credentials(text), *find_query_secrets(text)])


def _find_secrets(text: str) -> list[tuple[int, int]]:
    spans = _find_url_secrets(text)
    if _secrets:
        longest_first = sorted(_secrets, key=len, reverse=True)
        pattern = "|".join(map(re.escape, longest_first))
        spans = _merge([*spans, *(match.span() for match in re.finditer(pattern, text))])
    return spans


def _merge(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return sorted spans, with one span for several that overlap."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
