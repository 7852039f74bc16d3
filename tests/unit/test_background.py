"""Functions that run beside the caller have ended when the caller goes on, and report errors."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest

from engine.system.background import background

NAME: ContextVar[str] = ContextVar("name")


def test_caller_waits_for_a_started_function() -> None:
    may_end, ended = threading.Event(), []

    def wait() -> None:
        may_end.wait(60)
        ended.append(NAME.get())

    NAME.set("caller")
    with background() as start:
        start(wait)
        before = list(ended)
        may_end.set()

    assert (before, ended) == ([], ["caller"])


def fail() -> None:
    raise OSError("lost write")


def test_error_of_a_started_function_is_raised() -> None:
    with pytest.raises(OSError, match="lost write"), background() as start:
        start(fail)


def fail_after_a_start() -> None:
    with background() as start:
        start(fail)
        raise ValueError("caller")


def test_error_of_the_caller_comes_first() -> None:
    with pytest.raises(ValueError, match="caller"):
        fail_after_a_start()
