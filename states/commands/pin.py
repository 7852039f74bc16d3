"""`converge pin`: exclude a generation from garbage collection."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import setup_progress
from engine.errors import ConvergeError, PermissionDenied
from engine.system.existence import entry_exists
from engine.system.files import fsync_dir, symlink
from states.commands.per_venv import locked_store, print_result
from states.commands.venv_arguments import add_venv_arguments, match_prefix, select_venv
from states.venv.generations.store import list_generations, live_id
from states.venv.integrity.receipt import is_protected
from states.venv.layout import PINNED

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry
    from states.venv.layout import Store


def _add_arguments(parser: ArgumentParser) -> None:
    add_venv_arguments(parser)
    parser.add_argument(
        "identifier",
        nargs="?",
        metavar="ID",
        help="Generation ID or a unique prefix of it (default: the live generation)",
    )
    parser.add_argument("--remove", action="store_true", help="Remove the pin")
    options.add_lock_timeout_option(parser)
    options.add_output_options(parser)


def _pin(arguments: Namespace, build_registry: BuildRegistry) -> int:
    setup_progress(arguments)
    progress.start()
    venv = select_venv(arguments, build_registry)
    pinned = not arguments.remove
    with locked_store(venv, arguments) as store:
        generation = _select_generation(store, arguments.identifier, venv.address)
        changed = _set_pin(store, generation, pinned=pinned)
    document = {
        "address": venv.address,
        "generation": generation,
        "pinned": pinned,
        "changed": changed,
    }
    kept = "pinned; gc keeps it until `--remove`" if pinned else "not pinned; gc may delete it"
    print_result(document, [f"{venv.address} {generation}: {kept}"], arguments)
    return 0


def _set_pin(store: Store, generation: str, *, pinned: bool) -> bool:
    """Create or delete the pin of a generation, under the lock of the store.

    The pin is a symlink: it needs no disk space, so it can be created on a full disk.

    Args:
        store: The store of the venv.
        generation: The ID of an existing generation.
        pinned: Whether the pin must exist.

    Returns:
        Whether the pin was created or deleted.

    Raises:
        PermissionDenied: Another user owns the metadata of the generation, or can write to it.

    """
    root = store.generation(generation)
    if not is_protected(root):
        raise PermissionDenied(
            f"unsafe metadata of generation {generation}: another user can write to it",
            hint="run `converge pin` as the user who built the generation",
        )
    pin = f"{root}/{PINNED}"
    changed = entry_exists(pin) != pinned
    if changed and pinned:
        symlink("pinned", pin)
    elif changed:
        os.unlink(pin)
    fsync_dir(os.path.dirname(pin))
    return changed


def _select_generation(store: Store, prefix: str | None, address: str) -> str:
    """Select the generation that the user named, or the live one.

    Args:
        store: The store of the venv.
        prefix: A prefix of an ID. Without it, the live generation is selected.
        address: The address of the venv, for the error.

    Returns:
        The ID of the generation.

    Raises:
        UsageError: No ID matches the prefix, or several do.
        ConvergeError: The venv has no live generation.

    """
    generations, live = list_generations(store), live_id(store)
    hint = "`converge apply` creates the first generation"
    if generations:
        hint = f"generations: {', '.join(generations)}"
    if prefix is not None:
        return match_prefix(prefix, generations, hint=hint)
    if live is None or live not in generations:
        raise ConvergeError(f"no live generation to pin: `{address}`", hint=hint)
    return live


COMMAND = Command(
    "pin",
    "Exclude a generation from garbage collection",
    _add_arguments,
    _pin,
    group="Generations",
    examples=("converge pin site.toml web", "converge pin site.toml web 000004 --remove"),
)
