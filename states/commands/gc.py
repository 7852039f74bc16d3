"""`converge gc`: delete old generations, the remains of interrupted runs, and old cache files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import setup_progress
from engine.errors import UsageError
from engine.frozen import replace
from engine.system.existence import entry_exists
from engine.system.lock import is_held
from states.commands.host.removals import collect_removals
from states.commands.per_venv import address_error, locked_store, print_results, run_per_venv
from states.commands.text.gc import Garbage, Limits, describe, format_garbage
from states.commands.venv_arguments import load_resources
from states.system import cache_expiry, timestamps
from states.venv.generations.access import lock_of
from states.venv.generations.gc import collect, collectable, has_damage
from states.venv.generations.recovery import (
    clean_up_interrupted,
    find_unfinished,
    undeletable,
)
from states.venv.integrity.receipt import read_receipt
from states.venv.layout import store_of
from states.wheelhouse.generations import collect as wheelhouse_gc
from states.wheelhouse.store.wheels import list_wheels

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable

    from engine.cli.command import BuildRegistry
    from engine.resource import Resource
    from states.venv.layout import Store

_UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def _add_arguments(parser: ArgumentParser) -> None:
    options.add_files_argument(parser)
    parser.add_argument(
        "--keep",
        type=_non_negative,
        metavar="N",
        help="Previous generations to keep (default: `keep` in the declaration)",
    )
    parser.add_argument(
        "--older-than",
        metavar="AGE",
        help="Delete only generations older than AGE, such as 12h, 30d, or 8w",
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="Only list, and delete nothing"
    )
    options.add_lock_timeout_option(parser)
    options.add_output_options(parser)


def _gc(arguments: Namespace, build_registry: BuildRegistry) -> int:
    setup_progress(arguments)
    progress.start()
    min_age_s = parse_age(arguments.older_than) if arguments.older_than is not None else 0
    collectors = {
        "venv": _collect,
        "wheelhouse": _collect_wheelhouse,
        "global": collect_removals,
    }
    _, resources = load_resources(arguments, build_registry)
    present = [
        resource
        for resource in resources
        if resource.kind in collectors and getattr(resource.spec, "state", "present") == "present"
    ]

    def collect_resource(resource: Resource) -> Garbage:
        return collectors[resource.kind](resource, arguments=arguments, min_age_s=min_age_s)

    garbage, errors = run_per_venv(present, collect_resource)
    for address, entries in garbage.items():
        for error in entries.unreadable:
            errors[address] = address_error(address, error)
    expired = cache_expiry.expired(options.build_settings(arguments).cache)
    if not arguments.dry_run:
        cache_expiry.delete(expired)
    lines = [*format_garbage(garbage, len(expired), dry_run=arguments.dry_run)]
    document = {
        "dry_run": arguments.dry_run,
        "removed": {address: entries.generations for address, entries in garbage.items()},
        "removed_wheels": {
            address: [file for file, _ in entries.wheels]
            for address, entries in garbage.items()
            if entries.wheels
        },
        "unfinished": {address: entries.unfinished for address, entries in garbage.items()},
        "expired_cache_files": len(expired),
        "freed_bytes": {address: entries.freed for address, entries in garbage.items()},
        "kept": {address: dict(entries.kept) for address, entries in garbage.items()},
    }
    return print_results(document, lines, errors, arguments)


def _collect(venv: Resource, *, arguments: Namespace, min_age_s: int) -> Garbage:
    """Delete the garbage in the store of one venv, or only list it in a dry run.

    Args:
        venv: The venv.
        arguments: The parsed arguments.
        min_age_s: Minimum age of a deleted generation, in seconds.

    Returns:
        The deleted entries.

    """
    store = store_of(venv.spec.path)
    if lock_of(store, venv.spec.path) is None:
        return Garbage()
    keep = venv.spec.keep if arguments.keep is None else arguments.keep
    if arguments.dry_run:
        # While another process holds the lock, its build looks like an unfinished one.
        remains = [] if is_held(store.lock) else find_unfinished(store)
        candidates, too_young, unreadable = _collectable(venv, store, keep, min_age_s)
        limits = Limits(keep, arguments.older_than or "", too_young)
        return describe(store, Garbage(candidates, tuple(remains), unreadable), limits)
    with locked_store(venv, arguments):
        remains = clean_up_interrupted(store)
        candidates, too_young, unreadable = _collectable(venv, store, keep, min_age_s)
        limits = Limits(keep, arguments.older_than or "", too_young)
        described = describe(store, Garbage(candidates, tuple(remains), unreadable), limits)
        deleted = collect(store, candidates)
        _warn_about_undeletable(store, candidates)
    return replace(described, generations=tuple(deleted))


def _collect_wheelhouse(wheelhouse: Resource, *, arguments: Namespace, min_age_s: int) -> Garbage:
    """Delete the garbage in the store of one wheelhouse, or only list it in a dry run.

    Args:
        wheelhouse: The wheelhouse.
        arguments: The parsed arguments.
        min_age_s: Minimum age of a deleted generation, in seconds.

    Returns:
        The deleted entries.

    Raises:
        ConvergeError, OSError: The store can't be read, locked, or changed.

    """
    store = store_of(wheelhouse.spec.path)
    if lock_of(store, wheelhouse.spec.path) is None:
        return Garbage()
    keep = wheelhouse.spec.keep if arguments.keep is None else arguments.keep
    limits = Limits(keep, arguments.older_than or "")
    if arguments.dry_run:
        # While another process holds the lock, its generation looks like an unfinished one.
        unfinished = [] if is_held(store.lock) else find_unfinished(store)
        return _describe_wheelhouse(store, unfinished, limits, min_age_s)
    with locked_store(wheelhouse, arguments):
        unfinished = clean_up_interrupted(store)
        described = _describe_wheelhouse(store, unfinished, limits, min_age_s)
        garbage = wheelhouse_gc.find_garbage(store, keep, min_age_s)
        wheelhouse_gc.delete_retained(store, garbage)
        wheelhouse_gc.collect(store, garbage)
    return described


def _describe_wheelhouse(
    store: Store, unfinished: list[str], limits: Limits, min_age_s: int
) -> Garbage:
    """Return the garbage of a store with its sizes, and why the other generations stay.

    Args:
        store: The store.
        unfinished: The entries that interrupted runs left.
        limits: The number of previous generations to keep, and the minimum age as text.
        min_age_s: The minimum age in seconds.

    Returns:
        The entries.

    """
    garbage = wheelhouse_gc.find_garbage(store, limits.keep, min_age_s)
    wheels = list_wheels(store)
    rows = tuple(
        (wheels[digest].file, wheels[digest].size) if digest in wheels else (digest, 0)
        for digest in garbage.wheels
    )
    entries = Garbage(garbage.generations, tuple(unfinished), wheels=rows)
    return describe(store, entries, limits)


def _warn_about_undeletable(store: Store, candidates: Iterable[str]) -> None:
    """Print a warning for each entry that still exists after the deletion."""
    # An immutable directory can't even be moved: it is still in its place.
    unmoved = [
        f"generations/{generation}"
        for generation in candidates
        if entry_exists(store.generation(generation))
    ]
    for name in (*undeletable(store), *find_unfinished(store), *unmoved):
        progress.write_stderr(f"warning: can't delete `{store.root}/{name}`\n")


def _collectable(
    venv: Resource, store: Store, keep: int, min_age_s: int
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[OSError, ...]]:
    """Return the generations to delete, the younger ones, and the errors of unreadable ones.

    A generation that can't be read is neither damaged nor old: it stays.

    Args:
        venv: The venv.
        store: Its store.
        keep: The number of previous generations to keep.
        min_age_s: Minimum age of a deleted generation, in seconds.

    Returns:
        The IDs to delete, the IDs that are too young, and the errors.

    """
    old: list[str] = []
    too_young: list[str] = []
    errors: list[OSError] = []
    is_damaged = partial(has_damage, store, venv.spec.ignore)
    for generation in collectable(
        store, keep, is_damaged=is_damaged, include_quarantined=True, errors=errors
    ):
        try:
            is_old = _age_s(store, generation) >= min_age_s
            (old if is_old else too_young).append(generation)
        except OSError as error:
            errors.append(error)
    return tuple(old), tuple(too_young), tuple(errors)


def _age_s(store: Store, generation: str) -> float:
    """Return the age by the receipt, in seconds. Without a valid receipt, it is infinite.

    Raises:
        OSError: The receipt can't be read.

    """
    record = read_receipt(store.generation(generation))
    return timestamps.seconds_since(record.created) if record else float("inf")


def _non_negative(argument: str) -> int:
    from argparse import ArgumentTypeError

    if not argument.isdecimal():
        raise ArgumentTypeError(f"invalid number: `{argument}`")
    return int(argument)


def parse_age(age: str) -> int:
    """Return an age such as `30d` in seconds.

    Raises:
        UsageError: The age isn't a whole number with a unit.

    """
    number, unit = age[:-1], age[-1:]
    if not (number.isascii() and number.isdecimal()) or unit not in _UNIT_SECONDS:
        raise UsageError(
            f"invalid age: `{age}`",
            hint="write a number and a unit, such as 90m, 12h, 30d, or 8w",
        )
    return int(number) * _UNIT_SECONDS[unit]


COMMAND = Command(
    "gc",
    "Delete old generations, removals, and unused cache entries",
    _add_arguments,
    _gc,
    group="Generations",
    description="""\
Keeps live, held, and pinned generations, and those that a process runs from. Also deletes the
remains of interrupted runs, and cache files that haven't been used for 90 days.""",
    examples=("converge gc site.toml --dry-run", "converge gc site.toml --keep 0 --older-than 30d"),
)
