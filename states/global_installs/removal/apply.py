"""Remove packages, and restore them. The lock of the interpreter must be held in each function."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import ConvergeError
from states.global_installs.removal.hold import release_hold, set_hold
from states.global_installs.removal.store import (
    PlaceStore,
    Record,
    clean_up_interrupted,
    complete_removals,
    delete_entry,
    new_id,
    remove,
    restore,
    unfinished_entries,
)
from states.global_installs.removal.view import (
    call_in_place,
    main_store,
    observe,
    places_of,
    spec_digest,
)
from states.package_managers.locks import excluded_package_managers
from states.system import timestamps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from engine.diff import State
    from states.global_installs.layout import Layout
    from states.global_installs.places import Place
    from states.global_installs.spec import Global


def remove_unwanted(spec: Global) -> None:
    """Move everything that isn't allowed into the stores. May be killed at any point.

    The next run moves an incomplete removal back, and begins again.

    Raises:
        ConvergeError: A package manager is running, or the interpreter has gone.
        OSError: An entry can't be moved. Everything is moved back then, as far as possible.

    """
    with excluded_package_managers():
        # INVARIANT: observed while no package manager can add a file.
        view = observe(spec)
        if view.unfinished:
            recover_places(places_of(spec, view.layout))
            view = observe(spec)
        if view.held:
            return
        release_hold(main_store(view.layout))
        units = [(place, paths) for place, paths in view.units() if paths]
        if units:
            _remove(units, Record(timestamps.now(), tuple(_removed(*view.states()))))
    removals = all_removals(spec, view.layout)
    delete_removals(spec, view.layout, removals[: max(0, len(removals) - spec.keep)])


def _remove(units: Sequence[tuple[Place, list[str]]], record: Record) -> None:
    stores = {place: PlaceStore(place.site) for place, _ in units}
    identifier = new_id([*stores.values()])
    try:
        for place, paths in units:
            progress.step(f"moving {len(paths)} entries of {place.site}")
            call_in_place(place, partial(remove, stores[place], identifier, paths, record))
    except (OSError, ConvergeError):
        recover_places([*stores])
        raise


def _removed(observed: State, desired: State) -> Iterator[str]:
    """Yield the text of each package and entry that is removed."""
    for name in sorted(observed.keys() - desired.keys()):
        kind, _, rest = name.partition(".")
        yield f"{rest} {observed[name].partition(' in ')[0]}" if kind == "package" else rest


def recover_places(places: Iterable[Place]) -> None:
    """Move back what interrupted runs left in the stores of some places."""
    for place in places:
        store = PlaceStore(place.site)
        if unfinished_entries(store):
            progress.step(f"restoring the entries that an interrupted run left in {store.root}")
            call_in_place(place, partial(clean_up_interrupted, store))


def restore_removal(spec: Global, layout: Layout, identifier: str) -> None:
    """Restore a removal, and hold the interpreter's packages as they are then.

    INVARIANT: hold first, then restore. A hold has no effect while its removal is complete.

    Args:
        spec: The spec. The hold ends when it changes.
        layout: The directories of the interpreter.
        identifier: The ID of the removal.

    Raises:
        ConvergeError: A package manager is running.
        OSError: An entry can't be moved. The next run continues.

    """
    with excluded_package_managers():
        set_hold(main_store(layout), identifier, spec_digest(spec))
        for place in places_of(spec, layout):
            store = PlaceStore(place.site)
            if identifier in complete_removals(store):
                call_in_place(place, partial(restore, store, identifier))


def delete_removals(spec: Global, layout: Layout, identifiers: Collection[str]) -> None:
    """Delete removals from all stores. After that, their packages can't be restored.

    Args:
        spec: The spec.
        layout: The directories of the interpreter.
        identifiers: The IDs.

    Raises:
        OSError: A removal can't be deleted.

    """
    for place in places_of(spec, layout):
        store = PlaceStore(place.site)
        for identifier in complete_removals(store):
            if identifier in identifiers:
                call_in_place(place, partial(delete_entry, store, f"removals/{identifier}"))


def all_removals(spec: Global, layout: Layout) -> list[str]:
    """Return the IDs of the complete removals in all stores, oldest first."""
    stores = [PlaceStore(place.site) for place in places_of(spec, layout)]
    identifiers = {identifier for store in stores for identifier in complete_removals(store)}
    return sorted(identifiers, key=lambda identifier: (len(identifier), identifier))
