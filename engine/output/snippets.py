"""What is wrong with a declaration, each with its line and a caret below the place."""

from __future__ import annotations

from functools import lru_cache

from engine.declaration.parse import is_json
from engine.declaration.toml_spans import find_spans
from engine.frozen import replace
from engine.output.text import printable
from engine.redaction import redact, redact_offset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.declaration.diagnostics import DeclarationError, Diagnostic, Key
    from engine.declaration.toml_spans import Span
    from engine.output.report_schema import ProblemReport
    from engine.output.text import Paint

_WIDEST = 120
"""So much of a line is shown on either side of a place."""


def format_diagnostics(error: DeclarationError, paint: Paint) -> str:
    """Return all problems of a declaration, each with its line and a caret."""
    blocks = [_problem(one, error.texts, paint) for one in locate_all(error)]
    return "\n".join(blocks) + f"\n{error.message}\n"


def locate_all(error: DeclarationError) -> list[Diagnostic]:
    """Return the problems with their lines and columns looked up, in the order of the text."""
    found = []
    for one in error.diagnostics:
        line, column = one.line, one.column
        if not line:
            line, column, _ = locate(error.texts, one.file, one.key, of_key=one.marks_key)
        found.append(replace(one, line=line, column=column))
    files = list(error.texts)
    return sorted(found, key=lambda one: (files.index(one.file), one.line, one.column))


def locate(
    texts: dict[str, str], file: str, key: Key, *, of_key: bool = False
) -> tuple[int, int, int]:
    """Return line, column and width of a key in a file, or of the nearest thing around it.

    If `of_key` is true, the span is that of the key. Otherwise it is that of the value.
    """
    content = texts.get(file, "")
    if is_json(content) or not content:
        return 0, 0, 1
    keys, values = _located(content)
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
        return find_spans(content.replace("\r\n", "\n"))
    except RecursionError:
        return {}, {}  # nested as deeply as the parser could just bear


@lru_cache(maxsize=8)
def _rows(content: str) -> list[str]:
    return content.split("\n")


def _problem(one: Diagnostic, texts: dict[str, str], paint: Paint) -> str:
    where = f"{one.file}:{one.line}:{one.column}" if one.line else one.file
    lines = [f"{printable(where)}: {paint('error', 'error')}: {printable(one.message)}"]
    if _has_no_line(one):
        lines.append(f"    at {printable(_dotted(one.key))}")
    width = 1
    if one.key:
        width = locate(texts, one.file, one.key, of_key=one.marks_key)[2]
    lines += _excerpt(texts.get(one.file, ""), one.line, one.column, width)
    for file, key in one.related:
        line, column, span = locate(texts, file, key)
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
    begin, end = (redact_offset(row, one) for one in (column - 1, column - 1 + width))
    row = redact(row)
    start = max(0, begin - _WIDEST // 2)
    before = ("…" if start else "") + printable(row[start:begin])
    place = printable(row[begin:end][:_WIDEST])
    after = row[end:]
    cut = "…" if len(after) > _WIDEST or end - begin > _WIDEST else ""
    gutter = f"{line:5} | "
    carets = " " * (len(gutter) - 2) + "| " + " " * len(before) + "^" * max(1, len(place))
    return [gutter + before + place + printable(after[:_WIDEST]) + cut, carets]


def diagnostic_reports(error: DeclarationError) -> list[ProblemReport]:
    """Return the problems in the form that `--json` prints."""
    return [
        {
            "file": one.file,
            "line": one.line,
            "column": one.column,
            # Whoever only shows the message is to say where, too.
            "message": one.message + (f" at {_dotted(one.key)}" if _has_no_line(one) else ""),
            "hint": one.hint,
        }
        for one in locate_all(error)
    ]


def _has_no_line(one: Diagnostic) -> bool:
    """Tell whether a problem has a place that no line can show: JSON is not looked through."""
    return not one.line and bool(one.key)


def _dotted(key: Key) -> str:
    return ".".join(map(str, key))
