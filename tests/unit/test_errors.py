"""Errors of the system in clear words, each with its exit code."""

from __future__ import annotations

import errno
import os

import pytest

from engine import errors
from engine.errors import ConvergeError, Interrupted, from_os_error, in_common


@pytest.mark.parametrize(
    ("number", "code", "retryable"),
    [
        (errno.ENOSPC, 73, True),
        (errno.EDQUOT, 73, True),
        (errno.EIO, 74, False),
        (errno.EROFS, 74, False),
        (errno.EMFILE, 74, False),
        (errno.ENFILE, 74, False),
        (errno.EFBIG, 74, False),
        (errno.EACCES, 77, False),
        (errno.EPERM, 77, False),
        (errno.EAGAIN, 75, True),
        (errno.EBUSY, 1, False),
        (errno.ENOTEMPTY, 1, False),
        (errno.EXDEV, 1, False),
        (errno.ENOLCK, 1, False),
        (errno.EOPNOTSUPP, 1, False),
        (errno.ENOSYS, 1, False),
        (errno.EEXIST, 1, False),
        (errno.ENAMETOOLONG, 1, False),
        (errno.ENOTDIR, 1, False),
        (errno.EISDIR, 1, False),
        (errno.ELOOP, 1, False),
    ],
)
@pytest.mark.parametrize("path", ["/some/where", b"/some/where"])
def test_an_error_of_the_system_names_its_path_and_a_way_out(number, code, retryable, path) -> None:
    error = from_os_error(OSError(number, os.strerror(number), path))
    assert (error.code, error.retryable) == (code, retryable)
    assert error.message == f"{os.strerror(number).lower()}: `/some/where`"
    assert error.hint


def test_an_error_without_number_or_path_keeps_its_words() -> None:
    error = from_os_error(OSError("the disk is on fire"))
    assert (error.message, error.hint) == ("the disk is on fire", None)


def test_a_path_that_is_no_text_is_named_all_the_same() -> None:
    assert "caf" in from_os_error(OSError(errno.EIO, "x", b"caf\xe9")).message


def test_no_two_classes_share_an_exit_code_or_a_name() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ConvergeError)
    ]
    plain = [kind for kind in kinds if kind.code != 1]
    assert len({kind.code for kind in plain}) == len(plain)
    assert len({kind.name for kind in kinds}) == len(kinds)
    assert {64, 66, 69, 70, 73, 74, 75, 77, 80, 81, 130} == {kind.code for kind in plain}


def test_an_interruption_exits_as_its_signal_does() -> None:
    assert [Interrupted("x", signal=n).code for n in (1, 2, 15)] == [129, 130, 143]


def test_several_failures_have_the_code_of_their_class_or_just_fail() -> None:
    busy, refused = errors.Busy("x"), errors.Forbidden("y")
    assert in_common([]) == (0, "ok", False)
    assert in_common([busy, busy]) == (75, "busy", True)
    assert in_common([busy, refused]) == (1, "failed", False)
