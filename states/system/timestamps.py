"""UTC timestamps in ISO 8601, with seconds. They are shown to users and decide nothing.

The stored form ends with `Z`, which `datetime.fromisoformat` rejects before Python 3.11.
"""

from __future__ import annotations

import datetime

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def now() -> str:
    """Return the current time."""
    return _utc_now().strftime(_FORMAT)


def seconds_since(timestamp: str) -> float:
    """Return the age of a timestamp in seconds.

    Raises:
        ValueError: The timestamp is invalid.

    """
    return (_utc_now() - datetime.datetime.strptime(timestamp, _FORMAT)).total_seconds()


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
