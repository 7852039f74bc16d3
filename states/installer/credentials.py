"""Credentials of indexes: sources that converge reads, and places where it refuses them."""

from __future__ import annotations

import os
import re

from engine.declaration.inputs import decode
from engine.errors import ConvergeError, NoInput
from engine.redaction import (
    find_credentials,
    find_query_secrets,
    redact,
    register_secret,
    register_url,
    strip_signed_queries,
)

_signed: dict[str, str] = {}
"""URLs with signatures, by the URL without them. Only a process that got them knows them."""
CREDENTIALS_HINT = "remove it, and set `netrc` to a file that contains it"


def credentials_error(text: str, *, query: bool = False) -> str:
    """Return a message if a text that other users can see contains a password, or an empty string.

    The installer gets the URL of an index in a way that other users can't see, but no other text.

    Args:
        text: The text.
        query: Whether a signature in the query of a URL counts as well.

    Returns:
        The message.

    """
    if find_credentials(text) or (query and find_query_secrets(text)):
        return f"a password isn't allowed here: `{redact(text)}`"
    return ""


def strip_credentials(url: str) -> str:
    """Return a URL without the user and the password before its host, and without a signature.

    A query with a signature is registered for `restore_signatures`, until the process ends.
    """
    stripped = re.sub(r"(?<=://)[^\s/?#]*@", "", url, count=1) if find_credentials(url) else url
    unsigned = strip_signed_queries(stripped)
    if unsigned != stripped:
        register_url(url)
        _signed[unsigned] = stripped
    return unsigned


def restore_signatures(lock: str) -> str:
    """Return a lock in which each URL has the signature that this process knows for it."""
    for unsigned, url in _signed.items():
        lock = lock.replace(f'"{unsigned}"', f'"{url}"')
    return lock


def signed_urls(lock: str) -> list[str]:
    """Return the URLs in a stored lock whose signatures this process knows."""
    return [unsigned for unsigned in _signed if f'"{unsigned}"' in lock]


def strip_signatures(lock: str) -> str:
    """Return a lock whose URLs have no signatures, so that it can be stored."""
    return re.sub(r'"(https?://[^"\s]+)"', lambda url: f'"{strip_credentials(url[1])}"', lock)


def resolve_index_url(reference: str) -> str:
    """Return the URL of an index.

    Args:
        reference: The URL itself, `env:NAME`, or `file:PATH`.

    Raises:
        ConvergeError: The variable isn't set, or the text isn't one URL.
        NoInput: The file doesn't exist.

    """
    text = _dereference(reference)
    urls = text.split()
    for url in urls:
        register_url(url)
    without_scheme = [url for url in urls if "://" not in url]
    if text != reference and without_scheme:
        # The text may be a bare token, which has no form by which it could be recognized.
        register_secret(text)
    # uv takes the text after a space for another index, and would print it.
    if len(urls) != 1 or (text != reference and without_scheme):
        hint = "write it with its scheme, as in `https://user:token@host/simple/`"
        if len(urls) > len(without_scheme):
            hint = "write a space in a password as `%20`, or remove the other URLs"
        raise ConvergeError(f"`{redact(reference)}` must contain exactly one index URL", hint=hint)
    return urls[0]


def require_netrc(path: str) -> str:
    """Return the path of a netrc file after checking that it can be read.

    Without the file, the installer would continue, and the index would be reported as the cause.

    Raises:
        NoInput: The file doesn't exist.
        OSError: The file can't be read.

    """
    try:
        with open(path, "rb"):
            return path
    except FileNotFoundError:
        raise NoInput(f"no such file: `{path}` (from `netrc`)") from None


def _dereference(reference: str) -> str:
    if reference.startswith("env:"):
        name = reference.removeprefix("env:")
        value = os.environ.get(name, "")
        if not value:
            raise ConvergeError(
                f"the environment variable `{name}` isn't set",
                hint=f"set it to the URL of the index, because the declaration names `{reference}`",
            )
        return value
    if reference.startswith("file:") and not reference.startswith("file://"):
        path = reference.removeprefix("file:")
        try:
            with open(path, "rb") as stream:
                return decode(stream.read()).strip()
        except ValueError as error:
            raise ConvergeError(f"can't read the index URL in `{path}`: {error}") from None
        except FileNotFoundError:
            raise NoInput(f"no such file: `{path}` (with the URL of an index)") from None
    return reference
