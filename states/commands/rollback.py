"""`converge rollback`: switch back to a previous generation, offline and in one step."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import setup_progress
from engine.errors import ConvergeError
from states.commands.per_venv import locked_store, print_result
from states.commands.venv_arguments import add_venv_arguments, match_prefix, select_venv
from states.venv.generations.gc import has_damage, is_quarantined
from states.venv.generations.generation import load_generation
from states.venv.generations.hold import Hold, read_hold, release_hold, set_hold, spec_digest
from states.venv.generations.previous import rollback_candidates
from states.venv.generations.store import (
    list_adopted,
    list_generations,
    live_id,
    publish,
    restore_adopted,
)
from states.venv.integrity.intact import is_intact
from states.venv.observe import FOREIGN, observe
from states.venv.refresh import free_caches

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from engine.cli.command import BuildRegistry
    from states.venv.generations.generation import Generation
    from states.venv.layout import Store
    from states.venv.spec import Venv


def _add_arguments(parser: ArgumentParser) -> None:
    add_venv_arguments(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--to",
        metavar="ID",
        help="Generation or adopted backup, or a unique prefix of its ID "
        "(default: the previous generation)",
    )
    group.add_argument(
        "--release",
        action="store_true",
        help="Stop holding the venv, so that the next apply updates it",
    )
    options.add_lock_timeout_option(parser)
    options.add_output_options(parser)


def _rollback(arguments: Namespace, build_registry: BuildRegistry) -> int:
    setup_progress(arguments)
    progress.start()
    venv = select_venv(arguments, build_registry)
    with locked_store(venv, arguments) as store:
        live = live_id(store)
        if arguments.release:
            changed, target = release_hold(store), live
        else:
            changed, target = True, _select_target(store, arguments.to, venv.spec)
            _switch_back(store, target, venv.spec)
    document = {
        "address": venv.address,
        "from": live,
        "generation": target,
        "changed": changed,
        "held": not arguments.release,
    }
    if arguments.release:
        released = "no longer held" if changed else "wasn't held"
        lines = [f"{venv.address}: {released}; the next apply updates it"]
    else:
        lines = [
            f"{venv.address}: switched to {target}" + (f" from {live}" if live else ""),
            "  It is held until its declaration changes. To resume updates, run:",
            f"    converge rollback {arguments.files[0]} {venv.name} --release",
        ]
    print_result(document, lines, arguments)
    return 0


def _switch_back(store: Store, target: str, spec: Venv) -> None:
    """Hold the venv at a generation or an adopted backup, and publish it.

    INVARIANT: hold first, then switch. If the process is killed in between, another intact
    generation is live, and such a hold has no effect.

    Args:
        store: The store of the venv. Its lock must be held.
        target: The ID of a generation, or the name of an adopted backup.
        spec: The spec of the venv. The hold ends when it changes.

    Raises:
        ConvergeError: The target is damaged, or the path contains a directory that converge
            didn't create. Nothing was changed.
        OSError: The disk is full, even after the caches in the store are deleted.

    """
    current = read_hold(store)
    if observe(spec).live_id == FOREIGN and not (current and current.generation == FOREIGN):
        raise ConvergeError(
            f"`{store.published}` exists and wasn't created by converge",
            hint="nothing was changed; move it, then run the command again",
        )
    is_backup = target in list_adopted(store)
    destination = target if is_backup else _load_intact(store, target, spec)
    new_hold = Hold(FOREIGN if is_backup else target, spec_digest(spec))
    try:
        _publish_held(store, new_hold, destination)
    except OSError as error:
        # A failed sync has no file name. Another attempt can't restore the lost writes.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or error.filename is None:
            raise
        # Each of the two symlinks takes an inode, and with a long target also a block.
        free_caches(store, target)
        _publish_held(store, new_hold, destination)


def _publish_held(store: Store, new_hold: Hold, destination: Generation | str) -> None:
    set_hold(store, new_hold)
    if isinstance(destination, str):
        restore_adopted(store, destination)
    else:
        publish(store, destination)


def _select_target(store: Store, prefix: str | None, spec: Venv) -> str:
    """Return the generation or the adopted backup to switch to.

    Without a prefix, this is the most likely candidate that isn't damaged, or if no generation
    is left, the only backup.

    Args:
        store: The store of the venv.
        prefix: The argument of `--to`, if any.
        spec: The spec of the venv, which sets the ignored paths.

    Returns:
        The ID of the generation, or the name of the backup.

    Raises:
        UsageError: Nothing matches the prefix, or several entries do.
        ConvergeError: There is no previous generation.

    """
    backups = list_adopted(store)
    if prefix is not None:
        hint = _describe_choices(store) or "no other generation exists"
        return match_prefix(prefix, [*backups, *list_generations(store)], hint=hint)
    candidates = rollback_candidates(store)
    unmarked = [name for name in candidates if not is_quarantined(store, name)]
    for generation in unmarked:
        if not has_damage(store, spec.ignore, generation):
            return generation
        progress.step(f"skipping generation {generation}, which is damaged")
    if unmarked:
        return unmarked[0]  # Its damage is the error.
    if len(backups) == 1 and not candidates:
        return backups[0]
    raise ConvergeError(
        "no previous generation to switch to",
        hint=_describe_choices(store) or "`keep` in the declaration sets how many are kept",
    )


def _describe_choices(store: Store, rejected: str = "") -> str:
    """Return a hint that lists the arguments of `--to`. Empty if only the live one is left.

    Args:
        store: The store of the venv.
        rejected: A generation that can't be selected.

    """
    entries = [*list_adopted(store), *list_generations(store)]
    choices = [name for name in entries if name not in (live_id(store), rejected)]
    return f"`--to` accepts a prefix of {' or '.join(choices)}" if choices else ""


def _load_intact(store: Store, target: str, spec: Venv) -> Generation:
    """Load a generation, and compare its files with the manifest.

    Args:
        store: The store of the venv.
        target: The ID of the generation.
        spec: The spec of the venv, which sets the ignored paths.

    Returns:
        The generation.

    Raises:
        ConvergeError: The generation is damaged, or its interpreter has changed.

    """
    generation = load_generation(store, target)
    interpreter_drift = generation.receipt.python.drift() if generation else ""
    if generation and not interpreter_drift and is_intact(store, generation.receipt, spec.ignore):
        return generation
    if generation and interpreter_drift:
        value = generation.receipt.python.attribute(interpreter_drift)
        message = f"the interpreter of generation {target} has drifted: {value}"
    else:
        message = f"damaged generation: {target}"
    raise ConvergeError(message, hint="; ".join(_rejection_hints(store, target, interpreter_drift)))


def _rejection_hints(store: Store, target: str, interpreter_drift: str) -> Iterator[str]:
    """Explain what the user can do about a generation that can't be published.

    Args:
        store: The store of the venv.
        target: The ID of the generation.
        interpreter_drift: The drift of its interpreter. Without it, the files are damaged.

    Yields:
        The parts of the hint.

    """
    yield "nothing was changed"
    if not interpreter_drift:
        yield "`converge verify --all` lists the damage"
    choices = _describe_choices(store, target)
    if choices:
        yield choices


COMMAND = Command(
    "rollback",
    "Switch back to a previous generation",
    _add_arguments,
    _rollback,
    group="Generations",
    description="""\
Works offline and on a full disk. The venv is then held: `converge apply` doesn't update it
until its declaration changes or you pass `--release`.""",
    examples=(
        "converge rollback site.toml web",
        "converge rollback site.toml web --to 000004",
        "converge rollback site.toml web --release",
    ),
)
