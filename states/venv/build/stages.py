"""The stages of a build, each a type: what isn't finished can't be published.

    create -> Draft -> populate -> Populated -> verify -> Verified -> seal -> Sealed
    finish -> Generation

The functions are in `build`. Each accepts only the result of the one before it, so the order
that makes a crash harmless can't be changed by accident. A kill at any point leaves a
directory without a receipt. Every reader ignores such a directory, and the next run deletes it.
"""

from __future__ import annotations

from engine.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.settings import Settings
    from states.venv.build.ownership import Ids
    from states.venv.integrity.receipt import Receipt
    from states.venv.integrity.record_check import Inspection
    from states.venv.layout import Store
    from states.venv.resolve.selection import Selection
    from states.venv.spec import Venv


@frozen
class Job:
    """What to build, and where."""

    spec: Venv
    store: Store
    selection: Selection
    settings: Settings
    scratch: str
    """A directory for temporary files, in the store and so on the same file system."""


@frozen
class Draft:
    """An empty directory, mode 0700, at a path that was never used before."""

    root: str
    job: Job
    ids: Ids
    """The declared owner and group."""
    sync: Callable[[], None]
    """Writes everything below the directory to disk. Raises OSError if any write was lost
    since the directory was created."""


@frozen
class Populated:
    """The environment and every package are in the directory."""

    draft: Draft
    baseline: Mapping[str, str]
    """SHA-256 by path of the files of the empty environment."""
    copied: Mapping[str, str]
    """SHA-256 by path of the files that were hashed while they were copied."""


@frozen
class Verified:
    """Every file equals the RECORD of its wheel, and every source has bytecode."""

    draft: Draft
    inspection: Inspection


@frozen
class Sealed:
    """The manifest is written, the smoke tests have passed, and every file has its owner."""

    draft: Draft
    receipt: Receipt
    """Not written yet."""
