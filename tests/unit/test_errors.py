"""System errors become messages with a path, a hint, and an exit code."""

from __future__ import annotations

import errno
import os

import pytest

from engine import errors
from engine.errors import ConvergeError, Interrupted, from_os_error, summarize

COMMON = {
    errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EFBIG,
    errno.EACCES, errno.EPERM, errno.EAGAIN, errno.EBUSY, errno.ENOTEMPTY, errno.EXDEV,
    errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EEXIST, errno.ENAMETOOLONG, errno.ENOTDIR,
    errno.EISDIR, errno.ELOOP,
}  # fmt: skip
"""Errors that users meet on a healthy system or a failing disk; each one needs a hint."""


@pytest.mark.parametrize("path", ["/some/where", b"/some/where"])
def test_os_error_message_has_path_and_hint(path: str | bytes) -> None:
    """Every errno becomes an error with the code of its class, its path, and a hint if common."""
    for number in errno.errorcode:
        error = from_os_error(OSError(number, os.strerror(number), path))

        assert error.message == f"{os.strerror(number).lower()}: `/some/where`"
        assert (error.code, error.retryable) == (type(error).code, type(error).retryable)
        assert error.hint or number not in COMMON, errno.errorcode[number]


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
