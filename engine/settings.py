"""Settings of one run, from the command line and environment variables."""

from __future__ import annotations

from engine.frozen import frozen


@frozen
class Settings:
    """The settings of one run. The composition root builds the kinds with them."""

    cache: str
    """Directory for data that can be downloaded or computed again. Only its owner can write."""
    state: str
    """Directory for records that must survive a restart. Losing them costs only time."""
    upgrade: frozenset[str] | None = None
    """Packages whose locked versions are ignored. Empty means all, and None means none."""
    compiling_lockfiles: bool = False
    """Whether this run writes lockfiles, so missing and outdated ones are ignored."""
