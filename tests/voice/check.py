"""Apply the voice rules to texts and names."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import tomli

from tests.voice.sources import (
    ROOT,
    Name,
    Passage,
    constants,
    functions,
    help_passages,
    names,
    passages,
    read_text,
    tracked,
)

HERE = Path(__file__).parent
TEST_NAME_LENGTH = 60
"""Longest test name, in characters."""
PRODUCT = ("engine/", "states/")
_PROJECT_FILE = re.compile(r"(?<![\w./-])(?:engine|states|tests)/[\w/-]+\.(?:py|toml|md|json)\b")
DATA = ("tests/voice/banned.toml", "tests/voice/planted.toml")
"""Files that must contain offenses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """One offense against one rule."""

    rule: str
    path: str
    line: int
    text: str
    instead: str
    context: str = ""
    """The text around it, which the allow-list matches."""

    @property
    def area(self) -> str:
        """Return the top-level area, a column of the table."""
        top, slash, _ = self.path.partition("/")
        if self.path.startswith("states/wrappers/"):
            return "wrappers"
        if self.path.endswith("--help"):
            return "help"
        return top if slash else "root"

    def __str__(self) -> str:
        """Return one line, as a compiler prints it."""
        return f"{self.path}:{self.line}: {self.rule}: `{self.text}` -> {self.instead}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """One banned construction."""

    rule: str
    regex: re.Pattern[str]
    instead: str
    scopes: frozenset[str]


@cache
def banned() -> dict[str, Any]:
    """Return the rules as the data file declares them."""
    return tomli.loads((HERE / "banned.toml").read_text(encoding="utf-8"))


@cache
def patterns() -> tuple[Pattern, ...]:
    """Return the rules for prose."""
    everywhere = ["docs", "heading", "help", "schema", "message", "comment"]
    return tuple(
        Pattern(
            rule=rule,
            regex=_compiled(source),
            instead=instead,
            scopes=frozenset(table.get("scopes", everywhere)),
        )
        for rule, table in banned()["prose"].items()
        for source, instead in table["patterns"].items()
    )


def _compiled(source: str) -> re.Pattern[str]:
    """Let a space match any white space, but not inside a look-behind, which is of fixed width."""
    parts = re.split(r"(\(\?<[!=][^)]*\)|\[[^\]]*\])", source)
    loose = "".join(
        part.replace(" ", " ") if part.startswith(("(?<", "[")) else part.replace(" ", r"\s+")
        for part in parts
    )
    if loose.startswith("(?-i:"):
        return re.compile(loose.replace("(?-i:", "(?:", 1))
    return re.compile(loose, re.IGNORECASE)


@cache
def allowed() -> tuple[dict[str, str], ...]:
    """Return the exceptions, each with its reason."""
    text = (HERE / "allowed.toml").read_text(encoding="utf-8")
    return tuple(tomli.loads(text).get("allow", []))


def exception_for(hit: Hit) -> int | None:
    """Return the index of the exception that covers a hit."""
    for index, entry in enumerate(allowed()):
        if (
            hit.rule == entry["rule"]
            and fnmatch(hit.path, entry.get("path", "*"))
            and re.search(entry["match"], hit.context or hit.text)
        ):
            return index
    return None


def prose_hits(passage: Passage) -> Iterator[Hit]:
    """Yield the offenses in one text; a rule counts overlapping matches once."""
    covered: dict[str, set[int]] = defaultdict(set)
    for pattern in patterns():
        if passage.scope not in pattern.scopes:
            continue
        for match in pattern.regex.finditer(passage.text):
            span = set(range(*match.span()))
            if not span & covered[pattern.rule]:
                covered[pattern.rule] |= span
                yield _of_match(pattern, passage, match)


def _of_match(pattern: Pattern, passage: Passage, match: re.Match[str]) -> Hit:
    text = " ".join(match[0].split()).strip(".;:( ") or match[0]
    lead = len(match[0]) - len(match[0].lstrip(".;:( \n"))
    context = passage.text[max(0, match.start() - 60) : match.end() + 60]
    return Hit(
        rule=pattern.rule,
        path=passage.path,
        line=passage.line_of(match.start() + lead, text),
        text=text,
        instead=pattern.instead,
        context=" ".join(context.split()),
    )


def name_hits(name: Name) -> Iterator[Hit]:
    """Yield the offenses of one bound name."""
    tables = banned()["names"]
    if name.role == "module":
        yield from _looked_up("old-module", name, "module", name.path.removesuffix(".py"))
    if name.role in ("function", "class", "field") and name.path.startswith(PRODUCT):
        yield from _looked_up("old-name", name, "renamed", name.text)
    if name.role == "alias" and name.text in _plurals(name.original):
        yield _of_name("plural-alias", name, "import the module by its own name")
    if name.role != "alias":
        yield from _looked_up("vague-name", name, "bound", name.text.strip("_"))
    for part in parts_of(name.text):
        if replacement := tables["word"]["words"].get(part):
            yield _of_name("word-in-name", name, f"{part}: {replacement}")
    if name.role == "function" and name.text.startswith("test_"):
        yield from _test_name_hits(name)


def _looked_up(rule: str, name: Name, table: str, key: str) -> Iterator[Hit]:
    replacement = banned()["names"][table]["words"].get(key)
    if replacement:
        yield _of_name(rule, name, replacement)


def _test_name_hits(name: Name) -> Iterator[Hit]:
    if len(name.text) > TEST_NAME_LENGTH:
        length = f"at most {TEST_NAME_LENGTH} characters, not {len(name.text)}"
        yield _of_name("long-test-name", name, length)
    if re.search(r"_(?:is|are)_no_(?!longer)|_of_which_", name.text):
        yield _of_name("word-in-name", name, "is_not_a, is_rejected")


def _of_name(rule: str, name: Name, instead: str) -> Hit:
    return Hit(rule=rule, path=name.path, line=name.line, text=name.text, instead=instead)


def _plurals(word: str) -> set[str]:
    return {f"{word}s", f"{word}es", f"{word.removesuffix('y')}ies"}


def parts_of(name: str) -> list[str]:
    """Split a name in snake case or camel case into its parts in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def key_hits(constant: Name) -> Iterator[Hit]:
    """Yield the offense of a string that is an old key."""
    yield from _looked_up("old-key", constant, "key", constant.text)


def section_hits(path: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Hit]:
    """Yield the sections that a docstring lacks."""
    docstring = ast.get_docstring(function)
    if docstring is None or not path.startswith(PRODUCT):
        return
    parameters = _parameters(function)
    missing = []
    if len(parameters) >= 3:
        documented = set(re.findall(r"^ +\*{0,2}(\w+)(?: \([^)]*\))?:", docstring, re.M))
        if "Args:" not in docstring:
            missing.append("Args:")
        else:
            missing += [f"Args: {name}" for name in parameters if name not in documented]
        if _returns_value(function) and not re.search(r"^(Returns|Yields):", docstring, re.M):
            missing.append("Returns: or Yields:")
    if _raises(function) and not re.search(r"^Raises:", docstring, re.M):
        missing.append("Raises:")
    if missing:
        yield Hit(
            rule="docstring-section",
            path=path,
            line=function.lineno,
            text=function.name,
            instead=f"add {', '.join(missing)}",
        )


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    arguments = function.args
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    extra = [part for part in (arguments.vararg, arguments.kwarg) if part]
    return [
        part.arg
        for part in [*parameters, *extra]
        if part.arg not in ("self", "cls") and not part.arg.startswith("_")
    ]


def _returns_value(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    returns = function.returns
    if returns is not None:
        return ast.unparse(returns) not in ("None", "NoReturn", "Never")
    return any(isinstance(node, ast.Return) and node.value for node in _own_nodes(function))


def _raises(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function raises an error of its own; passing one on doesn't count."""
    caught = {node.name for node in _own_nodes(function) if isinstance(node, ast.ExceptHandler)}
    return any(
        isinstance(node, ast.Raise)
        and node.exc is not None
        and not (isinstance(node.exc, ast.Name) and node.exc.id in caught)
        for node in _own_nodes(function)
    )


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            yield child
            yield from _own_nodes(child)


@cache
def references() -> dict[str, str]:
    """Return the old names that no file may mention, in code or in prose, with the new ones."""
    tables = banned()["names"]
    distinct = {
        old: new
        for old, new in tables["renamed"]["words"].items()
        if re.search(r"[a-z]_[a-z]|[a-z][A-Z]", old)
    }
    return {**tables["module"]["words"], **distinct, **tables["option"]["words"]}


@cache
def _reference() -> re.Pattern[str]:
    names = "|".join(re.escape(old).replace("/", "[/.]") for old in references())
    return re.compile(rf"(?<![\w./-])(?:{names})(?!(?<!=)\w)")


@cache
def _keys_in_docs() -> re.Pattern[str]:
    keys = "|".join(map(re.escape, banned()["names"]["key"]["words"]))
    return re.compile(f'[`"]({keys})[`"]')


def reference_hits(path: str, text: str) -> Iterator[Hit]:
    """Yield the lines that mention an old module, function or option, and old keys in docs."""
    for number, row in enumerate(text.splitlines(), 1):
        place = Name(path=path, line=number, text="", role="reference")
        for match in _reference().finditer(row):
            instead = references().get(match[0]) or references()[match[0].replace(".", "/")]
            yield _of_name("old-reference", replace(place, text=match[0]), instead)
        if path.endswith(".md") and (key := _keys_in_docs().search(row)):
            instead = banned()["names"]["key"]["words"][key[1]]
            yield _of_name("old-reference", replace(place, text=key[1]), instead)


def path_hits(path: str, text: str, root: Path = ROOT) -> Iterator[Hit]:
    """Yield the files of the project that a page or a comment mentions and that don't exist."""
    for number, row in enumerate(text.splitlines(), 1):
        for match in _PROJECT_FILE.finditer(row):
            if path.endswith((".md", ".py", ".toml")) and not (root / match[0]).exists():
                place = Name(path=path, line=number, text=match[0], role="reference")
                yield _of_name("missing-file", place, "a file that exists")


def file_hits(path: str, root: Path = ROOT) -> Iterator[Hit]:
    """Yield all offenses in one file, allowed ones included."""
    if path in DATA:
        return
    yield from reference_hits(path, read_text(path, root))
    yield from path_hits(path, read_text(path, root), root)
    for passage in passages(path, root):
        yield from prose_hits(passage)
    for name in names(path, root):
        yield from name_hits(name)
    for constant in constants(path, root):
        yield from key_hits(constant)
    for function in functions(path, root):
        yield from section_hits(path, function)


def every_hit(paths: Iterable[str] = ()) -> list[Hit]:
    """Return the offenses in some paths, or in the whole tree and in `--help`."""
    paths = list(paths)
    hits = [hit for path in tracked(paths) for hit in file_hits(path)]
    if not paths:
        hits += [hit for passage in help_passages() for hit in prose_hits(passage)]
    return hits


def not_allowed(hits: Iterable[Hit]) -> list[Hit]:
    """Return the hits that no exception covers."""
    return [hit for hit in hits if exception_for(hit) is None]


def totals(hits: Iterable[Hit]) -> Counter[tuple[str, str]]:
    """Count hits by rule and area."""
    return Counter((hit.rule, hit.area) for hit in hits)
