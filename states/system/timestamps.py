"""UTC timestamps in ISO 8601, with seconds. They are shown to users and decide nothing.

The stored form ends with `Z`, which `datetime.fromisoformat` rejects before Python 3.11.
"""

from __future__ import annotations

import datetime

_EPOCH = datetime.datetime(1970, 1, 1)  # as `_utc_now`, without a zone
_MAX_SECONDS = 60_000_000_000
"""Seconds until the year 3871, and back to the year 68."""
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def now() -> str:
    """Return the current time."""
    return _utc_now().strftime(_FORMAT)


def from_seconds(seconds: float) -> str:
    """Return the timestamp of a number of seconds since the epoch.

    A time that a calendar doesn't have, from a file system with a wrong clock, is replaced by the
    nearest one.
    """
    limited = min(max(seconds, -_MAX_SECONDS), _MAX_SECONDS)
    return (_EPOCH + datetime.timedelta(seconds=int(limited))).strftime(_FORMAT)


def seconds_since(timestamp: str) -> float:
    """Return the age of a timestamp in seconds.

    Raises:
        ValueError: The timestamp is invalid.

    """
    return (_utc_now() - datetime.datetime.strptime(timestamp, _FORMAT)).total_seconds()


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
