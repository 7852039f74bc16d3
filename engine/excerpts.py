"""What is wrong with a declaration, each with its line and a caret below the place."""

from __future__ import annotations

from functools import lru_cache

from engine.locate import locate
from engine.redaction import redacted, redacted_place
from engine.render import printable
from engine.syntax import is_json
from engine.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.locate import Span
    from engine.problems import DeclarationError, Key, Problem
    from engine.render import Paint
    from engine.shapes import ProblemReport

_WIDEST = 120
"""So much of a line is shown on either side of a place."""


def problems_text(error: DeclarationError, paint: Paint) -> str:
    """Return all problems of a declaration, each with its line and a caret."""
    blocks = [_problem(one, error.texts, paint) for one in placed(error)]
    return "\n".join(blocks) + f"\n{error.message}\n"


def placed(error: DeclarationError) -> list[Problem]:
    """Return the problems with their lines and columns looked up, in the order of the text."""
    found = []
    for one in error.problems:
        line, column = one.line, one.column
        if not line:
            line, column, _ = place(error.texts, one.file, one.key, one.message)
        found.append(replace(one, line=line, column=column))
    files = list(error.texts)
    return sorted(found, key=lambda one: (files.index(one.file), one.line, one.column))


def place(texts: dict[str, str], file: str, key: Key, message: str = "") -> tuple[int, int, int]:
    """Return line, column and width of a key in a file, or of the nearest thing around it.

    An element of an array is shown itself; else the key for an unknown one, the value otherwise.
    """
    content = texts.get(file, "")
    if is_json(content) or not content:
        return 0, 0, 1
    keys, values = _located(content)
    of_key = message.startswith(("unknown", "must be a table", "must hold"))
    while key:
        order = (keys, values) if of_key else (values, keys)
        for spans in order:
            if key in spans:
                span = spans[key]
                return span.line, span.column, span.width
        key = key[:-1]
    return 0, 0, 1


@lru_cache(maxsize=8)
def _located(content: str) -> tuple[dict[Key, Span], dict[Key, Span]]:
    """Look through a text once, however much is wrong with it."""
    try:
        return locate(content.replace("\r\n", "\n"))
    except RecursionError:
        return {}, {}  # nested as deeply as the parser could just bear


@lru_cache(maxsize=8)
def _rows(content: str) -> list[str]:
    return content.split("\n")


def _problem(one: Problem, texts: dict[str, str], paint: Paint) -> str:
    where = f"{one.file}:{one.line}:{one.column}" if one.line else one.file
    lines = [f"{printable(where)}: {paint('error', 'error')}: {printable(one.message)}"]
    if _nowhere(one):
        lines.append(f"    at {printable(_dotted(one.key))}")
    width = 1
    if one.key:
        width = place(texts, one.file, one.key, one.message)[2]
    lines += _excerpt(texts.get(one.file, ""), one.line, one.column, width)
    for file, key in one.notes:
        line, column, span = place(texts, file, key)
        where = f"{file}:{line}:{column}:" if line else f"{file}: at {_dotted(key)}"
        lines.append(f"  {printable(where)}")
        lines += _excerpt(texts.get(file, ""), line, column, span)
    if one.hint:
        lines.append(f"  hint: {printable(one.hint)}")
    return "".join(f"{line}\n" for line in lines)


def _excerpt(content: str, line: int, column: int, width: int) -> list[str]:
    rows = _rows(content)
    if not 0 < line <= len(rows):
        return []
    row = rows[line - 1].rstrip("\r").replace("\t", " ")
    begin, end = (redacted_place(row, one) for one in (column - 1, column - 1 + width))
    row = redacted(row)
    start = max(0, begin - _WIDEST // 2)
    before = ("…" if start else "") + printable(row[start:begin])
    place = printable(row[begin:end][:_WIDEST])
    after = row[end:]
    cut = "…" if len(after) > _WIDEST or end - begin > _WIDEST else ""
    gutter = f"{line:5} | "
    carets = " " * (len(gutter) - 2) + "| " + " " * len(before) + "^" * max(1, len(place))
    return [gutter + before + place + printable(after[:_WIDEST]) + cut, carets]


def problem_reports(error: DeclarationError) -> list[ProblemReport]:
    """Return the problems in the form that `--json` prints."""
    return [
        {
            "file": one.file,
            "line": one.line,
            "column": one.column,
            # Whoever only shows the message is to say where, too.
            "message": one.message + (f" at {_dotted(one.key)}" if _nowhere(one) else ""),
            "hint": one.hint,
        }
        for one in placed(error)
    ]


def _nowhere(one: Problem) -> bool:
    """Tell whether a problem has a place that no line can show: JSON is not looked through."""
    return not one.line and bool(one.key)


def _dotted(key: Key) -> str:
    return ".".join(map(str, key))
