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
_UNBROKEN = r"`[^`]*`|(?<= run: ).*|(?:^|(?<=, ))[-+~] "
"""The text that stays on one line: code, commands, and the sign of a change with its name."""
_MIN_WIDTH = 20
"""Minimum width of a folded sentence, in a terminal of any width."""
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


def format_error(error: ConvergeError, paint: Paint, width: int | None = None) -> str:
    """Return an error as text: the message, the last lines of the tool, and the hint.

    Args:
        error: The error.
        paint: Colors the text.
        width: The number of characters in a line of the terminal, or `None` without one.

    Returns:
        The text, which ends with a newline.

    """
    message = fold(printable(error.message), width, used=7, indent=4)
    lines = [f"{paint('error', 'error')}: {message}"]
    lines += [f"    {printable(line)}" for line in error.output.splitlines()]
    if error.hint:
        lines.append(f"  hint: {fold(printable(error.hint), width, used=8, indent=4)}")
    return "".join(f"{line}\n" for line in lines)


def fold(text: str, width: int | None, *, used: int, indent: int) -> str:
    """Return a sentence in lines of a width. A command stays on one line, so it can be copied.

    Args:
        text: The sentence.
        width: The number of characters in a line, or `None` for a single line: programs read it.
        used: The number of characters in front of the first line.
        indent: The number of spaces in front of the other lines.

    Returns:
        The text, without an indent in its first line.

    """
    if width is None or used + len(text) <= width:
        return text
    import re  # Imported here: a no-op run has nothing to fold.
    from textwrap import wrap

    content = re.sub(_UNBROKEN, lambda match: match[0].replace(" ", "\0"), text)
    lines = wrap(
        content,
        max(width, indent + _MIN_WIDTH),
        initial_indent=" " * used,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)[used:].replace("\0", " ")


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
