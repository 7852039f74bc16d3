"""Find every text in the tree that a person reads, with its place."""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_CODE_SPAN = re.compile(r"`[^`]*`")
_LINK_TARGET = re.compile(r"\]\([^()\s]*\)")
_FENCE = re.compile(r"^ *(```|~~~)")
_LINTER_COMMENT = re.compile(r"\s*(?:noqa|type: ?ignore|fmt:|pragma:|!)")
_TABLE_RULE = re.compile(r"^[\s|:-]+$")
_COMMENTED = {".toml", ".yml", ".yaml", ".sh", ".cfg", ".sls", ".pp", ".rb"}
_DEFINITION = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """One paragraph, message, comment or string."""

    path: str
    """Relative to the root of the tree."""
    line: int
    """Line of the first character, from 1."""
    scope: str
    """One of docs, heading, help, schema, message, comment."""
    text: str
    source: tuple[str, ...] = ()
    """Source lines of a string whose line breaks the parser removed."""

    def line_of(self, offset: int, match: str) -> int:
        """Return the line on which a match begins."""
        if not self.source:
            return self.line + self.text.count("\n", 0, offset)
        first_word = match.split()[0] if match.split() else match
        numbers = (i for i, row in enumerate(self.source) if first_word in row)
        return self.line + next(numbers, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """A name that the code binds."""

    path: str
    line: int
    text: str
    role: str
    """One of variable, argument, function, class, field, module, alias."""
    original: str = ""
    """For an alias, the imported name."""


def tracked(paths: Iterable[str] = ()) -> list[str]:
    """Return the files under version control, or those among them below some paths."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


def read_text(path: str, root: Path = ROOT) -> str:
    """Return the text of one file; empty for a binary one."""
    try:
        return (root / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def passages(path: str, root: Path = ROOT) -> Iterator[Passage]:
    """Yield the texts of one file."""
    file = root / path
    if file.suffix in (".md", ".rst"):
        yield from _markdown(path, file.read_text(encoding="utf-8"))
    elif file.suffix == ".py" or _has_python_shebang(file):
        yield from _python(path, file.read_text(encoding="utf-8"))
    elif file.name.endswith(".schema.json"):
        yield from _schema(path, file.read_text(encoding="utf-8"))
    elif file.name == "keys.toml":
        yield from _strings_of_toml(path, file.read_text(encoding="utf-8"))
    elif file.suffix in _COMMENTED or path == ".ci/run":
        yield from _hash_comments(path, file.read_text(encoding="utf-8"))
        yield from _descriptions(path, file.read_text(encoding="utf-8"))
    elif file.suffix == ".json":
        yield from _descriptions(path, file.read_text(encoding="utf-8"))


def help_passages() -> Iterator[Passage]:
    """Yield the paragraphs that `converge --help` prints, and those of each command."""
    overview = _run_help()
    yield from _paragraphs("--help", overview, "help")
    for command in re.findall(r"^  ([a-z]+) {2,}\S", overview, re.M):
        yield from _paragraphs(f"{command} --help", _run_help(command), "help")


def _run_help(*command: str) -> str:
    arguments = [sys.executable, "-m", "states", *command, "--help"]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _has_python_shebang(file: Path) -> bool:
    if file.suffix:
        return False
    with file.open("rb") as stream:
        return stream.read(2) == b"#!" and b"python" in stream.readline()


def _markdown(path: str, text: str) -> Iterator[Passage]:
    rows: list[str] = []
    fenced = False
    for row in _without_comments(text).splitlines():
        if _FENCE.match(row):
            fenced = not fenced
            rows.append("")
        else:
            rows.append("" if fenced or _TABLE_RULE.match(row) else row)
    yield from _paragraphs(path, "\n".join(rows), "docs")


def _without_comments(text: str) -> str:
    return re.sub(r"<!--.*?-->", lambda match: "\n" * match[0].count("\n"), text, flags=re.S)


def _paragraphs(path: str, text: str, scope: str) -> Iterator[Passage]:
    """Split at blank lines, list items, headings, and cells of tables."""
    paragraph: list[str] = []
    start = 1
    for number, row in enumerate([*text.splitlines(), ""], 1):
        item = re.match(r"^\s*(?:[*+-]|\d+\.|>)\s", row)
        alone = row.startswith("#") or row.lstrip().startswith("|")
        if paragraph and (not row.strip() or item or alone):
            yield Passage(path=path, line=start, scope=scope, text=_plain("\n".join(paragraph)))
            paragraph = []
        if alone:
            heading = row.startswith("#")
            cells = [row.lstrip("# ")] if heading else _plain(row).strip().strip("|").split("|")
            for cell in cells:
                kind = "heading" if heading and scope == "docs" else scope
                yield Passage(path=path, line=number, scope=kind, text=_plain(cell.strip()))
        elif row.strip():
            start = start if paragraph else number
            paragraph.append(row[item.end() :] if item else row)


def _plain(text: str) -> str:
    """Replace code spans, which hold names and values, and the targets of links."""
    text = _CODE_SPAN.sub(lambda match: "`code`" + "\n" * match[0].count("\n"), text)
    return _LINK_TARGET.sub("]", text).strip("\n")


def _python(path: str, text: str) -> Iterator[Passage]:
    tree = ast.parse(text, path)
    rows = text.splitlines()
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    is_product = path.startswith(("engine/", "states/"))
    yield from _strings(path, tree, rows, docstrings, is_product=is_product)
    yield from _comments(path, text)


def _strings(
    path: str, tree: ast.Module, rows: list[str], docstrings: set[int], *, is_product: bool
) -> Iterator[Passage]:
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in docstrings:
                yield from _docstring(path, node, rows)
            elif is_product and id(node) not in inside:
                yield from _message(path, node, node.value, rows)
        elif isinstance(node, ast.JoinedStr) and is_product:
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield from _message(path, node, "".join(map(str, parts)), rows)


def _docstring(path: str, node: ast.Constant, rows: list[str]) -> Iterator[Passage]:
    source = "\n".join(rows[node.lineno - 1 : node.end_lineno])
    body = re.sub(r'^\s*[rRbB]?"""|"""\s*$', "", source)
    for passage in _paragraphs(path, body, "comment"):
        line = passage.line + node.lineno - 1
        yield Passage(path=path, line=line, scope="comment", text=passage.text)


def _message(path: str, node: ast.expr, text: str, rows: list[str]) -> Iterator[Passage]:
    """Yield a string unless it is a single word, which is a key or a value."""
    if len(re.findall(r"[A-Za-z]{2,}", text)) > 1 and " " in text.strip():
        source = tuple(rows[node.lineno - 1 : node.end_lineno])
        plain = _CODE_SPAN.sub("`code`", text)
        yield Passage(path=path, line=node.lineno, scope="message", text=plain, source=source)


def _comments(path: str, text: str) -> Iterator[Passage]:
    block: list[str] = []
    start = previous = 0
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [
        (token.start[0], token.string.lstrip("#"))
        for token in tokens
        if token.type == tokenize.COMMENT and not _LINTER_COMMENT.match(token.string.lstrip("#"))
    ]
    for line, comment in [*comments, (-1, "")]:
        if block and line != previous + 1:
            yield Passage(path=path, line=start, scope="comment", text=_plain("\n".join(block)))
            block = []
        start = start if block else line
        block.append(comment.strip())
        previous = line


def _hash_comments(path: str, text: str) -> Iterator[Passage]:
    rows = [row.strip() for row in text.splitlines()]
    kept = "\n".join(row.lstrip("#").strip() if row.startswith("#") else "" for row in rows)
    yield from _paragraphs(path, kept, "comment")


def _strings_of_toml(path: str, text: str) -> Iterator[Passage]:
    yield from _hash_comments(path, text)
    for number, row in enumerate(text.splitlines(), 1):
        string = re.match(r'^[\w-]+ = "(.*)"$', row)
        if string:
            yield Passage(path=path, line=number, scope="docs", text=_plain(string[1]))


def _descriptions(path: str, text: str) -> Iterator[Passage]:
    """Yield the descriptions in YAML, TOML and JSON, and the items of lists that are sentences."""
    for number, row in enumerate(text.splitlines(), 1):
        described = re.match(r"""^\s*["']?(?:short_)?description["']?\s*[:=]\s*(\S.*)$""", row)
        item = re.match(r"^\s*- ([A-Z]\S*(?: \S+){2,})$", row)
        if match := described or item:
            plain = _plain(match[1].rstrip(",").strip("\"'"))
            yield Passage(path=path, line=number, scope="message", text=plain)


def _schema(path: str, text: str) -> Iterator[Passage]:
    for number, row in enumerate(text.splitlines(), 1):
        string = re.match(r'^\s*"(?:description|title)": (".*"),?$', row)
        if string:
            plain = _plain(json.loads(string[1]))
            yield Passage(path=path, line=number, scope="schema", text=plain)


def names(path: str, root: Path = ROOT) -> Iterator[Name]:
    """Yield the names that a Python file binds, its own included."""
    file = root / path
    if file.suffix != ".py" or not path.startswith(("engine/", "states/", "tests/")):
        return
    yield Name(path=path, line=1, text=file.stem, role="module")
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), path)):
        yield from _bound(path, node)


def _bound(path: str, node: ast.AST) -> Iterator[Name]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield Name(path=path, line=node.lineno, text=node.id, role="variable")
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield Name(path=path, line=node.lineno, text=node.attr, role="field")
    elif isinstance(node, ast.arg):
        yield Name(path=path, line=node.lineno, text=node.arg, role="argument")
    elif isinstance(node, ast.ClassDef):
        yield Name(path=path, line=node.lineno, text=node.name, role="class")
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield Name(path=path, line=node.lineno, text=node.name, role="function")
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            if alias.asname:
                original = alias.name.rpartition(".")[2]
                yield Name(
                    path=path,
                    line=node.lineno,
                    text=alias.asname,
                    role="alias",
                    original=original,
                )


def constants(path: str, root: Path = ROOT) -> Iterator[Name]:
    """Yield the strings of one word in a Python file: keys and values."""
    file = root / path
    if file.suffix != ".py":
        return
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Name(path=path, line=node.lineno, text=node.value, role="constant")


def functions(path: str, root: Path = ROOT) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions that a Python file defines."""
    file = root / path
    if file.suffix == ".py":
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node
