"""`converge rollback`: make what was live before live again; offline, at once."""

from __future__ import annotations

import errno
import sys
from functools import partial

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import setup_progress
from engine.errors import ConvergeError
from engine.output.report import to_json
from engine.system.lock import hold_lock
from states.commands.per_venv import print_result
from states.commands.selection import named, one_of, one_venv
from states.venv.generations import hold, previous
from states.venv.generations.gc import is_quarantined
from states.venv.generations.generation import load_generation
from states.venv.generations.store import (
    list_adopted,
    list_generations,
    live_id,
    lock_of,
    publish,
    restore_adopted,
)
from states.venv.layout import store_of
from states.venv.observe import FOREIGN, is_intact, observe
from states.venv.refresh import free_caches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry
    from states.venv.generations.generation import Generation
    from states.venv.generations.hold import Hold
    from states.venv.layout import Store
    from states.venv.spec import Venv


def _options(parser: ArgumentParser) -> None:
    one_venv(parser)
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--to", metavar="ID", help="which generation, or adopted folder; the one before by default"
    )
    either.add_argument("--release", action="store_true", help="let apply go on from here")
    options.add_lock_timeout_option(parser)
    options.add_output_options(parser)


def _rollback(arguments: Namespace, compose: BuildRegistry) -> int:
    setup_progress(arguments)
    progress.start()
    one = named(arguments, compose)
    store = store_of(one.spec.path)
    find = partial(lock_of, store, one.spec.path)
    with progress.task(one.address), hold_lock(find, arguments.lock_timeout, progress.step):
        live = live_id(store)
        if arguments.release:
            changed, target = hold.release(store), live
        else:
            changed, target = True, _target(arguments, store)
            _go_back(store, target, one.spec)
    if arguments.json:
        said = {"address": one.address, "from": live, "generation": target, "changed": changed}
        sys.stdout.write(to_json({**said, "held": not arguments.release}))
    elif arguments.release:
        words = "released" if changed else "was not held"
        print_result([f"{one.address} {words}; the next apply does what is declared"])
    else:
        print_result(
            (
                f"{one.address} is back at {target}, from {live or 'what was there'}",
                "  it is held there until its declaration changes, or until",
                f"  converge rollback {arguments.files[0]} {one.name} --release",
            )
        )
    return 0


def _go_back(store: Store, target: str, spec: Venv) -> None:
    """Hold, then switch: should we be killed between, what is held but not live is nothing."""
    against = hold.spec_digest(spec)
    held = hold.read(store)
    if observe(spec).live == FOREIGN and not (held and held.generation == FOREIGN):
        raise ConvergeError(
            f"`{store.published}` holds something that converge did not make; nothing was done",
            hint="move it away first",
        )
    kept = target in list_adopted(store)
    to = None if kept else _checked(store, target, spec)
    wanted = hold.Hold(FOREIGN if kept else target, against)
    try:
        _switch(store, wanted, to or target)
    except OSError as error:
        # A flush that was refused names no file: what it lost is not there by asking again.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or error.filename is None:
            raise
        # Two symlinks take an inode each, and one to a long name a block.
        free_caches(store, target)
        _switch(store, wanted, to or target)


def _switch(store: Store, wanted: Hold, target: Generation | str) -> None:
    hold.set_hold(store, wanted)
    if isinstance(target, str):
        restore_adopted(store, target)
    else:
        publish(store, target)


def _target(arguments: Namespace, store: Store) -> str:
    if arguments.to is not None:
        return _asked_for(arguments.to, store)
    behind = previous.rollback_candidates(store)
    for one in behind:
        if not is_quarantined(store, one):
            return one
    kept = list_adopted(store)
    if len(kept) == 1 and not behind:
        return kept[0]
    raise ConvergeError(
        "there is no former generation to go back to",
        hint=_choice(store) or "`keep` in the declaration says how many are kept",
    )


def _asked_for(beginning: str, store: Store) -> str:
    every = [*list_adopted(store), *list_generations(store)]
    hint = _choice(store) or "there is none but the live one"
    return one_of(beginning, every, told=f"--to {beginning}", hint=hint)


def _choice(store: Store, tried: str = "") -> str:
    """Say what `--to` can name; empty where there is nothing but what is live, or was tried."""
    there = [*list_adopted(store), *list_generations(store)]
    names = [one for one in there if one not in (live_id(store), tried)]
    return f"`--to` takes the beginning of {' or '.join(names)}" if names else ""


def _checked(store: Store, target: str, spec: Venv) -> Generation:
    generation = load_generation(store, target)
    condition = generation.receipt.python.condition() if generation else ""
    if generation and not condition and is_intact(store, generation.receipt, spec.ignore):
        return generation
    told = "`converge verify --all` says what is wrong"
    what = "is damaged"
    if condition:
        what, told = f"has lost its interpreter, which is {condition}", ""
    raise ConvergeError(
        f"generation {target} {what}; nothing was done",
        hint="; ".join(filter(None, (told, _choice(store, target)))) or None,
    )


COMMAND = Command(
    "rollback", "make a former generation the live one", _options, _rollback, group="Generations"
)
