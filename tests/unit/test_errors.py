"""System errors become messages with a path, a hint, and an exit code."""

from __future__ import annotations

import errno
import os

import pytest

from engine import errors
from engine.errors import ConvergeError, Interrupted, from_os_error, summarize

REPORTED = {
    errno.ENOSPC: (73, True),
    errno.EDQUOT: (73, True),
    errno.EIO: (74, False),
    errno.EROFS: (74, False),
    errno.EMFILE: (74, False),
    errno.ENFILE: (74, False),
    errno.EFBIG: (74, False),
    errno.EAGAIN: (75, True),
    errno.EACCES: (77, False),
    errno.EPERM: (77, False),
    errno.EBUSY: (1, False),
    errno.ENOTEMPTY: (1, False),
    errno.EXDEV: (1, False),
    errno.ENOLCK: (1, False),
    errno.EOPNOTSUPP: (1, False),
    errno.ENOSYS: (1, False),
    errno.EEXIST: (1, False),
    errno.ENAMETOOLONG: (1, False),
    errno.ENOTDIR: (1, False),
    errno.EISDIR: (1, False),
    errno.ELOOP: (1, False),
}
"""Exit code and `retryable` of the errors that users meet. Each of them needs a hint."""


@pytest.mark.parametrize("path", ["/some/where", b"/some/where"])
@pytest.mark.parametrize("number", errno.errorcode, ids=errno.errorcode.get)
def test_os_error_has_code_path_and_hint(number: int, path: str | bytes) -> None:
    """Any other error is a general failure, and needs no hint."""
    error = from_os_error(OSError(number, os.strerror(number), path))

    assert (error.code, error.retryable) == REPORTED.get(number, (1, False))
    assert error.message == f"{os.strerror(number).lower()}: `/some/where`"
    assert bool(error.hint) is (number in REPORTED)


def test_os_error_without_errno_keeps_its_message() -> None:
    error = from_os_error(OSError("the disk is offline"))
    assert (error.message, error.hint) == ("the disk is offline", None)


def test_os_error_message_has_an_undecodable_path() -> None:
    assert "caf" in from_os_error(OSError(errno.EIO, "x", b"caf\xe9")).message


def test_error_classes_have_unique_codes_and_names() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ConvergeError)
    ]
    specific = [kind for kind in kinds if kind.code != 1]
    assert len({kind.code for kind in specific}) == len(specific)
    assert len({kind.name for kind in kinds}) == len(kinds)
    assert {64, 66, 69, 70, 73, 74, 75, 77, 80, 81, 130} == {kind.code for kind in specific}


def test_interrupted_exit_code_is_that_of_the_signal() -> None:
    assert [Interrupted("x", signal=number).code for number in (1, 2, 15)] == [129, 130, 143]


def test_summary_of_failures_is_their_shared_class_or_failed() -> None:
    busy, forbidden = errors.LockTimeout("x"), errors.PermissionDenied("y")
    assert summarize([]) == (0, "ok", False)
    assert summarize([busy, busy]) == (75, "busy", True)
    assert summarize([busy, forbidden]) == (1, "failed", False)
