"""Decide what a rollback does with each venv, and do it."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.frozen import frozen, replace
from engine.system.existence import is_directory
from engine.system.files import fsync_dir
from states.venv.generations.hold import held_id, read_hold, release_hold
from states.venv.generations.runs import read_run
from states.venv.layout import store_of
from states.venv.observe import FOREIGN
from states.venv.rollback.target import (
    previous_target,
    published_id,
    require_publishable,
    switch_back,
    target_before_run,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from engine.resource import Resource
    from states.venv.generations.runs import PublishedBy
    from states.venv.layout import Store


@frozen
class Step:
    """What happens to one venv."""

    venv: Resource
    live: str
    """The content of the path before the step: a generation, `foreign`, or an empty string."""
    target: str
    """The generation or the adopted backup that is published then."""
    changed: bool
    """Whether the step makes a difference."""
    held: bool
    """Whether the venv is held then."""
    remark: str = ""
    """Why nothing changes."""
    taken: bool = False

    @property
    def store(self) -> Store:
        """The store of the venv."""
        return store_of(self.venv.spec.path)

    def row(self) -> dict[str, Any]:
        """Return the step in the form that `--json` prints."""
        return {
            "address": self.venv.address,
            "from": _generation(self.live),
            "generation": _generation(self.target),
            "changed": self.changed,
            "held": self.held,
        }


def plan_previous(venv: Resource, *, once: bool) -> Step:
    """Return the step to the previous generation.

    Args:
        venv: The venv.
        once: Whether a venv that is held after a rollback stays where it is.

    Raises:
        ConvergeError: There is no previous generation, or it is damaged.

    """
    store, spec = store_of(venv.spec.path), venv.spec
    live = published_id(store)
    if once and live and held_id(store, spec) == live:
        return Step(venv, live, live, changed=False, held=True, remark="already rolled back")
    return plan_switch(venv, previous_target(store, spec))


def plan_release(venv: Resource) -> Step:
    """Return the step that ends the hold of a venv."""
    store = store_of(venv.spec.path)
    live = published_id(store)
    is_held = read_hold(store) is not None
    remark = "" if is_held else "wasn't held"
    return Step(venv, live, live, changed=is_held, held=False, remark=remark)


def plan_last_run(
    venvs: Sequence[Resource], *, release: bool
) -> tuple[str, list[Resource], Callable[[Resource], Step]]:
    """Return the last run that published a venv, its venvs, and the function to plan each step.

    Args:
        venvs: All declared venvs.
        release: Whether to end the holds instead.

    Raises:
        ConvergeError: No run is recorded.

    """
    records = {venv.address: _recorded_run(venv) for venv in venvs}
    recorded = [record for record in records.values() if record is not None]
    if not recorded:
        raise ConvergeError(
            "no run is recorded for these venvs",
            hint="name the venvs to roll back",
        )
    run = max(recorded, key=lambda record: (record.number, record.run)).run
    selected = []
    for venv in venvs:
        record = records[venv.address]
        if record is not None and record.run == run:
            selected.append(venv)
    return run, selected, plan_release if release else partial(_plan_before_run, run=run)


def take(step: Step) -> Step:
    """Take a step. The lock of the store must be held. It may be taken again after a kill.

    Raises:
        ConvergeError, OSError: The venv wasn't changed, or the disk failed.

    """
    store = step.store
    if not step.changed:
        # A run that was killed may have switched, and not synced.
        for directory in filter(is_directory, (os.path.dirname(store.published), store.root)):
            fsync_dir(directory)
    elif step.held:
        switch_back(store, step.target, step.venv.spec)
    else:
        release_hold(store)
    return replace(step, taken=True)


def _plan_before_run(venv: Resource, *, run: str) -> Step:
    """Return the step to what a run replaced.

    Raises:
        ConvergeError: It can't be published, or another run published the venv meanwhile.

    """
    store, spec = store_of(venv.spec.path), venv.spec
    live, record = published_id(store), read_run(store)
    if record is None or record.run != run:
        raise ConvergeError(
            "another run published this venv meanwhile",
            hint="nothing was changed; run the command again",
        )
    target = target_before_run(store, record)
    if target == record.after:
        held = held_id(store, spec) == live
        return Step(venv, live, live, changed=False, held=held, remark="the run only repaired it")
    if live in (record.before, target) and held_id(store, spec) == live:
        return Step(venv, live, live, changed=False, held=True, remark="already rolled back")
    return plan_switch(venv, target)


def _generation(published: str) -> str | None:
    return published if published not in ("", FOREIGN) else None


def plan_switch(venv: Resource, target: str) -> Step:
    """Return the step to a generation or an adopted backup.

    Raises:
        ConvergeError: It is damaged, or the path contains a directory that converge didn't create.

    """
    store = store_of(venv.spec.path)
    require_publishable(store, target, venv.spec)
    return Step(venv, published_id(store), target, changed=True, held=True)


def _recorded_run(venv: Resource) -> PublishedBy | None:
    """Return the recorded run of a venv, if what it published or replaced is live."""
    store = store_of(venv.spec.path)
    record = read_run(store)
    live = published_id(store)
    return record if record is not None and live in (record.before, record.after) else None
