"""From the bytes of one file to a document: TOML, or JSON where it begins with a brace."""

from __future__ import annotations

import ast
import json
import re

from engine.declaration.diagnostics import Diagnostic
from engine.frozen import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.declaration.inputs import InputLog
    from engine.declaration.source_file import SourceFile

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_TUPLE = re.compile(r"""\(['"].*['"],?\)""", re.DOTALL)
"""A key, as the parser's messages have it."""
_PLACED = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.DOTALL)


def parse(text: SourceFile, notes: InputLog) -> dict[str, Any]:
    """Parse one text; a syntax error is told to `notes`, and the document is then empty."""
    try:
        text.content.encode()
        if is_json(text.content):
            document = dict(json.loads(text.content, object_pairs_hook=_table))
            json.dumps(document, ensure_ascii=False).encode()
            return document
        import tomli

        return tomli.loads(text.content.replace("\r\n", "\n"))
    except UnicodeEncodeError as error:
        problem = _not_unicode(text, error)
    except json.JSONDecodeError as error:
        problem = _placed(text, error.msg, error.lineno, error.colno)
    except _TwiceError as error:
        words = f"the key `{error}` is there twice"
        problem = replace(_placed(text, words, 1, 1), line=0, column=0)
    except RecursionError:
        problem = _placed(text, "nested too deeply", 1, 1)
    except ValueError as error:
        problem = _toml_error(text, str(error))
    notes.problems.setdefault(problem)
    return {}


class _TwiceError(ValueError):
    """A key of a JSON object that is there already; the standard leaves open what that means."""


def _table(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _TwiceError(next(key for key in keys if keys.count(key) > 1))
    return table


def header(*key: str) -> str:
    """Return what opens a table in TOML, as in `[kind."my.name"]`."""
    parts = (one if _BARE.fullmatch(one) else json.dumps(one, ensure_ascii=False) for one in key)
    return f"[{'.'.join(parts)}]"


def is_json(content: str) -> bool:
    """Tell JSON from TOML: no TOML document begins with a brace."""
    return content.lstrip().startswith("{")


def _not_unicode(text: SourceFile, error: UnicodeEncodeError) -> Diagnostic:
    if error.object != text.content:
        words = "half a character (a lone surrogate) stands in a text"
        return replace(_placed(text, words, 1, 1), line=0, column=0)
    line = text.content.count("\n", 0, error.start) + 1
    column = error.start - text.content.rfind("\n", 0, error.start)
    return _placed(text, "not UTF-8", line, column)


def _toml_error(text: SourceFile, message: str) -> Diagnostic:
    message = _TUPLE.sub(lambda found: f"`{header(*ast.literal_eval(found[0]))}`", message)
    placed = _PLACED.fullmatch(message)
    if placed:
        return _placed(text, placed[1], int(placed[2]), int(placed[3]))
    lines = text.content.rstrip("\n").split("\n")
    return _placed(
        text,
        message.replace(" (at end of document)", ", at the end"),
        len(lines),
        len(lines[-1]) + 1,
    )


def _placed(text: SourceFile, message: str, line: int, column: int) -> Diagnostic:
    words = message[:1].lower() + message[1:]
    form = "JSON" if is_json(text.content) else "TOML"
    return Diagnostic(
        file=text.file, message=f"not valid {form}: {words}", line=line, column=column
    )
