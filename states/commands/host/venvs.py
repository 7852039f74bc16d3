"""The venvs that the inventory of this user records, for commands that act on the whole host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.cli import options
from engine.declaration.records import all_entries
from engine.errors import from_os_error
from engine.frozen import frozen
from engine.resource import from_dict
from engine.system.existence import exists
from states.commands.venv_arguments import load_resources, present_venvs

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator

    from engine.cli.command import BuildRegistry
    from engine.registry import KindRegistry
    from engine.resource import Resource
    from engine.settings import Settings


@frozen
class VenvEntry:
    """A venv, and whether its file still declares it, as far as the record knows."""

    venv: Resource
    declared: bool


def venvs_of_host(arguments: Namespace, build_registry: BuildRegistry) -> list[VenvEntry]:
    """Return the venvs of the named files, or of all files that this user applied.

    Args:
        arguments: The parsed arguments, with `files`, which may be empty.
        build_registry: Creates the kinds.

    Returns:
        The venvs of each file, sorted by address.

    Raises:
        ConvergeError: A declaration is invalid, or the inventory can't be read.

    """
    settings = options.build_settings(arguments)
    if arguments.files:
        registry, resources = load_resources(arguments, build_registry)
        entries = [VenvEntry(venv, declared=True) for venv in present_venvs(resources)]
        entries += _undeclared(entries, registry, settings)
    else:
        entries = [*_recorded(build_registry(settings), settings)]
    return sorted(
        entries, key=lambda entry: (entry.venv.file, entry.venv.address, entry.venv.spec.path)
    )


def _recorded(registry: KindRegistry, settings: Settings) -> Iterator[VenvEntry]:
    """Yield each venv in the inventory of this user, once for each path.

    Raises:
        ConvergeError: The inventory can't be read.

    """
    by_path: dict[str, VenvEntry] = {}
    try:
        for file, entry in all_entries(settings.state):
            try:
                venv = from_dict(entry, registry.kinds)
            except (KeyError, TypeError, AttributeError, ValueError):
                continue  # It was written by another version.
            declared = not entry.get("orphaned") and exists(file)
            # A table that moved to another file is an orphan of the first one.
            if venv.kind == "venv" and (declared or venv.spec.path not in by_path):
                by_path[venv.spec.path] = VenvEntry(venv, declared=declared)
    except OSError as error:
        raise from_os_error(error) from error
    yield from by_path.values()


def _undeclared(
    entries: Iterable[VenvEntry], registry: KindRegistry, settings: Settings
) -> list[VenvEntry]:
    """Return the recorded venvs of the same files that those no longer declare.

    Args:
        entries: The declared venvs.
        registry: The kinds.
        settings: The settings of this run.

    Returns:
        The others that are recorded for these files.

    """
    files = {entry.venv.file for entry in entries}
    paths = {entry.venv.spec.path for entry in entries}
    return [
        entry
        for entry in _recorded(registry, settings)
        if not entry.declared and entry.venv.file in files and entry.venv.spec.path not in paths
    ]
