"""Parse one file: TOML, or JSON if it starts with a brace."""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING

import tomli

from engine.declaration.diagnostics import Diagnostic
from engine.declaration.syntax_errors import explain
from engine.frozen import replace

if TYPE_CHECKING:
    from typing import Any

    from engine.declaration.inputs import InputLog
    from engine.declaration.source_file import SourceFile

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_KEY_IN_MESSAGE = re.compile(r"""\(['"].*['"],?\)""", re.DOTALL)
"""A dotted key in a message of the TOML parser: the `repr` of a tuple of strings."""


def parse(source: SourceFile, log: InputLog) -> dict[str, Any]:
    """Return the content of a file. Adds a syntax error to the log, and returns an empty dict."""
    try:
        source.content.encode()
        if is_json(source.content):
            document = dict(json.loads(source.content, object_pairs_hook=_unique_keys))
            json.dumps(document, ensure_ascii=False).encode()
            return document
        return tomli.loads(source.content.replace("\r\n", "\n"))
    except UnicodeEncodeError as error:
        diagnostic = _encoding_error(source, error)
    except json.JSONDecodeError as error:
        diagnostic = _syntax_error(source, error.msg, error.lineno, error.colno)
    except _DuplicateKeyError as error:
        diagnostic = _syntax_error(source, f"duplicate key `{error}`")
    except RecursionError:
        diagnostic = _syntax_error(source, "nested too deeply", 1, 1)
    except tomli.TOMLDecodeError as error:
        diagnostic = _toml_error(source, error)
    except ValueError:
        # Both parsers convert a number with `int` (see `sys.set_int_max_str_digits`).
        diagnostic = _syntax_error(source, "number too large")
    log.add(diagnostic)
    return {}


class _DuplicateKeyError(ValueError):
    """A JSON object has a key twice. RFC 8259 doesn't define which value counts."""


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _DuplicateKeyError(next(key for key in keys if keys.count(key) > 1))
    return table


def table_header(*key: str) -> str:
    """Return the header of a table as written in TOML, such as `[kind."my.name"]`."""
    parts = (
        part if _BARE_KEY.fullmatch(part) else json.dumps(part, ensure_ascii=False) for part in key
    )
    return f"[{'.'.join(parts)}]"


def is_json(content: str) -> bool:
    """Return whether a declaration is JSON: a TOML document can't start with a brace."""
    return content.lstrip().startswith("{")


def _encoding_error(source: SourceFile, error: UnicodeEncodeError) -> Diagnostic:
    if error.object != source.content:
        return _syntax_error(source, "unpaired surrogate")  # from an escape such as \ud800
    line = source.content.count("\n", 0, error.start) + 1
    column = error.start - source.content.rfind("\n", 0, error.start)
    return _syntax_error(source, "not UTF-8", line, column)


def _toml_error(source: SourceFile, error: tomli.TOMLDecodeError) -> Diagnostic:
    explanation = explain(error)
    if explanation:
        line = error.doc.count("\n", 0, explanation.offset) + 1
        column = explanation.offset - error.doc.rfind("\n", 0, explanation.offset)
        diagnostic = _syntax_error(source, explanation.message, line, column)
        return replace(diagnostic, hint=explanation.hint)
    message = _KEY_IN_MESSAGE.sub(
        lambda match: f"`{table_header(*ast.literal_eval(match[0]))}`", error.msg
    )
    lines = source.content.rstrip("\n").split("\n")
    if error.lineno > len(lines):  # at the end of the file, after empty lines
        return _syntax_error(source, message, len(lines), len(lines[-1]) + 1)
    return _syntax_error(source, message, error.lineno, error.colno)


def _syntax_error(source: SourceFile, message: str, line: int = 0, column: int = 0) -> Diagnostic:
    """Describe a syntax error.

    Args:
        source: The file.
        message: The message of the parser.
        line: The line, from 1, or 0 if it is unknown.
        column: The column, from 1, or 0 if it is unknown.

    Returns:
        The diagnostic.

    """
    syntax = "JSON" if is_json(source.content) else "TOML"
    summary = f"invalid {syntax}: {message[:1].lower()}{message[1:]}"
    return Diagnostic(file=source.file, message=summary, line=line, column=column)
