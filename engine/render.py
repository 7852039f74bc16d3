"""Reports and problems as text for people. Signs carry the meaning, colour only helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.errors import ConvergeError
    from engine.problems import DeclarationError, Key, Problem
    from engine.report import ChangeReport, Report, ResourceReport

_SIGNS = {"create": "+", "update": "~", "replace": "±", "repair": "!", "delete": "-", "none": " "}
_COLOURS = {"+": "32", "~": "33", "±": "35", "!": "31", "-": "31", "error": "1;31", "dim": "2"}
_MOST = 40
"""So many changes of one resource are shown unless all are asked for."""


class Paint:
    """Wraps words in colour, or leaves them as they are."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, colour: str, words: str) -> str:
        """Return the words in a colour named by what they say."""
        code = _COLOURS.get(colour)
        return f"\x1b[{code}m{words}\x1b[0m" if self.on and code else words


def text(document: Report, paint: Paint, *, everything: bool = False) -> str:
    """Return a report as text: what differs, then notes, then one summary line."""
    shown = [one for one in document.resources if everything or one.outcome != "unchanged"]
    blocks = [_resource(one, paint, everything) for one in shown]
    blocks += [f"note: {printable(note)}\n" for note in document.notes]
    if blocks:
        blocks.append("\n")
    title = document.command.capitalize()
    blocks.append(f"{title}: {document.comment}.")
    if document.command == "plan" and document.changed:
        blocks.append(paint("dim", f"  digest {document.digest}"))
    return "".join([*blocks, "\n"])


def error_text(error: ConvergeError, paint: Paint) -> str:
    """Return one error as text: message, the tool's last lines, hint."""
    lines = [f"{paint('error', 'error')}: {printable(error.message)}"]
    lines += [f"    {printable(line)}" for line in error.output.splitlines()]
    if error.hint:
        lines.append(f"  hint: {printable(error.hint)}")
    return "".join(f"{line}\n" for line in lines)


def problems_text(error: DeclarationError, paint: Paint) -> str:
    """Return all problems of a declaration, each with its line and a caret."""
    blocks = [_problem(one, error.texts, paint) for one in placed(error)]
    return "\n".join(blocks) + f"\n{error.message}\n"


def placed(error: DeclarationError) -> list[Problem]:
    """Return the problems with their lines and columns looked up, in the order of the text."""
    from dataclasses import replace

    found = []
    for one in error.problems:
        if not one.line:
            line, column, _ = place(error.texts, one.file, one.key, one.message)
            one = replace(one, line=line, column=column)
        found.append(one)
    files = list(error.texts)
    return sorted(found, key=lambda one: (files.index(one.file), one.line, one.column))


def place(texts: dict[str, str], file: str, key: Key, message: str = "") -> tuple[int, int, int]:
    """Return line, column and width of a key in a file, or of the nearest thing around it.

    An element of an array is shown itself; else the key for an unknown one, the value otherwise.
    """
    from engine.locate import locate
    from engine.syntax import is_json

    content = texts.get(file, "")
    if is_json(content) or not content:
        return 0, 0, 1
    keys, values = locate(content.replace("\r\n", "\n"))
    of_key = message.startswith(("unknown", "must be a table", "must hold"))
    while key:
        order = (keys, values) if of_key else (values, keys)
        for spans in order:
            if key in spans:
                span = spans[key]
                return span.line, span.column, span.width
        key = key[:-1]
    return 0, 0, 1


def printable(words: str) -> str:
    """Return text that cannot move the cursor nor change the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in words)


def _problem(one: Problem, texts: dict[str, str], paint: Paint) -> str:
    where = f"{one.file}:{one.line}:{one.column}" if one.line else one.file
    lines = [f"{where}: {paint('error', 'error')}: {printable(one.message)}"]
    if not one.line and one.key:
        lines.append(f"    at {'.'.join(str(part) for part in one.key)}")
    width = 1
    if one.key:
        width = place(texts, one.file, one.key, one.message)[2]
    lines += _excerpt(texts.get(one.file, ""), one.line, one.column, width)
    for file, key in one.notes:
        line, column, span = place(texts, file, key)
        lines.append(f"  {file}:{line}:{column}:")
        lines += _excerpt(texts.get(file, ""), line, column, span)
    if one.hint:
        lines.append(f"  hint: {printable(one.hint)}")
    return "".join(f"{line}\n" for line in lines)


def _excerpt(content: str, line: int, column: int, width: int) -> list[str]:
    rows = content.split("\n")
    if not 0 < line <= len(rows):
        return []
    row = rows[line - 1].rstrip("\r").replace("\t", " ")
    gutter = f"{line:5} | "
    carets = " " * (len(gutter) - 2) + "| " + " " * (column - 1) + "^" * max(1, width)
    return [gutter + printable(row), carets]


def _resource(one: ResourceReport, paint: Paint, everything: bool) -> str:
    sign = {"failed": "✗", "skipped": "·"}.get(one.outcome, _SIGNS[one.action])
    verb = one.action if one.outcome not in ("failed", "skipped", "unchanged") else one.outcome
    head = f"{sign} {one.address}  {verb}"
    if one.path:
        head += f"  {one.path}"
    lines = [paint(sign, printable(head))]
    if one.outcome == "failed" and one.error:
        lines.append(f"    {paint('error', 'error')}: {printable(one.error.message)}")
        lines += [f"      {printable(row)}" for row in one.error.output.splitlines()]
        if one.error.hint:
            lines.append(f"    hint: {printable(one.error.hint)}")
    elif one.reason:
        lines.append(f"    {paint('dim', 'because ' + printable(one.reason))}")
    lines += _changes(one.changes, paint, everything)
    return "".join(f"{line}\n" for line in lines)


def _changes(changes: tuple[ChangeReport, ...], paint: Paint, everything: bool) -> list[str]:
    """Show packages first, then the rest, and only so many of each."""
    packages = [one for one in changes if one.attribute.startswith("package.")]
    others = [one for one in changes if not one.attribute.startswith("package.")]
    lines = []
    for group in (others, packages):
        shown = group if everything else group[:_MOST]
        lines += [_change(one, paint) for one in shown]
        if len(group) > len(shown):
            lines.append(f"    … and {len(group) - len(shown)} more (`--verbose` shows all)")
    return lines


def _change(one: ChangeReport, paint: Paint) -> str:
    name = one.attribute.removeprefix("package.")
    if one.before is None:
        sign, words = "+", f"{name} {one.after}"
    elif one.after is None:
        sign, words = "-", f"{name} {one.before}"
    else:
        sign, words = "~", f"{name} {one.before} → {one.after}"
    reason = paint("dim", f"  ({printable(one.reason)})") if one.reason else ""
    return f"    {paint(sign, sign + ' ' + printable(words))}{reason}"
