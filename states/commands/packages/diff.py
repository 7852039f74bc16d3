"""`converge diff`: compare two generations of a venv: packages and files. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.cli import options
from engine.cli.command import Command
from engine.errors import ConvergeError, IntegrityError, UsageError
from engine.frozen import as_items
from states.commands.history import describe_changes
from states.commands.per_venv import print_result
from states.commands.text.diff import format_diff
from states.commands.venv_arguments import (
    add_venv_arguments,
    find_venv,
    match_prefix,
    select_venvs,
)
from states.venv.generations.store import list_generations, live_id
from states.venv.integrity.receipt import read_receipt
from states.venv.layout import store_of
from states.venv.questions.compare import file_changes

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from engine.cli.command import BuildRegistry
    from engine.resource import Resource
    from states.venv.integrity.receipt import Receipt
    from states.venv.layout import Store


def _add_arguments(parser: ArgumentParser) -> None:
    add_venv_arguments(parser)
    parser.add_argument(
        "identifiers",
        nargs="*",
        metavar="ID",
        help="One or two generation IDs, or unique prefixes of them. One is compared with the "
        "live generation (default: the one before it, and the live generation)",
    )
    parser.add_argument(
        "--files", dest="every_file", action="store_true", help="List every file that differs"
    )
    options.add_document_options(parser)


def _diff(arguments: Namespace, build_registry: BuildRegistry) -> int:
    venv, identifiers = _select(arguments, select_venvs(arguments, build_registry))
    store = store_of(venv.spec.path)
    old, new = (_receipt(store, name) for name in _generations(store, identifiers, venv.address))
    document = {
        "address": venv.address,
        "before": old.generation,
        "after": new.generation,
        "changes": [*describe_changes(old, new)],
        "files": [dict(as_items(change)) for change in file_changes(old, new)],
    }
    print_result(document, format_diff(document, every_file=arguments.every_file), arguments)
    return 0


def _select(arguments: Namespace, venvs: Sequence[Resource]) -> tuple[Resource, list[str]]:
    """Return the venv and the IDs that the arguments name. The name of the only venv is optional.

    Raises:
        UsageError: No venv has that name, or there are too many IDs.

    """
    name, identifiers = arguments.name, [*arguments.identifiers]
    is_venv = name is None or any(name in (venv.name, venv.address) for venv in venvs)
    if not is_venv and len(venvs) == 1 and name[:1].isdigit():
        name, identifiers = None, [name, *identifiers]
    if len(identifiers) > 2:
        raise UsageError(
            f"too many generation IDs: {', '.join(identifiers)}", hint="name at most two"
        )
    return find_venv(venvs, name), identifiers


def _generations(store: Store, identifiers: Sequence[str], address: str) -> tuple[str, str]:
    """Return the generations to compare, the one before the change first.

    Args:
        store: The store of the venv.
        identifiers: Up to two IDs or prefixes of them.
        address: The address of the venv.

    Returns:
        The IDs of both generations.

    Raises:
        UsageError: An ID matches no generation, or several.
        ConvergeError: No generation is live, or there is none before it.

    """
    generations, live = list_generations(store), live_id(store)
    hint = f"`converge history` lists the generations of {address}"
    named = [match_prefix(identifier, generations, hint=hint) for identifier in identifiers]
    if len(named) == 2:
        return named[0], named[1]
    if live is None:
        raise ConvergeError(f"{address} has no live generation", hint=f"name two; {hint}")
    if not named:
        earlier = generations[: generations.index(live)] if live in generations else generations
        if not earlier:
            raise ConvergeError(f"{address} has no generation before the live one", hint=hint)
        named = earlier[-1:]
    if named[0] == live:
        raise UsageError(f"generation {live} is live", hint=f"name another one; {hint}")
    return named[0], live


def _receipt(store: Store, name: str) -> Receipt:
    receipt = read_receipt(store.generation(name))
    if receipt is None:
        raise IntegrityError(
            f"the receipt of generation {name} is missing or damaged",
            hint="compare another generation; `converge history` lists them",
        )
    return receipt


COMMAND = Command(
    "diff",
    "Compare two generations of a venv",
    _add_arguments,
    _diff,
    group="Generations",
    is_read_only=True,
    description="""\
Prints the interpreter, the packages, and the files that differ, from the records of both
generations. Bytecode isn't compared, because it follows from the sources.""",
    examples=("converge diff site.toml web", "converge diff site.toml web 000003 --files"),
)
