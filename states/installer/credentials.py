"""Credentials: where they come from, and that they go nowhere else."""

from __future__ import annotations

import os
import re

from engine.declaration.inputs import decode
from engine.errors import ConvergeError, NoInput
from engine.redaction import find_credentials, redact, register_url

ELSEWHERE = "leave it out, and name a netrc file that has it by the key `netrc`"


def credentials_error(text: str) -> str:
    """Say what is wrong with a password in a text that others get to see; empty for none.

    Only indexes go to the installer by a way that nobody else can look at.
    """
    return f"a password stands in `{redact(text)}`" if find_credentials(text) else ""


def strip_credentials(url: str) -> str:
    """Return a URL without the user and the password before its host."""
    return re.sub(r"(?<=://)[^\s/?#]*@", "", url, count=1) if find_credentials(url) else url


def resolve_index_url(reference: str) -> str:
    """Return the URL that a declaration names: itself, `env:NAME`, or `file:PATH`.

    Raises `ConvergeError` where there is none, and `InputMissing` for a missing file.
    """
    urls = _referred(reference).split()
    for url in urls:
        register_url(url)
    # The installer takes what follows a space for another index, and would print it.
    if len(urls) != 1:
        raise ConvergeError(
            f"`{redact(reference)}` does not lead to one URL of an index",
            hint="a space in a password is written `%20`",
        )
    return urls[0]


def require_netrc(path: str) -> str:
    """Return the path of a netrc file that is there and can be read.

    Who is given another goes on without one, and then the index or the network is blamed.
    Raises `InputMissing`, and `OSError` for one that cannot be read.
    """
    try:
        with open(path, "rb"):
            return path
    except FileNotFoundError:
        raise NoInput(f"no such file: `{path}`, which `netrc` names") from None


def _referred(reference: str) -> str:
    if reference.startswith("env:"):
        name = reference.removeprefix("env:")
        value = os.environ.get(name, "")
        if not value:
            raise ConvergeError(
                f"the environment has no `{name}`, which `{reference}` refers to",
                hint=f"set {name} to the URL of the index",
            )
        return value
    if reference.startswith("file:") and not reference.startswith("file://"):
        path = reference.removeprefix("file:")
        try:
            with open(path, "rb") as stream:
                return decode(stream.read()).strip()
        except ValueError as error:
            raise ConvergeError(f"`{path}`, which is to hold an index's URL: {error}") from None
        except FileNotFoundError:
            words = f"no such file: `{path}`, which is to hold an index's URL"
            raise NoInput(words) from None
    return reference
