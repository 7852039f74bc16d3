"""Every error that converge reports, with its exit code, its class in JSON, and its hint."""

from __future__ import annotations

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class ConvergeError(Exception):
    """An error that is reported to the user.

    Attributes:
        code: The exit code if every failure has the same one.
        name: The class of the error in JSON.
        retryable: Whether the same command can succeed later without other changes.
        message: The problem and the value it concerns, in one line.
        hint: A remedy in the imperative, or None.
        output: The last lines of a tool's output, verbatim except for redacted passwords.

    """

    code = 1
    name = "failed"
    retryable = False

    def __init__(self, message: str, *, hint: str | None = None, output: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.output = output


class UsageError(ConvergeError):
    """The command line is invalid."""

    code, name = 64, "usage"


class NoInput(ConvergeError):
    """A file named on the command line doesn't exist."""

    code, name = 66, "no-input"


class Unavailable(ConvergeError):
    """An index or the network isn't reachable."""

    code, name, retryable = 69, "unavailable", True


class InternalError(ConvergeError):
    """A bug in converge. The traceback is printed to standard error."""

    code, name = 70, "bug"


class DiskFull(ConvergeError):
    """No disk space, quota, or inodes are left."""

    code, name, retryable = 73, "disk-full", True


class InputOutputError(ConvergeError):
    """The file system failed or is read-only, or a system limit was reached."""

    code, name = 74, "io"


class LockTimeout(ConvergeError):
    """Another process held the lock until the timeout."""

    code, name, retryable = 75, "busy", True


class PermissionDenied(ConvergeError):
    """A permission is missing, or the owner of a path makes the operation unsafe."""

    code, name = 77, "no-permission"


class StalePlan(ConvergeError):
    """A saved plan differs from the current one."""

    code, name = 80, "stale-plan"


class IntegrityError(ConvergeError):
    """Content doesn't match its hash."""

    code, name = 81, "integrity"


class Interrupted(ConvergeError):
    """A signal stopped the run. The next run continues."""

    code, name, retryable = 130, "interrupted", True

    def __init__(self, message: str, *, signal: int = 2) -> None:
        super().__init__(message)
        self.code = 128 + signal


class NotConverged(ConvergeError):
    """A resource still differs after it was applied.

    Either the kind is faulty, or another process writes to the resource.
    """

    name = "not-converged"


PROCESS_LIMIT = (
    "can't start another process or thread",
    "stop some processes, or raise the limit: `ulimit -u`, or the limit of the container's cgroup",
)
"""The message and the hint for a process or thread that can't be started."""
OPEN_FILES_HINT = "raise the limit of open files (`ulimit -n`)"
READ_ONLY_HINT = (
    "choose another path; or find the file system with `findmnt --target PATH`, "
    "and mount it read-write"
)
_UNSUPPORTED_HINT = (
    "the file system doesn't support a required operation; "
    "for details, run `converge selftest --dir DIR`"
)

_BY_ERRNO: dict[int, tuple[type[ConvergeError], str]] = {
    errno.ENOSPC: (
        DiskFull,
        "free disk space, or inodes if `df -i` shows none; existing resources are unchanged",
    ),
    errno.EDQUOT: (DiskFull, "raise the disk quota; existing resources are unchanged"),
    errno.EIO: (InputOutputError, "check the kernel log; the disk reports errors"),
    errno.EROFS: (InputOutputError, READ_ONLY_HINT),
    errno.EMFILE: (InputOutputError, OPEN_FILES_HINT),
    errno.ENFILE: (InputOutputError, "raise the system's limit of open files (`fs.file-max`)"),
    errno.EFBIG: (InputOutputError, "raise the limit of the file size (`ulimit -f`)"),
    errno.EAGAIN: (LockTimeout, "try again; another run or a backup holds the lock"),
    errno.EBUSY: (ConvergeError, "unmount it, or stop the processes that use it"),
    errno.ENOTEMPTY: (ConvergeError, "move its content; converge deletes only its own files"),
    errno.EXDEV: (
        ConvergeError,
        "keep both paths on one file system; if the directory is part of a container's image, "
        "copy it with `cp -a`, delete it, and `mv` the copy back",
    ),
    errno.ENOLCK: (ConvergeError, _UNSUPPORTED_HINT),
    errno.EOPNOTSUPP: (ConvergeError, _UNSUPPORTED_HINT),
    errno.ENOSYS: (ConvergeError, _UNSUPPORTED_HINT),
    errno.EEXIST: (ConvergeError, "move it; converge replaces only its own files"),
    errno.ENAMETOOLONG: (ConvergeError, "choose a shorter path"),
    errno.ENOTDIR: (ConvergeError, "a parent of that path isn't a directory; move it"),
    errno.EISDIR: (ConvergeError, "a directory is in the way; move it"),
    errno.ELOOP: (ConvergeError, "replace the symlink; converge doesn't follow it there"),
    errno.EACCES: (PermissionDenied, "run as a user who can read or write it"),
    errno.EPERM: (PermissionDenied, "run as a user who has the permission"),
}


def summarize(errors: Sequence[ConvergeError]) -> tuple[int, str, bool]:
    """Summarize the errors of a run.

    Errors of one class keep its exit code. Different classes make a general failure. An
    interruption takes precedence over other errors.

    Args:
        errors: The errors of all resources. May be empty.

    Returns:
        The exit code, the class in JSON, and whether the same command can succeed later.

    """
    if not errors:
        return 0, "ok", False
    relevant = [error for error in errors if isinstance(error, Interrupted)] or errors
    is_uniform = len({error.code for error in relevant}) == 1
    summary = relevant[0] if is_uniform else ConvergeError
    return summary.code, summary.name, all(error.retryable for error in errors)


def from_os_error(error: OSError) -> ConvergeError:
    """Return the error to report for an `OSError`, with its class, path, and hint."""
    error_class, hint = _BY_ERRNO.get(error.errno or 0, (ConvergeError, None))
    suffix = f": `{_decode(error.filename)}`" if error.filename else ""
    return error_class(f"{(error.strerror or str(error)).lower()}{suffix}", hint=hint)


def process_limit_error() -> InputOutputError:
    """Return the error for a process or thread that the system doesn't allow."""
    message, hint = PROCESS_LIMIT
    return InputOutputError(message, hint=hint)


def _decode(filename: object) -> str:
    return filename.decode("utf-8", "replace") if isinstance(filename, bytes) else str(filename)
