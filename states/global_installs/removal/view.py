"""Observe the packages of one interpreter, and everything that a removal needs to know."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.frozen import frozen
from engine.system.existence import is_directory, resolve
from engine.system.files import sha256
from states.global_installs.layout import owned_directories, read_layout
from states.global_installs.places import Place, user_places
from states.global_installs.removal.contents import merge_attributes, read_contents
from states.global_installs.removal.hold import held_removal
from states.global_installs.removal.store import PlaceStore, unfinished_entries
from states.global_installs.removal.units import units_to_move
from states.global_installs.removal.user_process import call_as
from states.global_installs.unreadable import Unreadable
from states.global_installs.users import all_homes
from states.package_managers.owners import Owners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from states.global_installs.layout import Layout
    from states.global_installs.removal.contents import Contents
    from states.global_installs.spec import Global


@frozen
class Observation:
    """The packages of an interpreter at one moment."""

    spec: Global
    layout: Layout
    contents: tuple[Contents, ...]
    """The content of each place that exists."""
    owners: Owners
    unfinished: Mapping[str, str]
    """An attribute for each entry of a store that an interrupted run left."""
    held: str
    """The removal that a rollback restored, if the rollback is still in effect."""

    def states(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return the observed and the desired attributes."""
        observed, allowed = merge_attributes(self.contents)
        fixed = {"python": f"{self.layout.version} {self.layout.executable}"}
        desired = observed if self.held else allowed
        return {**fixed, **observed, **self.unfinished}, {**fixed, **desired}

    def units(self) -> Iterator[tuple[Place, list[str]]]:
        """Yield each place, and the paths to move out of it.

        Raises:
            OSError: A directory can't be read.

        """
        for contents in self.contents:
            args = (contents, self.owners, self.spec.ignore, self.contents)
            yield contents.place, units_to_move(*args)


def observe(spec: Global) -> Observation:
    """Observe the packages of an interpreter. Reads only, and starts no process.

    Raises:
        ConvergeError: The interpreter or a user doesn't exist.
        OSError: A file can't be read.

    """
    layout = read_layout(spec.python)
    places = places_of(spec, layout)
    owners = Owners(owned_directories(layout))
    stores = [PlaceStore(place.site) for place in places]
    unfinished = {
        f"unfinished.{store.root}/{name}": "unfinished"
        for store in stores
        for name in unfinished_entries(store)
    }
    contents = (
        read_contents(place, spec.allow, spec.ignore, owners)
        for place in places
        if is_directory(place.site)
    )
    held = held_removal(stores[0], stores, spec_digest(spec))
    return Observation(spec, layout, tuple(contents), owners, unfinished, held)


def places_of(spec: Global, layout: Layout) -> list[Place]:
    """Return the site directories of an interpreter: those of the host, then those of users.

    Raises:
        ConvergeError: A user doesn't exist.

    """
    places = [Place(site, "") for site in layout.sites]
    for user in spec.users:
        try:
            home = pwd.getpwnam(user).pw_dir
        except KeyError:
            raise ConvergeError(
                f"no such user: `{user}`", hint="create the user, or remove it from `users`"
            ) from None
        site = resolve(f"{home}/{layout.user_site}")
        if site.startswith(f"{resolve(home)}/"):  # A symlink could name any other directory.
            places.append(Place(site, user))
    return places


def main_store(layout: Layout) -> PlaceStore:
    """Return the store with the lock and the hold of an interpreter."""
    return PlaceStore(layout.sites[0])


def spec_digest(spec: Global) -> str:
    """Return a short digest of the declared content. A hold ends when it changes."""
    declared = (spec.python, sorted(spec.allow), sorted(spec.ignore), sorted(spec.users))
    return sha256(repr(declared).encode())[:16]


def call_in_place(place: Place, function: Callable[[], None]) -> None:
    """Call a function that changes a place, as the user that the place belongs to.

    Raises:
        ConvergeError, OSError: The function failed.

    """
    if not place.user:
        function()
        return
    entry = pwd.getpwnam(place.user)
    call_as(entry.pw_uid, entry.pw_gid, function)


def other_users(spec: Global, layout: Layout) -> Sequence[Place]:
    """Return the places of users that the declaration doesn't name, as far as they are readable."""
    homes = [home for home in all_homes() if home.user not in spec.users]
    places = [*user_places(layout, homes, Unreadable())]
    return [place for place in places if _has_entries(place.site)]


def _has_entries(site: str) -> bool:
    unreadable = Unreadable()
    names: list[str] = []
    with unreadable.collect(site):
        names = os.listdir(site)
    return bool(names)
