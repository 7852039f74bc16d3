"""Change a wheelhouse: provide the wheels, publish the index, or delete everything.

Each wheel is durable in the store as soon as it is complete. Everything before the publication is
invisible at the published path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import progress
from states.venv.generations.recovery import clean_up_interrupted, remove_unfinished
from states.venv.generations.removal import delete_store, unpublish
from states.venv.generations.store import publish
from states.wheelhouse.generations.collect import collect, find_garbage
from states.wheelhouse.generations.write import Content, write_generation
from states.wheelhouse.select.selection import delete_planned
from states.wheelhouse.sources.provide import provide_wheels
from states.wheelhouse.store.hosts import record_host
from states.wheelhouse.store.wheels import create_wheels_dir, delete_if_unused

if TYPE_CHECKING:
    from engine.settings import Settings
    from states.venv.layout import Store
    from states.wheelhouse.select.plan import Plan
    from states.wheelhouse.spec import Wheelhouse


def apply(spec: Wheelhouse, store: Store, plan: Plan, settings: Settings) -> tuple[str, ...]:
    """Publish a generation with the planned content.

    The lock of the store must be held.

    Args:
        spec: The spec. Its store exists.
        store: The store.
        plan: The versions and the artifacts.
        settings: The cache directory.

    Returns:
        Messages for the user.

    Raises:
        ConvergeError, OSError: Nothing was published. Complete wheels are kept.

    """
    try:
        return _publish(spec, store, plan, settings)
    except BaseException:
        delete_if_unused(store)
        raise
    finally:
        delete_planned(spec, plan.selected, settings)


def _publish(spec: Wheelhouse, store: Store, plan: Plan, settings: Settings) -> tuple[str, ...]:
    # INVARIANT: delete before building, so that a kill in every run can't fill the disk.
    clean_up_interrupted(store)
    record_host(store)
    create_wheels_dir(store)
    messages: list[str] = []
    wheels = provide_wheels(spec, store, plan.unique_artifacts(), settings, messages)
    progress.step("writing the index")
    generation = write_generation(store, Content(spec, plan, wheels))
    progress.step("publishing")
    publish(store, generation)
    # INVARIANT: after the publication, so that the generation it replaced isn't live anymore.
    collect(store, find_garbage(store, spec.keep))
    # The generation that was live may have lost its receipt.
    remove_unfinished(store)
    return tuple(messages)


def remove(store: Store) -> None:
    """Delete a wheelhouse. The lock of the store must be held.

    Raises:
        OSError: The store can't be deleted. The path isn't published anymore.

    """
    # INVARIANT: the published symlink first, so that it never points to a partly deleted
    # generation. A kill leaves a store, which is still a difference for the next run.
    unpublish(store)
    delete_store(store)
