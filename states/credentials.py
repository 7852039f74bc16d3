"""Credentials: where they come from, and that they go nowhere else."""

from __future__ import annotations

import os
import re

from engine.errors import ConvergeError, InputMissing

_USERINFO = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<user>[^\s/@?#]*?)(?P<password>:[^\s/@]*)?@", re.IGNORECASE
)


def redacted(text: str) -> str:
    """Return a text with the password of every URL in it replaced.

    A user name that stands alone may be a token; only `git@` and its like are shown.
    """
    return _USERINFO.sub(_hide, text)


def revealed(reference: str) -> str:
    """Return the URL that a declaration names: itself, `env:NAME`, or `file:PATH`."""
    if reference.startswith("env:"):
        name = reference.removeprefix("env:")
        value = os.environ.get(name, "")
        if not value:
            raise ConvergeError(
                f"the environment has no `{name}`, which `index-url` refers to",
                hint=f"set {name} to the URL of the index",
            )
        return value
    if reference.startswith("file:") and not reference.startswith("file://"):
        path = reference.removeprefix("file:")
        try:
            with open(path, encoding="utf-8") as stream:
                return stream.read().strip()
        except FileNotFoundError:
            raise InputMissing(f"no such file: `{path}`, which `index-url` refers to") from None
    return reference


def _hide(match: re.Match[str]) -> str:
    plain = match["password"] is None and match["user"] in ("git", "hg", "svn")
    return match[0] if plain else f"{match['scheme']}****@"
