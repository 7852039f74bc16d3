"""The stages of a build, each a type, so that only a finished generation can be published.

    create -> Draft -> populate -> Populated -> verify -> Verified -> seal -> Sealed
    finish -> Generation

The functions are in `build`. Each accepts only the result of the one before it, so the order
that makes a kill harmless can't be changed by accident. A kill at any point leaves a
directory without a receipt. Every reader ignores such a directory, and recovery deletes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.settings import Settings
    from engine.system.background import Start
    from states.installer import Installer
    from states.venv.integrity.inspection import Inspection
    from states.venv.integrity.receipt import Receipt
    from states.venv.layout import Store
    from states.venv.observe import Observation
    from states.venv.resolve.selection import Selection
    from states.venv.sources.project import BuiltProject
    from states.venv.spec import Venv

Ids = tuple[int, int]
"""A user ID and a group ID. As for chown(2), -1 keeps the current one."""


@frozen
class BuildContext:
    """The venv to build, and everything that the build needs."""

    spec: Venv
    store: Store
    selection: Selection
    settings: Settings
    installer: Installer
    scratch: str
    """A directory for temporary files. It is in the store, hence on the same file system."""
    observation: Observation
    """The observation of this venv."""
    observations: tuple[Observation, ...]
    """Observations of venvs whose packages are copied if they are intact and identical."""
    messages: list[str]
    """Receives messages about persistent directories that the build creates."""
    start: Start
    """Runs a function beside the build, which ends after it."""


@frozen
class Draft:
    """An empty directory, mode 0700, at a path that was never used before."""

    root: str
    context: BuildContext
    ids: Ids
    """The declared owner and group."""
    sync: Callable[[], None]
    """Syncs the file system. Raises OSError if any write to it was lost since the directory
    was created."""


@frozen
class Populated:
    """The environment and every package are in the directory."""

    draft: Draft
    baseline: Mapping[str, str]
    """SHA-256 (or the link target) of each file of the environment before the installation."""
    copied: Mapping[str, str]
    """SHA-256 of each file that was copied from another generation and not changed since."""
    projects: Mapping[str, BuiltProject]
    """Each local project, by its directory."""


@frozen
class Verified:
    """Every file matches the RECORD of its wheel, and every source has bytecode."""

    draft: Draft
    inspection: Inspection
    projects: Mapping[str, BuiltProject]
    """Each local project, by its directory."""


@frozen
class Sealed:
    """The manifest is written, the smoke tests have passed, and every file has its owner."""

    draft: Draft
    receipt: Receipt
    """The receipt, which isn't written yet."""
