"""References in requirement files: URLs, and paths relative to the file that contains them."""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin

if TYPE_CHECKING:
    from collections.abc import Callable

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_DIRECT = re.compile(
    r"(?P<before>[a-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*@\s*)(?P<place>[^\s;]+)(?P<after>.*)",
    re.IGNORECASE,
)
"""As in `name @ URL`."""
_PATH = re.compile(
    r"(?P<before>)"
    r"(?P<place>[./][^\s;\[]*|[^\s;@=<>\[]+\.(?:whl|tar\.gz|zip)(?=[\s;\[#]|$))(?P<after>.*)"
)
"""Begins with a dot or slash, or ends as a distribution file. A project may have a name such as
`collective.zipfiletransport`."""


def is_url(text: str) -> bool:
    """Return whether a text begins with a URL scheme and `://`."""
    return bool(_URL.match(text))


def is_path(text: str) -> bool:
    """Return whether a requirement is only the path of a project or of a distribution file."""
    return bool(_PATH.fullmatch(text))


def local_path(url: str) -> str | None:
    """Return the path in a `file://` URL. Return None for any other text."""
    if not url.lower().startswith("file://"):
        return None
    path = url[len("file://") :].removeprefix("localhost")
    return os.path.normpath(unquote(path.partition("#")[0]))


def strip_file_scheme(place: str) -> str:
    """Return a reference without the prefix `file:`. A URL with `://` stays as it is."""
    return place if is_url(place) else re.sub("^file:", "", place, flags=re.IGNORECASE)


def to_file_url(reference: str, join: Callable[[str], str]) -> str:
    """Return the absolute URL of a reference, with its fragment.

    Args:
        reference: A path or URL, possibly with a fragment.
        join: Makes a path absolute.

    """
    path, mark, fragment = strip_file_scheme(reference).partition("#")
    absolute = path if is_url(path) else join(path)
    if is_url(absolute):
        return absolute + mark + fragment
    # The parent directories may have a `#` in their names.
    return f"file://{quote(absolute, safe='/=&')}{mark}{quote(fragment, safe='/=&')}"


def join_reference(base: str, name: str) -> str:
    """Return the path or URL of a name, relative to the file or URL that contains it.

    A `file:` URL in a local file becomes a path, so that its content counts as an input. A name
    in a remote file is always a URL.
    """
    if is_url(base):
        return urljoin(base, name)
    name = local_path(name) or strip_file_scheme(name)
    return name if is_url(name) else os.path.normpath(os.path.join(os.path.dirname(base), name))


def make_absolute(text: str, file: str) -> str:
    """Return the requirement in a line of a file in a form that means the same in any file."""
    for pattern in (_DIRECT, _PATH):
        match = pattern.fullmatch(text)
        if match:
            absolute = to_file_url(match["place"], functools.partial(join_reference, file))
            # Without the space, the URL would include the marker.
            return match["before"] + absolute + match["after"].replace(";", " ;", 1)
    return text


def option_value(name: str, value: str, file: str) -> str:
    """Return the value of an option in a line of a file in a form that means the same anywhere.

    Args:
        name: The long form of the option.
        value: Its value.
        file: The path or URL of the file.

    Returns:
        The value, with an absolute path or URL if it is a location.

    """
    is_index = name in ("--index-url", "--extra-index-url") and value.startswith((".", "/"))
    if is_index:
        return to_file_url(value, functools.partial(join_reference, file))
    if name != "--find-links" or not value.strip() or value.startswith("~"):
        return value
    return value if is_url(value) else join_reference(file, strip_file_scheme(value))
