"""Search the host for files that start programs or import modules."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.system.existence import is_file, listdir_or_empty, resolve
from states.global_installs.references.reference import Reference
from states.global_installs.references.scripts import SEARCH_PATH, script_usage
from states.global_installs.references.units import crontab_reference, unit_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from states.global_installs.unreadable import Unreadable
    from states.global_installs.users import Home

_UNITS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_CRONTABS = ("/etc/cron.d", "/var/spool/cron/crontabs", "/var/spool/cron")
_CRON_SCRIPTS = ("/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly")


def find_references(homes: Iterable[Home], unreadable: Unreadable) -> list[Reference]:
    """Return the units, crontabs, and scripts that use a program or a module.

    Args:
        homes: The home directories to search.
        unreadable: Receives what can't be read.

    """
    homes = [*homes]
    units = (*_UNITS, *(f"{home.path}/.config/systemd/user" for home in homes))
    search: list[tuple[Iterable[str], Callable[[str], Reference]]] = [
        (_unit_files(units, unreadable), unit_reference),
        (["/etc/crontab", *_files(_CRONTABS, unreadable)], crontab_reference),
        (_files((*SEARCH_PATH, *_CRON_SCRIPTS), unreadable), _script_reference),
    ]
    for home in homes:
        own = (f"{home.path}/.local/bin", f"{home.path}/bin")
        search.append((_files(own, unreadable), _reference_of(home.user)))
    by_path: dict[str, Reference] = {}
    for paths, read in search:
        for path in paths:
            with unreadable.collect(path):
                resolved = resolve(path)
                if resolved not in by_path and is_file(resolved):
                    by_path[resolved] = read(resolved)
    return [reference for _, reference in sorted(by_path.items())]


def _script_reference(path: str) -> Reference:
    return Reference("script", path, "", script_usage(path))


def _reference_of(user: str) -> Callable[[str], Reference]:
    return lambda path: Reference("script", path, user, script_usage(path))


def _unit_files(directories: Iterable[str], unreadable: Unreadable) -> Iterator[str]:
    """Yield the services in some directories, and their drop-ins."""
    for path in _files(directories, unreadable):
        if path.endswith(".service"):
            yield path
        elif path.endswith(".service.d"):
            yield from (drop_in for drop_in in _files([path], unreadable))


def _files(directories: Iterable[str], unreadable: Unreadable) -> Iterator[str]:
    """Yield the path of each entry of some directories. One that doesn't exist has none."""
    for directory in directories:
        with unreadable.collect(directory):
            for name in sorted(listdir_or_empty(directory)):
                yield os.path.join(directory, name)
