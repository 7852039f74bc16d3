"""Values that a declaration names and doesn't contain: `env:NAME` and `file:PATH`."""

from __future__ import annotations

import os

from engine.errors import ConvergeError, NoInput
from engine.redaction import register_secret


def is_reference(text: str) -> bool:
    """Return whether a text refers to a variable or a file. A `file://` URL doesn't."""
    return text.startswith("env:") or (text.startswith("file:") and not text.startswith("file://"))


def dereference(text: str, key: str) -> str:
    """Return the value that a text refers to, without a newline at its end, or the text itself.

    The value is registered as a secret, so that no output shows it.

    Args:
        text: The text.
        key: The key of the declaration that contains it, for messages.

    Returns:
        The value.

    Raises:
        ConvergeError: The variable isn't set, or the file isn't text.
        NoInput: The file doesn't exist.
        OSError: The file can't be read.

    """
    if not is_reference(text):
        return text
    source, _, name = text.partition(":")
    value = _variable(name) if source == "env" else _content(name, key)
    register_secret(value)
    return value


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ConvergeError(
            f"the environment variable `{name}` isn't set",
            hint=f"set it, because the declaration names `env:{name}`",
        )
    return value


def _content(path: str, key: str) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return stream.read().rstrip("\r\n")
    except FileNotFoundError:
        raise NoInput(f"no such file: `{path}` (from `{key}`)") from None
    except ValueError:
        raise ConvergeError(f"not a UTF-8 text: `{path}`") from None
