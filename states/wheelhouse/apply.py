"""Change a wheelhouse: collect the wheels, publish the index, or delete everything.

Each wheel is durable in the store as soon as it is complete. Everything before the publication is
invisible at the published path.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine import progress
from states.system.scratch import scratch_dir_in
from states.venv.generations.recovery import clean_up_interrupted, remove_unfinished
from states.venv.generations.removal import delete_if_empty, delete_store, unpublish
from states.venv.generations.store import publish
from states.venv.resolve.lines.sources import index_options
from states.wheelhouse.generations.collect import collect, find_garbage
from states.wheelhouse.generations.write import Content, write_generation
from states.wheelhouse.select.selection import delete_planned
from states.wheelhouse.sources.download import download_all
from states.wheelhouse.store.hosts import record_host
from states.wheelhouse.store.wheels import (
    NewWheel,
    add_wheel,
    create_wheels_dir,
    drop_damaged,
    list_wheels,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.settings import Settings
    from states.venv.layout import Store
    from states.wheelhouse.select.artifacts import Artifact
    from states.wheelhouse.select.plan import Plan
    from states.wheelhouse.spec import Wheelhouse
    from states.wheelhouse.store.wheels import Wheel


def apply(spec: Wheelhouse, store: Store, plan: Plan, settings: Settings) -> None:
    """Publish a generation with the planned content.

    The lock of the store must be held.

    Args:
        spec: The spec. Its store exists.
        store: The store.
        plan: The versions and the artifacts.
        settings: The cache directory.

    Raises:
        ConvergeError, OSError: Nothing was published. Complete wheels are kept.

    """
    try:
        _publish(spec, store, plan)
    except BaseException:
        delete_if_empty(store)
        raise
    finally:
        delete_planned(spec, plan.selected, settings)


def _publish(spec: Wheelhouse, store: Store, plan: Plan) -> None:
    # INVARIANT: delete before collecting, so that a kill in every run can't fill the disk.
    clean_up_interrupted(store)
    record_host(store)
    create_wheels_dir(store)
    wheels = _collect_wheels(spec, store, plan)
    progress.step("writing the index")
    content = Content(spec, plan.selected, plan.attributes, tuple(wheels.values()))
    generation = write_generation(store, content)
    progress.step("publishing")
    publish(store, generation)
    # INVARIANT: after the publication, so that the generation it replaced isn't live anymore.
    collect(store, find_garbage(store, spec.keep))
    # The generation that was live may have lost its receipt.
    remove_unfinished(store)


def _collect_wheels(spec: Wheelhouse, store: Store, plan: Plan) -> Mapping[str, Wheel]:
    """Return the wheel of each artifact by its hash. Those that the store lacks are fetched.

    Args:
        spec: The spec.
        store: The store.
        plan: The artifacts.

    Returns:
        The wheels.

    """
    by_hash: dict[str, Artifact] = {}
    for artifact in plan.artifacts:
        by_hash.setdefault(artifact.sha256, artifact)
    progress.step("checking wheels")
    drop_damaged(store, by_hash)
    existing = list_wheels(store)
    missing = [
        (artifact, index_options(spec.sources[artifact.venv]))
        for digest, artifact in by_hash.items()
        if digest not in existing
    ]
    with scratch_dir_in(store.root) as scratch:
        if missing:
            progress.step(f"fetching {len(missing)} wheels")
        for artifact, path in download_all(missing, scratch):
            uploaded = artifact.uploaded or _modification_time(path)
            new = NewWheel(path, artifact.project, artifact.version, uploaded)
            existing[artifact.sha256] = add_wheel(store, new, scratch)
    return {digest: existing[digest] for digest in by_hash}


def _modification_time(path: str) -> str:
    """Return the time of a file in the form of PEP 700."""
    from states.system.timestamps import from_seconds

    return from_seconds(os.stat(path).st_mtime)


def remove(store: Store) -> None:
    """Delete a wheelhouse. The lock of the store must be held.

    Raises:
        OSError: The store can't be deleted. The path isn't published anymore.

    """
    # INVARIANT: the published symlink first, so that it never points to a partly deleted
    # generation. A kill leaves a store, which is still a difference for the next run.
    unpublish(store)
    delete_store(store)
