"""Which requirements on packages of the distribution aren't met.

The answer is cached with the metadata of the databases. A run that changes nothing therefore only
compares metadata, and starts no program.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from engine.system.files import add_checksum, read_with_checksum, sha256
from states.distribution.databases import DPKG_STATUS, database_stats, find_manager
from states.distribution.requirement import Requirement, Unmet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.errors import ConvergeError

_DIRECTORY = "system"


def recall_unmet(requirements: tuple[str, ...], cache: str) -> tuple[Unmet, ...] | None:
    """Return the cached answer, or None if it has to be looked up. Never writes.

    Args:
        requirements: The requirements.
        cache: The cache directory.

    Returns:
        The requirements that aren't met.

    Raises:
        OSError: The metadata of a database can't be read.

    """
    try:
        document = json.loads(read_with_checksum(_path(requirements, cache)))
        stats = document["stats"]
        rows = [tuple(map(str, row)) for row in document["unmet"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if stats != database_stats():
        return None
    return tuple(Unmet(Requirement(name, minimum), version) for name, minimum, version in rows)


def find_unmet(requirements: tuple[str, ...], cache: str) -> tuple[Unmet, ...]:
    """Return the requirements that aren't met. Writes only to the cache.

    Args:
        requirements: The requirements.
        cache: The cache directory.

    Returns:
        The requirements that no installed package satisfies.

    Raises:
        ConvergeError: The host has no package manager that converge knows, or it fails.
        OSError: A database can't be read.

    """
    recalled = recall_unmet(requirements, cache)
    if recalled is not None:
        return recalled
    # Imported here: a no-op run recalls the answer.
    from states.distribution.managers import MANAGERS
    from states.distribution.requirement import parse_requirement

    # INVARIANT: before the query, so that a change in between makes the answer outdated.
    stats = database_stats()
    name = find_manager(stats)
    if not name:
        raise no_manager_error(requirements)
    manager = MANAGERS[name]
    parsed = list(filter(None, map(parse_requirement, requirements)))
    versions = manager.versions({requirement.name for requirement in parsed})
    unmet = []
    for requirement in parsed:
        provided, minimum = versions.get(requirement.name, []), requirement.minimum
        if provided and not minimum:
            continue
        numbered = list(filter(None, provided))
        if not any(manager.is_at_least(version, minimum) for version in numbered):
            unmet.append(Unmet(requirement, next(iter(numbered), "")))
    _store(requirements, cache, stats, unmet)
    return tuple(unmet)


def install_command(names: Iterable[str]) -> str:
    """Return the command that installs packages with the package manager of this host.

    Raises:
        OSError: The metadata of a database can't be read.

    """
    from states.distribution.managers import MANAGERS

    return MANAGERS[find_manager(database_stats())].install_command(sorted(set(names)))


def database_file() -> str:
    """Return a path that each change of the installed packages changes, for `may_create`."""
    return DPKG_STATUS


def no_manager_error(requirements: Sequence[str]) -> ConvergeError:
    """Return the error for a host on which nothing can be checked."""
    from engine.errors import ConvergeError

    return ConvergeError(
        f"can't check `requires-system`: {', '.join(requirements)}; this host has no database of "
        "dpkg, rpm, or apk",
        hint="remove `requires-system` for this host",
    )


def _store(
    requirements: tuple[str, ...], cache: str, stats: dict[str, list[int]], unmet: list[Unmet]
) -> None:
    """Cache an answer, if the cache is writable.

    Args:
        requirements: The requirements.
        cache: The cache directory.
        stats: The metadata of the databases before the query.
        unmet: The answer.

    """
    from contextlib import suppress

    from engine.system.atomic_write import write_atomic
    from states.system.scratch import writable_dir

    rows = [
        [lacking.requirement.name, lacking.requirement.minimum, lacking.version]
        for lacking in unmet
    ]
    data = json.dumps({"stats": stats, "unmet": rows}).encode()
    if writable_dir(os.path.join(cache, _DIRECTORY)):
        with suppress(OSError):
            write_atomic(_path(requirements, cache), add_checksum(data), 0o600)


def _path(requirements: tuple[str, ...], cache: str) -> str:
    name = sha256(json.dumps(requirements).encode())[:32]
    return os.path.join(cache, _DIRECTORY, f"{name}.json")
