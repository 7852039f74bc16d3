"""Translate the output of uv, and of the Git and compilers that it starts, into errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import (
    OPEN_FILES_HINT,
    PROCESS_LIMIT,
    READ_ONLY_HINT,
    ConvergeError,
    DiskFull,
    InputOutputError,
    IntegrityError,
    PermissionDenied,
    Unavailable,
)
from states.installer.build_errors import build_error
from states.installer.resolution_errors import resolution_error

if TYPE_CHECKING:
    from states.system.subprocesses import Completed

_BUILD_FAILED = "a package failed to build from source"
_NO_VERSIONS = "no versions satisfy all requirements"

ERROR_PATTERNS: tuple[tuple[str, type[ConvergeError], str, str], ...] = (
    (
        r"No space left on device|os error 28|Disk quota exceeded",
        DiskFull,
        "the disk is full",
        "free some disk space; nothing was published",
    ),
    (
        r"Too many open files|os error 24\)",
        InputOutputError,
        "too many open files",
        OPEN_FILES_HINT,
    ),
    (
        r"Resource temporarily unavailable",
        InputOutputError,
        *PROCESS_LIMIT,
    ),
    (
        r"due to network timeout|error reading a body|before message length reached"
        r"|[Cc]onnection reset|connection closed before|IncompleteMessage",
        Unavailable,
        "a download stalled or was cut short",
        "run the command again; for a slow server, raise `download-timeout`",
    ),
    (
        # uv reports this for a package without separate metadata, and hides a network error.
        r"invalid package format",
        Unavailable,
        "a file on the index is incomplete or damaged",
        "run the command again; if it fails again, replace the file on the index",
    ),
    (
        r"[Ff]ailed to deserialize|[Bb]roken cache|cache entry|unexpected end of file"
        r"|Invalid hash digest|[Ii]nvalid [Zz]ip|Failed to extract|[Ff]ailed to read metadata",
        IntegrityError,
        "a download or a cache entry is damaged",
        "converge already downloaded it again; check the files that the index serves",
    ),
    (
        r"[Hh]ash mismatch",
        IntegrityError,
        "a download doesn't match its locked hash",
        "ask its publisher before you install it; to lock again, run with `--upgrade`",
    ),
    (
        r"401 Unauthorized|403 Forbidden|[Mm]issing credentials",
        Unavailable,
        "the index rejected the credentials",
        "check the credentials in `index-url` or `netrc`",
    ),
    (
        r"could not read Username|Authentication failed|Permission denied \(publickey"
        r"|The requested URL returned error: 40[13]",
        Unavailable,
        "the Git server rejected the credentials",
        "set `netrc` to a file with a token, or use a `git+ssh://` URL and an SSH key",
    ),
    (
        r"Git executable not found",
        ConvergeError,
        "a package comes from a Git repository, and `git` isn't installed",
        "install the package `git` of your distribution",
    ),
    (
        r"dubious ownership",
        PermissionDenied,
        "another user owns the Git repository",
        "run `git config --system --add safe.directory PATH`; per-user settings don't apply here",
    ),
    (
        r"[Rr]epository (?:'[^']*' )?not found|does not appear to be a git repository"
        r"|couldn't find remote ref|not our ref",
        ConvergeError,
        "the Git repository or revision doesn't exist",
        "correct its URL, or the branch, tag, or commit after `@`",
    ),
    (
        r"invalid peer certificate|certificate verif",
        Unavailable,
        "a TLS certificate isn't trusted",
        "add its authority to the system's certificates, or set `SSL_CERT_FILE`",
    ),
    (
        r"HTTP status client error \(4(?:04|10)\b",
        Unavailable,
        "a URL doesn't exist",
        "fix the URL; if the file was removed from the index, run with `--upgrade`",
    ),
    (
        r"dns error|[Cc]onnection refused|error sending request|[Nn]etwork is unreachable"
        r"|timed out|tcp connect error|50\d (?:Bad|Service|Gateway|Internal)|Failed to fetch"
        r"|[Nn]etwork connectivity is disabled|[Cc]ould not (?:connect|resolve)|Failed to connect",
        Unavailable,
        "can't reach an index",
        "check the network and `index-url`, then run the command again; nothing was changed",
    ),
    (
        r"Failed to (?:download and )?build|[Bb]uild backend|metadata generation",
        ConvergeError,
        _BUILD_FAILED,
        "see the build output; to pin build tools, use `build-constraints`; to provide a wheel, "
        "use `find-links`",
    ),
    (
        r"No solution found|[Bb]ecause .* (?:depends on|requires)|unsatisfiable",
        ConvergeError,
        _NO_VERSIONS,
        "loosen a requirement, or add the version that must win to `overrides`",
    ),
    (
        r"Read-only file system|os error 30",
        InputOutputError,
        "the file system is read-only",
        READ_ONLY_HINT,
    ),
    (
        r"Permission denied|os error 13",
        PermissionDenied,
        "permission denied",
        "run as a user with access to the paths in the output",
    ),
)  # fmt: skip
"""Pattern of the output, error class, cause, and hint. The first match counts."""


_DAMAGED = re.compile(
    r"(?:Failed to (?:download|read metadata[^`\n]*|extract[^`\n]*|unzip[^`\n]*)|mismatch for)"
    r" `([A-Za-z0-9][\w.-]*)(?:==|\s?@\s?|`)"
)


def damaged_packages(output: str) -> list[str]:
    """Return the names of the packages that uv reports as damaged, if it names them."""
    return sorted(set(_DAMAGED.findall(output)))


def translate_error(completed: Completed, action: str, cache: str = "") -> ConvergeError:
    """Return an error with a cause, a hint, and the last lines of the output.

    Args:
        completed: The failed process.
        action: The prefix of the message, such as "resolving versions".
        cache: uv's cache, which may contain the sources of a failed build.

    Returns:
        The error. A failed build and a failed resolution have their own classes.

    """
    output = completed.output
    for pattern, error_class, cause, hint in ERROR_PATTERNS:
        if re.search(pattern, output):
            if cause == _BUILD_FAILED and (error := build_error(output, action, cache)):
                return error
            if cause == _NO_VERSIONS:
                return resolution_error(output, action)
            return error_class(f"{action}: {cause}", hint=hint, output=completed.last_lines())
    return ConvergeError(f"{action}: uv {completed.describe_exit()}", output=completed.last_lines())
