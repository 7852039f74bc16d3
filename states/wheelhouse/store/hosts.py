"""Record the build host in the store, so that two hosts don't replace each other's wheels."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from states.venv.generations.store import read_record, write_record

if TYPE_CHECKING:
    from states.venv.layout import Store

HOST = "host"
"""The name of the record in the store."""


def require_same_host(store: Store) -> None:
    """Check that no other host publishes into a store.

    Two hosts can share a directory, and a lock excludes only runs at the same time. Each would
    replace the wheels that the other one built for its own interpreters.

    Raises:
        ConvergeError: Another host does.
        OSError: The record can't be read.

    """
    recorded = read_record(store, HOST)
    if recorded not in ("", os.uname().nodename):
        raise ConvergeError(
            f"`{store.published}` belongs to the build host `{recorded}`, and this is "
            f"`{os.uname().nodename}`",
            hint="choose another path for this host; if it replaces the other one, run "
            f"`rm {store.root}/{HOST}`",
        )


def record_host(store: Store) -> None:
    """Record this host. The lock of the store must be held."""
    if not read_record(store, HOST):
        write_record(store, HOST, os.uname().nodename)
