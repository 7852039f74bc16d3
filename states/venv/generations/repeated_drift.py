"""Find the files that also differed before the last repair: another program writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from states.venv.generations.gc import is_quarantined
from states.venv.generations.store import list_generations
from states.venv.integrity.intact import check_content
from states.venv.integrity.pyc_paths import is_bytecode
from states.venv.integrity.receipt import read_receipt

if TYPE_CHECKING:
    from collections.abc import Collection

    from states.venv.layout import Store


def repeated_drift(
    store: Store, live: str, drifted: Collection[str], ignore: tuple[str, ...]
) -> list[str]:
    """Return the drifted files that also differ in the newest damaged generation before it.

    Args:
        store: The store of the venv.
        live: The ID of the observed generation.
        drifted: The paths that differ in it.
        ignore: Patterns of paths that may appear and change.

    Returns:
        The sorted paths.

    Raises:
        OSError: A file can't be read.

    """
    for identifier in reversed(list_generations(store)):
        if identifier != live and is_quarantined(store, identifier):
            root = store.generation(identifier)
            receipt = read_receipt(root)
            before = check_content(root, receipt, ignore)[0] if receipt else {}
            return sorted(path for path in drifted if path in before and not is_bytecode(path))
    return []
