"""Credentials of indexes: sources that converge reads, and places where it refuses them."""

from __future__ import annotations

import os
import re

from engine.declaration.inputs import decode
from engine.errors import ConvergeError, NoInput
from engine.redaction import find_credentials, redact, register_url

CREDENTIALS_HINT = "remove it, and set `netrc` to a file that contains it"


def credentials_error(text: str) -> str:
    """Return a message if a text that other users can see contains a password, or an empty string.

    The installer gets the URL of an index in a way that other users can't see, but no other text.
    """
    return f"a password isn't allowed here: `{redact(text)}`" if find_credentials(text) else ""


def strip_credentials(url: str) -> str:
    """Return a URL without the user and the password before its host."""
    return re.sub(r"(?<=://)[^\s/?#]*@", "", url, count=1) if find_credentials(url) else url


def resolve_index_url(reference: str) -> str:
    """Return the URL of an index.

    Args:
        reference: The URL itself, `env:NAME`, or `file:PATH`.

    Raises:
        ConvergeError: The variable isn't set, or the text isn't one URL.
        NoInput: The file doesn't exist.

    """
    urls = _dereference(reference).split()
    for url in urls:
        register_url(url)
    # uv takes the text after a space for another index, and would print it.
    if len(urls) != 1:
        raise ConvergeError(
            f"`{redact(reference)}` must contain exactly one index URL",
            hint="write a space in a password as `%20`",
        )
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
