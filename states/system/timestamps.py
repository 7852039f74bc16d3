"""Moments as they are noted: UTC, ISO 8601, to the second; for people, never for decisions."""

from __future__ import annotations

import datetime

_FORM = "%Y-%m-%dT%H:%M:%SZ"


def now() -> str:
    """Return this moment."""
    return _utc().strftime(_FORM)


def seconds_since(moment: str) -> float:
    """Return how long ago a moment was; raises `ValueError` if it is none."""
    return (_utc() - datetime.datetime.strptime(moment, _FORM)).total_seconds()


def _utc() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
