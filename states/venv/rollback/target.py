"""Roll a venv back: select what to publish, and publish it. A rollback holds the venv."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import ConvergeError
from states.venv.generations.gc import has_damage, is_quarantined
from states.venv.generations.generation import load_generation
from states.venv.generations.hold import Hold, read_hold, set_hold, spec_digest
from states.venv.generations.previous import rollback_candidates
from states.venv.generations.store import (
    list_adopted,
    list_generations,
    live_id,
    publish,
    restore_adopted,
)
from states.venv.integrity.intact import is_intact
from states.venv.integrity.receipt import read_receipt
from states.venv.observe import FOREIGN, observe, published_state
from states.venv.refresh import free_caches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.venv.generations.generation import Generation
    from states.venv.generations.runs import PublishedBy
    from states.venv.layout import Store
    from states.venv.spec import Venv


def published_id(store: Store) -> str:
    """Return the live generation, `foreign` for content of others, or an empty string."""
    return FOREIGN if published_state(store)[0] == FOREIGN else live_id(store) or ""


def previous_target(store: Store, spec: Venv) -> str:
    """Return the generation or the adopted backup that was published before.

    This is the most likely candidate that isn't damaged, or if no generation is left, the only
    backup.

    Args:
        store: The store of the venv.
        spec: The spec of the venv, which sets the ignored paths.

    Returns:
        The ID of the generation, or the name of the backup.

    Raises:
        ConvergeError: There is none.

    """
    backups, candidates = list_adopted(store), rollback_candidates(store)
    unmarked = [name for name in candidates if not is_quarantined(store, name)]
    for generation in unmarked:
        if not has_damage(store, spec.ignore, generation):
            return generation
        progress.step(f"skipping generation {generation}, which is damaged")
    if unmarked:
        return unmarked[0]  # Its damage is the error.
    if len(backups) == 1 and not candidates:
        return backups[0]
    if not list_generations(store) and not backups:
        raise ConvergeError(
            "no generation to switch to", hint="run `converge apply`, which creates the first one"
        )
    raise ConvergeError(
        "no previous generation to switch to",
        hint=describe_choices(store) or "`keep` in the declaration sets how many are kept",
    )


def target_before_run(store: Store, published_by: PublishedBy) -> str:
    """Return the generation or the adopted backup that a run replaced.

    If the run only repaired the venv, the result is the repaired generation: the earlier one had
    the same content, but is damaged.

    Args:
        store: The store of the venv.
        published_by: The record of the run.

    Returns:
        The ID of the generation, or the name of the backup.

    Raises:
        ConvergeError: The run created the venv, or what it replaced was deleted.

    """
    before, backups = published_by.before, list_adopted(store)
    if not before:
        raise ConvergeError(
            "no previous generation: the last run created it",
            hint="name the venvs to roll back, without this one",
        )
    if before == FOREIGN and len(backups) != 1:
        raise ConvergeError(
            f"the last run replaced a directory, and {len(backups)} backups exist",
            hint=describe_choices(store) or "name the venvs to roll back, without this one",
        )
    if before == FOREIGN:
        return backups[0]
    if before not in list_generations(store):
        raise ConvergeError(
            f"generation {before}, which the last run replaced, was deleted",
            hint="`keep` in the declaration sets how many are kept",
        )
    after = published_by.after
    return after if _is_repair(store, before, after) else before


def _is_repair(store: Store, before: str, after: str) -> bool:
    """Return whether a generation replaced a damaged one with the same packages.

    Args:
        store: The store of the venv.
        before: The generation that was replaced.
        after: Its replacement.

    Returns:
        Whether both have the same content.

    """
    if not is_quarantined(store, before):
        return False
    damaged, repaired = (read_receipt(store.generation(name)) for name in (before, after))
    if damaged is None or repaired is None:
        return False
    return (damaged.packages, damaged.settings) == (repaired.packages, repaired.settings)


def require_publishable(store: Store, target: str, spec: Venv) -> Generation | str:
    """Check that a target can be published. This only reads.

    Args:
        store: The store of the venv.
        target: The ID of a generation, or the name of an adopted backup.
        spec: The spec of the venv.

    Returns:
        The generation, or the name of the backup.

    Raises:
        ConvergeError: The target is damaged, or the path contains a directory that converge
            didn't create.

    """
    current = read_hold(store)
    if observe(spec).live_id == FOREIGN and not (current and current.generation == FOREIGN):
        raise ConvergeError(
            f"`{store.published}` exists and wasn't created by converge",
            hint="nothing was changed; move it, then run the command again",
        )
    return target if target in list_adopted(store) else _load_intact(store, target, spec)


def switch_back(store: Store, target: str, spec: Venv) -> None:
    """Hold the venv at a generation or an adopted backup, and publish it.

    The lock of the store must be held.

    INVARIANT: hold first, then switch. If the process is killed in between, another intact
    generation is live, and such a hold has no effect.

    Args:
        store: The store of the venv.
        target: The ID of a generation, or the name of an adopted backup.
        spec: The spec of the venv. The hold ends when it changes.

    Raises:
        ConvergeError: As for `require_publishable`. Nothing was changed.
        OSError: The disk is full, even after the caches in the store are deleted.

    """
    destination = require_publishable(store, target, spec)
    is_backup = isinstance(destination, str)
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


def describe_choices(store: Store, rejected: str = "") -> str:
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
    choices = describe_choices(store, target)
    if choices:
        yield choices
