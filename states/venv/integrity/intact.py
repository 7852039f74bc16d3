"""Check whether a generation is intact. A no-op run only compares the stat cache."""

from __future__ import annotations

from engine.system.existence import listdir_or_empty
from states.venv.integrity.receipt import is_at
from states.venv.integrity.stat_cache import stats_match
from states.venv.layout import LEASE, MANIFEST, METADATA, METADATA_DIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.integrity.manifest import Manifest
    from states.venv.integrity.receipt import Receipt
    from states.venv.layout import Store


def is_intact(store: Store, receipt: Receipt, ignore: tuple[str, ...]) -> bool:
    """Compare a generation with its receipt and its manifest.

    Args:
        store: The store of the venv.
        receipt: The receipt of the generation.
        ignore: Patterns of paths that may appear and change.

    Returns:
        Whether it matches both, and its interpreter still exists unchanged.

    Raises:
        OSError: An entry can't be read.

    """
    root = store.generation(receipt.generation)
    if not is_at(receipt, root) or receipt.python.drift():
        return False
    return has_intact_files(root, receipt, ignore)


def has_intact_files(root: str, receipt: Receipt, ignore: tuple[str, ...]) -> bool:
    """Return whether the files of a generation match its manifest.

    Args:
        root: The directory of the generation.
        receipt: Its receipt.
        ignore: Patterns of paths that may appear and change.

    Returns:
        Whether neither its content nor its metadata differs.

    Raises:
        OSError: An entry can't be read.

    """
    return not metadata_drift(root) and not check_content(root, receipt, ignore)[0]


def check_content(
    root: str, receipt: Receipt, ignore: tuple[str, ...]
) -> tuple[dict[str, str], Manifest]:
    """Compare the content of a generation with its manifest, through the stat cache if it matches.

    Args:
        root: The directory of the generation.
        receipt: Its receipt.
        ignore: Patterns of paths that may appear and change.

    Returns:
        The condition of each drifted path, and the manifest if it was needed and is valid.

    Raises:
        OSError: An entry can't be read.

    """
    if not receipt.partly_ignored and stats_match(root):
        return {}, {}
    # Imported here: in a no-op run, the stat cache matches.
    from states.venv.integrity.drift import find_drift
    from states.venv.integrity.manifest import load_manifest

    manifest = load_manifest(root, receipt.manifest)
    if manifest is None:
        return {MANIFEST: "modified"}, {}
    return find_drift(root, manifest, ignore), manifest


def metadata_drift(root: str) -> dict[str, str]:
    """Return unknown names in `.converge`, and the lease file if it is missing.

    Without the lease, converge can't find every process that uses the generation. The
    content of the other files is checked where they are read.
    """
    names = listdir_or_empty(f"{root}/{METADATA_DIR}")
    if not names:
        return {}
    paths = [f"{METADATA_DIR}/{name}" for name in names]
    drift = dict.fromkeys((path for path in paths if path not in METADATA), "unexpected")
    return drift if LEASE in paths else {**drift, LEASE: "missing"}
