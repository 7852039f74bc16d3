"""What can go wrong, each with the exit code and the words that callers see."""

from __future__ import annotations

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class ConvergeError(Exception):
    """One clear message, with a remedy where there is one.

    `output` holds the last lines of a tool's own output, verbatim but redacted.
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
    """The command line is wrong."""

    code, name = 64, "usage"


class NoInput(ConvergeError):
    """A file that the command line names is not there."""

    code, name = 66, "no-input"


class Unavailable(ConvergeError):
    """An index or the network cannot be reached."""

    code, name, retryable = 69, "unavailable", True


class DiskFull(ConvergeError):
    """No room: the disk, a quota or the inodes are used up."""

    code, name, retryable = 73, "disk-full", True


class InputOutputError(ConvergeError):
    """The file system failed or is read-only, or a limit of the system is reached."""

    code, name = 74, "io"


class LockTimeout(ConvergeError):
    """Somebody else holds the lock, past the time we were told to wait."""

    code, name, retryable = 75, "busy", True


class PermissionDenied(ConvergeError):
    """No permission, or an ownership that makes the work unsafe."""

    code, name = 77, "no-permission"


class InternalError(ConvergeError):
    """Anything that is not foreseen; its traceback stands on standard error."""

    code, name = 70, "bug"


class StalePlan(ConvergeError):
    """A saved plan no longer says what would be done."""

    code, name = 80, "stale-plan"


class IntegrityError(ConvergeError):
    """Content is not what its hash says."""

    code, name = 81, "integrity"


class Interrupted(ConvergeError):
    """A signal asked us to stop; the next run does what is left."""

    code, name, retryable = 130, "interrupted", True

    def __init__(self, message: str, *, signal: int = 2) -> None:
        super().__init__(message)
        self.code = 128 + signal


class NotConverged(ConvergeError):
    """Applied, and observed again, and still different: a faulty kind or a rival writer."""

    name = "not-converged"


PROCESS_LIMIT = (
    "no further process or thread can be started",
    "end some, or raise the limit: `ulimit -u`, or that of the container's cgroup",
)
"""What is told, and what helps, where the system does not let us start one."""
OPEN_FILES_HINT = "raise the limit of open files (`ulimit -n`)"
"""What helps where no more can be opened."""
_LACKING = (
    "the file system lacks what is needed: `converge selftest --dir` a folder in it says what"
)

_BY_ERRNO: dict[int, tuple[type[ConvergeError], str]] = {
    errno.ENOSPC: (
        DiskFull,
        "free some space, or inodes where `df -i` shows none; what was live before is untouched",
    ),
    errno.EDQUOT: (DiskFull, "raise the quota; what was live before is untouched"),
    errno.EIO: (InputOutputError, "look at the kernel's log; the disk reports errors"),
    errno.EROFS: (InputOutputError, "the file system is mounted read-only"),
    errno.EMFILE: (InputOutputError, OPEN_FILES_HINT),
    errno.ENFILE: (InputOutputError, "the system is out of file handles"),
    errno.EFBIG: (InputOutputError, "raise the limit of a file's size (`ulimit -f`)"),
    errno.EAGAIN: (LockTimeout, "another run, or a backup, has it locked; try again"),
    errno.EBUSY: (ConvergeError, "something is mounted there, or uses it: end that first"),
    errno.ENOTEMPTY: (ConvergeError, "move away what is in it; converge removes only its own"),
    errno.EXDEV: (
        ConvergeError,
        "nothing can be renamed into another file system; nor can a folder that came with a "
        "container's image: copy that aside with `cp -a`, remove it, and `mv` the copy back",
    ),
    errno.ENOLCK: (ConvergeError, _LACKING),
    errno.EOPNOTSUPP: (ConvergeError, _LACKING),
    errno.ENOSYS: (ConvergeError, _LACKING),
    errno.EEXIST: (ConvergeError, "move it away; converge replaces only its own"),
    errno.ENAMETOOLONG: (ConvergeError, "choose a shorter path"),
    errno.ENOTDIR: (ConvergeError, "a part of that path is no folder: move that away"),
    errno.EISDIR: (ConvergeError, "move that folder away: there is to be a file"),
    errno.ELOOP: (ConvergeError, "move that symlink away; it is not followed there"),
    errno.EACCES: (PermissionDenied, "run as a user who may read, or write, it"),
    errno.EPERM: (PermissionDenied, "run as a user who may do that"),
}


def summarize(errors: Sequence[ConvergeError]) -> tuple[int, str, bool]:
    """Return the exit code of some failures, their class, and whether to try again.

    One class of failure is told by its own code; a mixture is just a failure. Who was asked to
    stop says so, whatever else went wrong.
    """
    if not errors:
        return 0, "ok", False
    telling = [error for error in errors if isinstance(error, Interrupted)] or errors
    same = len({error.code for error in telling}) == 1
    kind = telling[0] if same else ConvergeError
    return kind.code, kind.name, all(error.retryable for error in errors)


def from_os_error(error: OSError) -> ConvergeError:
    """Turn an `OSError` into the error that names its class, its path and a remedy."""
    kind, hint = _BY_ERRNO.get(error.errno or 0, (ConvergeError, None))
    where = f": `{_text(error.filename)}`" if error.filename else ""
    return kind(f"{(error.strerror or str(error)).lower()}{where}", hint=hint)


def process_limit_error() -> InputOutputError:
    """Return the error for a process, or a thread, that the system does not let us start."""
    words, hint = PROCESS_LIMIT
    return InputOutputError(words, hint=hint)


def _text(name: object) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
