"""Errors as text for people, and colors. Signs carry the meaning, and color only adds to it."""

from __future__ import annotations

from engine.redaction import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.errors import ConvergeError

_COLORS = {
    "+": "32", "~": "33", "±": "35", "!": "31", "-": "31", "»": "36", "✗": "31", "·": "2",
    "bad": "31", "good": "32", "warning": "33", "note": "36", "error": "1;31", "bold": "1",
    "dim": "2",
}  # fmt: skip
DEFAULT_WIDTH = 100
"""Characters in a line if the output isn't a terminal."""
_DIGITS = 8
"""Digits of a digest that text shows. JSON has all of them."""


class Paint:
    """Colors text with ANSI escape sequences, or returns it unchanged."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, role: str, text: str) -> str:
        """Color text by its role: a sign, or a word such as `error` or `dim`.

        A heading has the role of its sign with the prefix `bold`.
        """
        code = _COLORS.get(role)
        if code is None and role.startswith("bold"):
            code = ";".join(filter(None, ("1", _COLORS.get(role.removeprefix("bold")))))
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and code else text


def format_error(error: ConvergeError, paint: Paint) -> str:
    """Return an error as text: the message, the last lines of the tool, and the hint."""
    lines = [f"{paint('error', 'error')}: {printable(error.message)}"]
    lines += [f"    {printable(line)}" for line in error.output.splitlines()]
    if error.hint:
        lines.append(f"  hint: {printable(error.hint)}")
    return "".join(f"{line}\n" for line in lines)


def printable(text: str) -> str:
    """Return text on one line, without passwords and without terminal control characters."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in redact(text))


def short_digest(digest: str) -> str:
    """Return the first digits of a digest such as `sha256:…`, as text shows it."""
    return digest.partition(":")[2][:_DIGITS]


def duration(seconds: float) -> str:
    """Return a time with one unit, rounded up."""
    minutes, rest = divmod(int(seconds) + 1, 60)
    return f"{minutes + (rest > 0)} min" if minutes else f"{rest} s"


def count(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an `s` in the plural."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
