"""Writes the reference pages from the code that they describe.

`python -m docs.generate` writes them; a test asserts that they are up to date. A template
is a page in which a line `{{word argument}}` stands for something that the code knows:
the keys of a kind, the options of a verb, the exit codes, the shape of the JSON. What a
key means beyond its own description stands in `templates/keys.toml`.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import tomli

from engine import errors
from engine.cli.commands import COMMANDS
from engine.declaration.json_schema import declaration_schema, output_schema
from engine.declaration.validate import key_of
from engine.frozen import REQUIRED, fields
from engine.output import report_schema
from engine.settings import Settings
from states.__main__ import build_registry
from states.commands import commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.cli.command import Command

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
REFERENCE = HERE / "reference"
_DIRECTIVE = re.compile(r"^\{\{(\w+)(?: (\S+))?\}\}$", re.MULTILINE)
_NOTICE = "<!-- Written by `python -m docs.generate`; edit its template instead. -->\n\n"


def pages() -> dict[Path, str]:
    """Return the content of every generated file."""
    composition = build_registry(Settings(cache="", state=""))
    words = tomli.loads((TEMPLATES / "keys.toml").read_text(encoding="utf-8"))
    fill: dict[str, Callable[[str], str]] = {
        "keys": lambda kind: _keys(composition.kinds[kind].spec, words[kind]),
        "shape": lambda name: _shape(name, words[name]),
        "exits": lambda _: _exits(),
        "verbs": lambda _: _overview(),
        "options": _options,
    }
    found = {}
    for template in sorted(TEMPLATES.glob("*.md")):
        text = template.read_text(encoding="utf-8")
        if template.stem == "command":
            _same(
                set(every_verb()), set(re.findall(r"^\{\{options (\w+)\}\}$", text, re.M)), "verbs"
            )
        filled = _DIRECTIVE.sub(lambda match: fill[match[1]](match[2] or ""), text)
        found[REFERENCE / template.name] = _NOTICE + filled
    for name, schema in (
        ("converge.schema.json", declaration_schema(composition)),
        ("output.schema.json", output_schema()),
    ):
        found[REFERENCE / name] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return found


def every_verb() -> dict[str, Command]:
    """Return all verbs by name, in the order of the overview."""
    return {verb.name: verb for verb in (*COMMANDS, *commands(""))}


def parser_of(verb: Command) -> argparse.ArgumentParser:
    """Return the parser of a verb's own words."""
    parser = argparse.ArgumentParser(f"converge {verb.name}", add_help=False, allow_abbrev=False)
    verb.options(parser)
    return parser


def _keys(spec: type[Any], words: dict[str, str]) -> str:
    hints = get_type_hints(spec, localns={"Literal": Literal, "Any": Any})
    columns = {
        key_of(name): (name, field) for name, field in fields(spec).items() if not field.derived
    }
    _same(set(columns), set(words), f"keys of {spec.__name__}")
    rows = [
        (
            f"`{key}`",
            _type(hints[name]),
            "required" if field.default is REQUIRED else f"`{_toml(field.default)}`",
            f"{field.description} {words[key]}".strip(),
        )
        for key, (name, field) in columns.items()
    ]
    return _table(("key", "type", "default", "meaning"), rows)


def _shape(name: str, words: dict[str, str]) -> str:
    hints = get_type_hints(getattr(report_schema, name))
    _same(set(hints), set(words), f"keys of {name}")
    rows = [(f"`{key}`", _type(hint), words[key]) for key, hint in hints.items()]
    return _table(("key", "type", "meaning"), rows)


def _exits() -> str:
    rows = [
        (f"`{one.code}`", f"`{one.name}`", "yes" if one.retryable else "no", _when(one))
        for one in sorted(_below(errors.ConvergeError), key=lambda one: (one.code, one.name))
    ]
    return _table(("exit", "class", "retryable", "when"), rows)


def _overview() -> str:
    rows = [(f"[`{verb.name}`](#{verb.name})", verb.summary) for verb in every_verb().values()]
    return _table(("verb", "what it does"), rows)


def _options(name: str) -> str:
    rows = [
        (f"`{_called(action)}`", (action.help or "") + _choices(action))
        for action in parser_of(every_verb()[name])._actions  # noqa: SLF001  # argparse tells it nowhere else
    ]
    return _table(("argument", "meaning"), rows)


def _called(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest.upper())
    if not action.option_strings:
        many = "…" if action.nargs in ("+", "*") else ""
        return f"[{name}]" if action.nargs == "?" else f"{name}{many}"
    flag = action.option_strings[0]
    return flag if action.nargs == 0 else f"{flag} {name}"


def _choices(action: argparse.Action) -> str:
    if not action.choices:
        return ""
    shown = ", ".join(f"`{one}`" for one in action.choices)
    return f" ({shown})" if action.help else shown


def _type(hint: Any) -> str:
    """Name a type in the words of TOML and JSON."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(f'`"{one}"`' for one in inside)
    if origin in (tuple, list):
        return f"array of {_type(inside[0])}s"
    if origin is dict:
        return f"object of {_type(inside[1])}s"
    if inside:
        return " or ".join(_type(one) for one in inside)
    plain = {str: "string", int: "number", bool: "boolean", type(None): "null"}
    return plain.get(hint, f"[{hint.__name__}](#{hint.__name__.lower()})")


def _toml(default: object) -> str:
    return "[]" if default == () else json.dumps(default)


def _when(one: type[errors.ConvergeError]) -> str:
    if one is errors.ConvergeError:
        return "Anything that has no class of its own, or failures of several classes."
    return (one.__doc__ or "").partition("\n")[0]


def _below(kind: type[errors.ConvergeError]) -> Iterator[type[errors.ConvergeError]]:
    """Yield an error and all of its kinds, as far as they have an exit code of their own."""
    from engine.declaration.diagnostics import DeclarationError

    for one in (kind, *kind.__subclasses__()):
        if one.__module__ == errors.__name__ or one is DeclarationError:
            yield one


def _same(have: set[str], told: set[str], what: str) -> None:
    if have != told:
        raise SystemExit(f"the templates and the code differ in the {what}: {have ^ told}")


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in lines
    )


def main() -> None:
    """Write all generated files."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(HERE.parent))


if __name__ == "__main__":
    main()
