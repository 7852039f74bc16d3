"""Record which run published the live generation, so that a whole run can be rolled back.

The target of the symlink `run` in the store contains the ID of the run, the content of the path
before it, and the generation that it published. The record is written before the publication,
which syncs it. If the run was killed in between, the earlier content is still live: it needs no
rollback. If neither is live, a later change replaced both, and the record has no effect.

The number of a run is higher than that of every earlier run with the same state directory, and than
that of the run that the store records. It doesn't come from a clock.
"""

from __future__ import annotations

import os
import re
from _thread import allocate_lock  # Importing `threading` costs a no-op run a millisecond.
from contextlib import suppress

from engine.frozen import frozen
from engine.system.existence import listdir_or_empty
from engine.system.files import fsync_dir, make_private_dir
from states.venv.generations.store import read_record, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.layout import Store

RUN_NAME = "run"
"""The name of the record in the store."""
_ID = r"(\d{1,18})-[0-9a-f]{8}"
_NUMBER = r"\d{1,18}"


class Run:
    """The identity of the current process's run. The first publication creates it.

    Args:
        state_dir: The directory for state.

    """

    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir
        self._id = ""
        self._lock = allocate_lock()

    def id_for(self, store: Store) -> str:
        """Return the ID of this run. The first call reserves its number durably.

        Args:
            store: The store that is about to change, whose recorded run is an earlier one.

        Raises:
            OSError: The state directory can't be written. Nothing was changed.

        """
        with self._lock:  # Several venvs are published in parallel.
            if not self._id:
                recorded = read_run(store)
                number = _reserve(self._state_dir, recorded.number if recorded else 0)
                self._id = f"{number:06d}-{os.urandom(4).hex()}"
        return self._id


@frozen
class PublishedBy:
    """The run that published a generation of a venv."""

    run: str
    before: str
    """The generation before it, or `foreign`. Empty if the venv didn't exist."""
    after: str

    @property
    def number(self) -> int:
        """The position of the run in the order of all runs."""
        match = re.fullmatch(_ID, self.run)
        return int(match[1]) if match else 0


def record_run(store: Store, published_by: PublishedBy) -> None:
    """Record the run that publishes a generation next. The lock of the store must be held."""
    content = f"{published_by.run}:{published_by.before}:{published_by.after}"
    write_record(store, RUN_NAME, content)


def read_run(store: Store) -> PublishedBy | None:
    """Return the recorded run of a store, or None if there is none.

    Raises:
        OSError: The record can't be read.

    """
    parts = read_record(store, RUN_NAME).split(":")
    if len(parts) != 3 or not re.fullmatch(_ID, parts[0]):
        return None
    return PublishedBy(*parts)


def _reserve(state_dir: str, at_least: int) -> int:
    """Return a number that is higher than every reserved one, and reserve it."""
    directory = os.path.join(state_dir, "runs")
    make_private_dir(directory)
    reserved = [name for name in listdir_or_empty(directory) if re.fullmatch(_NUMBER, name)]
    number = max((*map(int, reserved), at_least)) + 1
    while True:
        path = os.path.join(directory, f"{number:06d}")
        try:
            # Creation is atomic: of two processes, the second gets the next number.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            break
        except FileExistsError:
            number += 1
    # INVARIANT: after the creation, so that a kill never lowers the highest number.
    for name in reserved:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(directory, name))
    fsync_dir(directory)
    return number
