"""Find the packages that are installed outside of venvs, for each interpreter of the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import ConvergeError, from_os_error
from engine.frozen import frozen
from engine.system.existence import is_directory
from states.global_installs.distributions import Distribution, find_metadata, read_distribution
from states.global_installs.entries import stray_entries
from states.global_installs.layout import (
    Layout,
    is_venv_interpreter,
    owned_directories,
    read_layout,
)
from states.global_installs.places import Place, user_places
from states.global_installs.shadows import Shadow, find_shadows
from states.interpreter.candidates import candidates
from states.package_managers.owners import Owners

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from states.global_installs.unreadable import Unreadable
    from states.global_installs.users import Home


@frozen
class Installed:
    """One package in one place."""

    distribution: Distribution
    user: str
    """As for `Place`."""
    owner: str
    """The package of the distribution that owns its metadata, or an empty string."""
    shared: tuple[tuple[str, str], ...]
    """The recorded files that packages of the distribution own, each with the package."""
    shadows: tuple[Shadow, ...]
    """The modules that are never imported from elsewhere, because this package comes first."""


@frozen
class InterpreterScan:
    """The packages of one interpreter."""

    layout: Layout
    python: str
    """A path of the interpreter, as a user calls it."""
    packages: tuple[Installed, ...]
    """In the order of the import path, then by name."""
    stray: tuple[str, ...]
    """The entries of its directories that belong to no package."""

    def outside(self) -> list[Installed]:
        """Return the packages that no package of the distribution owns."""
        return [package for package in self.packages if not package.owner]


def find_interpreters(pythons: Sequence[str], unreadable: Unreadable) -> dict[str, Layout]:
    """Return the layout of each interpreter by its path, once for each installation.

    Args:
        pythons: The paths of the interpreters, or nothing for those of the host.
        unreadable: Receives what can't be read.

    Raises:
        ConvergeError: A named interpreter doesn't exist, or has an unknown layout.

    """
    layouts: dict[str, Layout] = {}
    for python in pythons or candidates():
        try:
            if pythons or not is_venv_interpreter(python):
                layout = read_layout(python)
                if layout.sites not in [other.sites for other in layouts.values()]:
                    layouts[python] = layout
        except (OSError, ConvergeError) as error:
            reported = from_os_error(error) if isinstance(error, OSError) else error
            if pythons:
                raise reported from error
            unreadable.reasons[python] = reported.message
    return layouts


def scan_interpreter(
    python: str, layout: Layout, homes: Iterable[Home], unreadable: Unreadable
) -> InterpreterScan:
    """Return the packages of one interpreter.

    Args:
        python: The path of the interpreter, as a user calls it.
        layout: Its directories.
        homes: The home directories whose packages it would import.
        unreadable: Receives what can't be read.

    Returns:
        The packages, and the entries of no package.

    Raises:
        OSError: The database of a package manager can't be read.

    """
    places = [*user_places(layout, homes, unreadable), *(Place(site, "") for site in layout.sites)]
    owners = Owners(owned_directories(layout))
    read = [(place, d) for place in places for d in _read_place(place, unreadable)]
    packages = []
    for place, distribution in read:
        later = [(p.site, d) for p, d in read if _comes_later(p, place, places)]
        sites = [p.site for p in places if _comes_later(p, place, places)]
        with unreadable.collect(distribution.metadata):
            packages.append(
                Installed(
                    distribution=distribution,
                    user=place.user,
                    owner=owners.owner(distribution.metadata),
                    shared=tuple(_shared(distribution, owners)),
                    shadows=tuple(find_shadows(distribution, sites, later, owners)),
                )
            )
    stray: list[str] = []
    others = [p.distribution for p in packages if not p.owner]
    for place in places:
        with unreadable.collect(place.site):
            stray += stray_entries(place.site, others, owners)
    return InterpreterScan(layout, python, tuple(packages), tuple(stray))


def _comes_later(other: Place, place: Place, places: list[Place]) -> bool:
    """Return whether an interpreter that searches a place searches another one after it.

    Args:
        other: The other place.
        place: The place.
        places: All places, in the order of the search.

    Returns:
        Whether a module in the place hides one in the other.

    """
    return not other.user and places.index(other) > places.index(place)


def _read_place(place: Place, unreadable: Unreadable) -> Iterator[Distribution]:
    entries: list[str] = []
    with unreadable.collect(place.site):
        entries = find_metadata(place.site)
    for entry in entries:
        with unreadable.collect(f"{place.site}/{entry}"):
            yield read_distribution(place.site, entry)


def _shared(distribution: Distribution, owners: Owners) -> Iterator[tuple[str, str]]:
    """Yield the recorded files that packages of the distribution own, if the package is not one."""
    if not owners.owner(distribution.metadata):
        for path in distribution.files:
            owner = owners.owner(path)
            if owner and not is_directory(path):
                yield path, owner
