"""The diagnostics of a declaration, each with its line and carets below the key or value."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from engine.declaration.parse import is_json
from engine.declaration.toml_spans import find_spans
from engine.frozen import replace
from engine.output.text import printable
from engine.redaction import redact, redact_offset

if TYPE_CHECKING:
    from engine.declaration.diagnostics import DeclarationError, Diagnostic
    from engine.output.report_schema import ProblemReport
    from engine.output.text import Paint
    from engine.table import Key

_MAX_WIDTH = 120
"""Maximum number of characters of a line to show: around the span, within it, and after it."""


def format_diagnostics(error: DeclarationError, paint: Paint) -> str:
    """Return all diagnostics of a declaration, each with a snippet."""
    blocks = [_format(diagnostic, error.texts, paint) for diagnostic in locate_all(error)]
    return "\n".join(blocks) + f"\n{error.message}\n"


def diagnostic_reports(error: DeclarationError) -> list[ProblemReport]:
    """Return the diagnostics as JSON output represents them."""
    return [
        {
            "file": diagnostic.file,
            "line": diagnostic.line,
            "column": diagnostic.column,
            # A caller may show the message alone, so it contains a location without a line.
            "message": diagnostic.message
            + (f" at {_dotted(diagnostic.key)}" if _has_no_line(diagnostic) else ""),
            "hint": diagnostic.hint,
        }
        for diagnostic in locate_all(error)
    ]


def locate_all(error: DeclarationError) -> list[Diagnostic]:
    """Return the diagnostics with lines and columns, in the order of files and lines."""
    located = []
    for diagnostic in error.diagnostics:
        line, column = diagnostic.line, diagnostic.column
        if not line:
            line, column, _ = locate(
                error.texts, diagnostic.file, diagnostic.key, of_key=diagnostic.marks_key
            )
        located.append(replace(diagnostic, line=line, column=column))
    files = list(error.texts)
    return sorted(
        located,
        key=lambda diagnostic: (files.index(diagnostic.file), diagnostic.line, diagnostic.column),
    )


def locate(
    texts: dict[str, str], file: str, key: Key, *, of_key: bool = False
) -> tuple[int, int, int]:
    """Locate a key in a file, or the innermost table or array around it.

    Args:
        texts: The content of each file.
        file: The file.
        key: The key, possibly with the index of an array element.
        of_key: Return the span of the key instead of that of the value.

    Returns:
        Line, column, and width. Line and column are 0 if they are unknown, as for JSON.

    """
    content = texts.get(file, "")
    # A diagnostic about a whole file has no key. That file need not be TOML.
    if is_json(content) or not content or not key:
        return 0, 0, 1
    keys, values = _spans(content)
    while key:
        for spans in (keys, values) if of_key else (values, keys):
            if key in spans:
                span = spans[key]
                return span.line, span.column, span.width
        key = key[:-1]
    return 0, 0, 1


_spans = lru_cache(maxsize=8)(find_spans)
"""Scans a text once for all its diagnostics."""


@lru_cache(maxsize=8)
def _lines(content: str) -> list[str]:
    return content.split("\n")


def _format(diagnostic: Diagnostic, texts: dict[str, str], paint: Paint) -> str:
    """Return a diagnostic with its snippet, its related locations, and its hint.

    Args:
        diagnostic: A diagnostic from `locate_all`.
        texts: The content of each file.
        paint: Colors the text.

    Returns:
        The text, which ends with a newline.

    """
    file, line, column = diagnostic.file, diagnostic.line, diagnostic.column
    location = f"{file}:{line}:{column}" if line else file
    lines = [f"{printable(location)}: {paint('error', 'error')}: {printable(diagnostic.message)}"]
    if _has_no_line(diagnostic):
        lines.append(f"    at {printable(_dotted(diagnostic.key))}")
    width = 1
    if diagnostic.key:
        width = locate(texts, file, diagnostic.key, of_key=diagnostic.marks_key)[2]
    lines += _snippet(texts.get(file, ""), line, column, width)
    for related_file, key in diagnostic.related:
        line, column, width = locate(texts, related_file, key)
        location = (
            f"{related_file}:{line}:{column}:" if line else f"{related_file}: at {_dotted(key)}"
        )
        lines.append(f"  {printable(location)}")
        lines += _snippet(texts.get(related_file, ""), line, column, width)
    if diagnostic.hint:
        lines.append(f"  hint: {printable(diagnostic.hint)}")
    return "".join(f"{line}\n" for line in lines)


def _snippet(content: str, line: int, column: int, width: int) -> list[str]:
    """Return one line of a file with carets below a span.

    Args:
        content: The content of the file.
        line: The number of the line. 0 means unknown.
        column: The column of the span.
        width: The number of characters in the span.

    Returns:
        Two lines, or none if the line is unknown.

    """
    lines = _lines(content)
    if not 0 < line <= len(lines):
        return []
    text = lines[line - 1].rstrip("\r").replace("\t", " ")
    start, end = (redact_offset(text, offset) for offset in (column - 1, column - 1 + width))
    text = redact(text)
    first = max(0, start - _MAX_WIDTH // 2)
    before = ("…" if first else "") + printable(text[first:start])
    span = printable(text[start:end][:_MAX_WIDTH])
    after = text[end:]
    ellipsis = "…" if len(after) > _MAX_WIDTH or end - start > _MAX_WIDTH else ""
    gutter = f"{line:5} | "
    carets = " " * (len(gutter) - 2) + "| " + " " * len(before) + "^" * max(1, len(span))
    return [gutter + before + span + printable(after[:_MAX_WIDTH]) + ellipsis, carets]


def _has_no_line(diagnostic: Diagnostic) -> bool:
    """Return whether only the key of a location is known, as for JSON."""
    return not diagnostic.line and bool(diagnostic.key)


def _dotted(key: Key) -> str:
    return ".".join(map(str, key))
