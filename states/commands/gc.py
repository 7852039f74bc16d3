"""`converge gc`: remove what nobody needs any more: former generations, and old memories."""

from __future__ import annotations

import os
from functools import partial

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import setup_progress
from engine.errors import UsageError
from engine.system.lock import hold_lock, is_held
from states.commands.per_venv import format_results, run_per_venv
from states.commands.selection import venvs
from states.system import timestamps
from states.system.cache_expiry import delete, expired
from states.venv.generations.gc import collect, collectable
from states.venv.generations.recovery import (
    clean_up_interrupted,
    find_unfinished,
    undeletable,
)
from states.venv.generations.store import lock_of
from states.venv.integrity import receipt as receipts
from states.venv.layout import store_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry
    from engine.resource import Resource
    from states.venv.layout import Store

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def _options(parser: ArgumentParser) -> None:
    options.add_files_argument(parser)
    parser.add_argument(
        "--keep", type=_whole, metavar="N", help="former ones to keep (as declared)"
    )
    parser.add_argument("--older-than", metavar="AGE", help="only those older, as in 12h, 30d, 8w")
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed")
    options.add_lock_timeout_option(parser)
    options.add_output_options(parser)


def _gc(arguments: Namespace, compose: BuildRegistry) -> int:
    setup_progress(arguments)
    progress.start()
    oldest = _seconds(arguments.older_than) if arguments.older_than is not None else 0
    gone, failed = run_per_venv(
        venvs(arguments, compose), lambda one: _collect(one, arguments, oldest)
    )
    forgotten = expired(options.build_settings(arguments).cache)
    if not arguments.dry_run:
        delete(forgotten)
    word = "would be removed" if arguments.dry_run else "removed"
    lines = [
        f"- {address} {name} {word}"
        for address, (generations, left) in gone.items()
        for name in (*generations, *(f"{one}, left by an interrupted run," for one in left))
    ]
    if forgotten:
        lines.append(f"- {len(forgotten)} files of the cache, long unused, {word}")
    if not lines and not failed:
        lines.append("nothing to remove")
    document = {
        "dry_run": arguments.dry_run,
        "removed": {address: generations for address, (generations, _) in gone.items()},
        "unfinished": {address: left for address, (_, left) in gone.items()},
        "expired_cache_files": len(forgotten),
    }
    return format_results(document, lines, failed, arguments)


def _collect(one: Resource, arguments: Namespace, oldest: int) -> tuple[list[str], list[str]]:
    """Remove what may go of one venv, or only find it in a dry run.

    Returns the generations, and what interrupted runs left.
    """
    store = store_of(one.spec.path)
    find = partial(lock_of, store, one.spec.path)
    if find() is None:
        return [], []
    keep = one.spec.keep if arguments.keep is None else arguments.keep
    if arguments.dry_run:
        # What an engine is making now looks like what one left.
        left = [] if is_held(store.lock) else find_unfinished(store)
        return _going(store, keep, oldest), left
    with progress.task(one.address), hold_lock(find, arguments.lock_timeout, progress.step):
        left = clean_up_interrupted(store)
        going = _going(store, keep, oldest)
        gone = collect(store, going)
        # What cannot even be put aside, as a folder that is itself immutable, is where it was.
        there = [f"generations/{one}" for one in going if os.path.exists(store.generation(one))]
        for name in (*undeletable(store), *find_unfinished(store), *there):
            progress.write_stderr(f"! `{store.root}/{name}` cannot be removed\n")
    return gone, left


def _going(store: Store, keep: int, oldest: int) -> list[str]:
    going = collectable(store, keep, quarantined=True)
    return [one for one in going if _age(store, one) >= oldest]


def _age(store: Store, identifier: str) -> float:
    """Return how many seconds ago a generation was made, as its receipt says; a torn one is old."""
    receipt = receipts.read(store.generation(identifier))
    if receipt is None:
        return float("inf")
    return timestamps.seconds_since(receipt.created)


def _whole(text: str) -> int:
    from argparse import ArgumentTypeError

    if not text.isdecimal():
        raise ArgumentTypeError(f"must be a whole number, found `{text}`")
    return int(text)


def _seconds(text: str) -> int:
    if not text[:-1].isdecimal() or text[-1] not in _UNITS:
        raise UsageError(f"`{text}` is no age", hint="write it as 90m, 12h, 30d or 8w")
    return int(text[:-1]) * _UNITS[text[-1]]


COMMAND = Command(
    "gc",
    "remove what nobody needs any more",
    _options,
    _gc,
    group="Generations",
)
