"""Applied hosts for tests that need one to start from: applied once, then copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.integration.host import Host


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshots:
    """Snapshots of prepared hosts.

    Generations contain absolute paths, so all hosts have the same directory. Each call of `host`
    deletes it and restores a snapshot, so a test never sees the changes of another test.
    """

    directory: Path
    """The directory of each host."""
    saved: Path
    """The directory that contains the snapshots by name."""
    cache: Path

    def host(self, name: str, prepare: Callable[[Host], object]) -> Host:
        """Return a host as `prepare` leaves it.

        Args:
            name: The name of the snapshot.
            prepare: Prepares an empty host, and applies its declaration. The first call with a
                name calls it.
        """
        host = Host(directory=self.directory, cache=self.cache)
        snapshot = self.saved / name
        shutil.rmtree(self.directory, ignore_errors=True)
        if not snapshot.exists():
            self.directory.mkdir(parents=True)
            prepare(host)
            self.saved.mkdir(exist_ok=True)
            self.directory.rename(snapshot)
        shutil.copytree(snapshot, self.directory, symlinks=True)
        # The copies have other inodes, so let converge record their stats, as after a build.
        assert not host.apply_ok().report["changed"]
        return host
