"""Messages about a venv that require no action."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from engine.system.existence import is_directory, is_symlink
from states.venv.files.paths import as_declared, expand
from states.venv.observe import FOREIGN
from states.venv.user_data import unused_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.venv.integrity.receipt import Receipt
    from states.venv.layout import Store
    from states.venv.observe import Observation
    from states.venv.spec import Venv

_REPEATABLE = ("unexpected", "modified", "missing", "another kind of file")
"""Conditions of files that a declared file would remedy."""
_MAX_NAMED = 3
"""Maximum number of files that a message names."""
_MAX_LISTED = 20
"""Maximum number of files that the preview of an adoption names. Each needs a decision."""


def held_notice(spec: Venv, observation: Observation) -> str:
    """Return the message about a rollback that is still in effect."""
    held = observation.held
    target = "the adopted backup" if held == FOREIGN else f"generation {held}"
    return (
        f"`{spec.path}` is held at {target} after a rollback. To resume updates, "
        f"change its declaration or run: {venv_command(spec, 'rollback', '--release')}"
    )


def venv_command(spec: Venv, command: str, option: str) -> str:
    """Return a command line with the file and the name of a venv.

    Args:
        spec: The declared venv.
        command: The command, which takes FILE and NAME.
        option: The option after them.

    Returns:
        The command line. A declaration from standard input has no file to name.

    """
    file, _, name = spec.declared.rpartition(" venv.")  # The name may contain dots.
    return shlex.join(("converge", command, file if file.startswith("/") else "FILE", name, option))


def content_notices(receipt: Receipt) -> Iterator[str]:
    """Yield messages about files that aren't as each package's RECORD lists them."""
    if receipt.tolerated:
        count, path = len(receipt.tolerated), receipt.tolerated[0]
        files = f"`{path}`" if count == 1 else f"{count} files, such as `{path}`"
        yield f"`accept-record-mismatch` applies to {files}"
    for name, _, package in receipt.files:
        if package:
            yield f"`{name}` in `files` replaces a file of {package}"
    for winner, others, count, path in receipt.overlaps:
        files = f"`{path}`" if count == 1 else f"{count} files, such as `{path}`"
        installed = "the one" if count == 1 else "those"
        yield (
            f"{winner} and {others} contain different versions of {files}; "
            f"{installed} of {winner} {'is' if count == 1 else 'are'} installed"
        )


def file_notices(spec: Venv, observation: Observation) -> Iterator[str]:
    """Yield messages that suggest to declare files, before a venv is changed.

    A file drifts repeatedly if another tool writes it after each repair. A directory to adopt may
    contain files that no package installed.

    Args:
        spec: The declared venv.
        observation: The venv as observed.

    Yields:
        The messages.

    """
    if spec.state == "absent" or observation.held:
        return
    drifted = {
        name.removeprefix("file.")
        for name, condition in (observation.state or {}).items()
        if name.startswith("file.") and condition in _REPEATABLE
    }
    if drifted:
        yield from _repeated_drift(spec, observation, drifted)
    if observation.live_id == FOREIGN and spec.adopt:
        yield from _files_to_adopt(spec, observation.store)


def _repeated_drift(spec: Venv, observation: Observation, drifted: set[str]) -> Iterator[str]:
    # Imported here: most venvs don't drift.
    from states.venv.generations.repeated_drift import repeated_drift

    root = observation.root
    repeated = repeated_drift(observation.store, observation.live_id, drifted, spec.ignore)
    declared = {expand(path, root) for path in spec.files}
    paths = [path for path in repeated if path not in declared]
    if paths:
        yield (
            f"{_named(paths, root)} also differed before the last repair; declare it in `files`, "
            "or list it in `persistent` or `ignore`"
        )


def _files_to_adopt(spec: Venv, store: Store) -> Iterator[str]:
    if is_symlink(store.published) or not is_directory(store.published):
        return
    # Imported here: most venvs aren't adopted.
    from states.venv.adoption.files import MAX_DURATION_S, inspect_files

    content = inspect_files(store.published, spec, MAX_DURATION_S)
    if content.unowned:
        named = _listed(content.unowned, store.published, is_complete=content.is_complete)
        them = "it" if len(content.unowned) == 1 else "those that you need"
        yield (
            f"{named} won't be copied; declare {them} in `files` or `persistent`, or copy {them} "
            f"from the adopted backup `{store.root}/adopted-…`"
        )
    if content.edited:
        paths = tuple(file.path for file in content.edited)
        named = _listed(paths, store.published, is_complete=content.is_complete)
        was, its = ("was", "it") if len(paths) == 1 else ("were", "those that you need")
        yield (
            f"{named} {was} edited after the installation, and the new venv gets the content of "
            f"the package; declare {its} in `files` or `persistent`"
        )


def _listed(paths: tuple[str, ...], root: str, *, is_complete: bool) -> str:
    """Return the first paths, as `files` would name them, and the number of the others.

    Args:
        paths: The paths, relative to the venv.
        root: The directory of the venv.
        is_complete: Whether these are all paths.

    Returns:
        The list, as a part of a sentence.

    """
    named = ", ".join(f"`{as_declared(path, root)}`" for path in paths[:_MAX_LISTED])
    rest = len(paths[_MAX_LISTED:])
    if rest:
        named += f", and {'' if is_complete else 'at least '}{rest} more"
    return named if rest or is_complete else f"{named}, and possibly more"


def _named(paths: list[str], root: str) -> str:
    """Return the first paths, as `files` would name them, and the number of the others."""
    named = [f"`{as_declared(path, root)}`" for path in paths[:_MAX_NAMED]]
    rest = len(paths) - _MAX_NAMED
    return ", ".join(named) + (f", and {rest} more" if rest > 0 else "")


def data_notices(spec: Venv, observation: Observation, *, is_changing: bool) -> Iterator[str]:
    """Yield messages about data that a new persistent directory gets, and about unused data.

    Args:
        spec: The declared venv.
        observation: The venv as observed.
        is_changing: Whether this run changes the venv, or would change it.

    Yields:
        The messages.

    """
    store = observation.store
    if spec.state == "absent" or observation.held:
        return
    if is_changing:
        yield from copy_notices(spec, observation)
    for name in unused_data(store, spec.persistent):
        yield (
            f"`{store.persistent}/{name}` isn't in `persistent` any more; "
            "delete it when no generation needs it"
        )


def copy_notices(spec: Venv, observation: Observation) -> Iterator[str]:
    """Yield a message for each existing directory whose data a persistent directory gets."""
    store = observation.store
    missing = [name for name in spec.persistent if not is_directory(f"{store.persistent}/{name}")]
    if missing:
        # Imported here: most runs create no persistent directory.
        from states.venv.build.persistent.sources import find_sources

        for name in missing:
            for source in find_sources(observation, spec, store, name):
                yield f"copies the data in `{name}` from `{source.path}`"
