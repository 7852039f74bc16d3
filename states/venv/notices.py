"""Messages about a venv that require no action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.system.existence import is_directory
from states.venv.observe import FOREIGN
from states.venv.user_data import unused_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.venv.integrity.receipt import Receipt
    from states.venv.observe import Observation
    from states.venv.spec import Venv


def held_notice(spec: Venv, observation: Observation) -> str:
    """Return the message about a rollback that is still in effect."""
    held = observation.held
    name = spec.declared.rpartition(" venv.")[2]  # The name may contain dots.
    target = "the adopted backup" if held == FOREIGN else f"generation {held}"
    return (
        f"`{spec.path}` is held at {target} after a rollback. To resume updates, "
        f"change its declaration or run: converge rollback FILE {name} --release"
    )


def content_notices(receipt: Receipt) -> Iterator[str]:
    """Yield messages about files that aren't as each package's RECORD lists them."""
    if receipt.tolerated:
        count, path = len(receipt.tolerated), receipt.tolerated[0]
        files = f"`{path}`" if count == 1 else f"{count} files, such as `{path}`"
        yield f"`accept-record-mismatch` applies to {files}"
    for winner, others, count, path in receipt.overlaps:
        files = f"`{path}`" if count == 1 else f"{count} files, such as `{path}`"
        installed = "the one" if count == 1 else "those"
        yield (
            f"{winner} and {others} contain different versions of {files}; "
            f"{installed} of {winner} {'is' if count == 1 else 'are'} installed"
        )


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
