"""Calling uv: with nothing taken from the surroundings, and its complaints made clear."""

from __future__ import annotations

import os
import re
import threading

from engine import progress
from engine.errors import (
    OPEN_FILES_HINT,
    PROCESS_LIMIT,
    ConvergeError,
    DiskFull,
    InputOutputError,
    IntegrityError,
    PermissionDenied,
    Unavailable,
)
from states.installer import crash_safe_cache
from states.installer.credentials import netrc_at, resolve_index_url
from states.system import subprocesses
from states.system.scratch import writable_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from states.venv.spec import Venv

ERROR_PATTERNS: tuple[tuple[str, type[ConvergeError], str, str], ...] = (
    (
        r"No space left on device|os error 28|Disk quota exceeded",
        DiskFull,
        "the disk is full",
        "free some space; what was live before is untouched",
    ),
    (
        r"Too many open files|os error 24\)",
        InputOutputError,
        "too many files are open",
        OPEN_FILES_HINT,
    ),
    (
        r"Resource temporarily unavailable",
        InputOutputError,
        *PROCESS_LIMIT,
    ),
    (
        r"[Ff]ailed to deserialize|[Bb]roken cache|cache entry|unexpected end of file"
        r"|Invalid hash digest|[Ii]nvalid [Zz]ip|Failed to extract|[Ff]ailed to read metadata",
        IntegrityError,
        "a download, or what was kept of it, is damaged",
        "the download cache was cleared already: see what the index serves",
    ),
    (
        r"[Hh]ash mismatch",
        IntegrityError,
        "a download does not have the hash that was locked",
        "do not install it; ask who published it, or lock again with `--upgrade`",
    ),
    (
        r"401 Unauthorized|403 Forbidden|[Mm]issing credentials",
        Unavailable,
        "the index refuses us",
        "check the credentials that `index-url` or `netrc` name",
    ),
    (
        r"could not read Username|Authentication failed|Permission denied \(publickey"
        r"|The requested URL returned error: 40[13]",
        Unavailable,
        "a repository refuses us",
        "git asks nobody: name it by `git+ssh://`, with a key of who runs converge",
    ),
    (
        r"dubious ownership",
        PermissionDenied,
        "a repository belongs to somebody else",
        "`git config --system --add safe.directory PATH`: what a user has set does not count here",
    ),
    (
        r"[Rr]epository (?:'[^']*' )?not found|does not appear to be a git repository"
        r"|couldn't find remote ref|not our ref",
        ConvergeError,
        "a repository, or what is asked of it, is not there",
        "correct its URL, or the branch, tag or commit behind the `@`",
    ),
    (
        r"invalid peer certificate|certificate verif",
        Unavailable,
        "a certificate is not to be trusted",
        "add its authority to those of the system, or name its file in `SSL_CERT_FILE`",
    ),
    (
        r"HTTP status client error \(4(?:04|10)\b",
        Unavailable,
        "a URL leads to nothing",
        "correct it; instead of what an index has no more, `--upgrade` chooses anew",
    ),
    (
        r"dns error|[Cc]onnection refused|error sending request|[Nn]etwork is unreachable"
        r"|timed out|tcp connect error|50\d (?:Bad|Service|Gateway|Internal)|Failed to fetch"
        r"|[Nn]etwork connectivity is disabled|[Cc]ould not (?:connect|resolve)|Failed to connect",
        Unavailable,
        "an index cannot be reached",
        "check the network and `index-url`; nothing was changed, so just run it again",
    ),
    (
        r"(?:gcc|cc|clang|g\+\+|cargo|rustc)['`\"]? ?(?:not found|(?:failed)?: No such file)"
        r"|No such file or directory: '[^']*(?:gcc|cc)'|unable to find (?:gcc|cc)",
        ConvergeError,
        "a package has no wheel for this interpreter, and no compiler is here to build it",
        "install the compiler and headers it names, or offer a wheel by `find-links`",
    ),
    (
        r"fatal error: \S+: No such file",
        ConvergeError,
        "a package has no wheel for this interpreter, and a header to build it is not here",
        "install the headers it names, or offer a wheel by `find-links`",
    ),
    (
        r"Failed to build|[Bb]uild backend|metadata generation",
        ConvergeError,
        "a package could not be built from source",
        "see its words; `build-constraints` pins what builds it, `find-links` offers wheels",
    ),
    (
        r"No solution found|[Bb]ecause .* (?:depends on|requires)|unsatisfiable",
        ConvergeError,
        "no set of versions satisfies all requirements",
        "loosen a requirement, or name the one that is to win in `overrides`",
    ),
    (
        r"Read-only file system|os error 30",
        InputOutputError,
        "the file system is read-only",
        "mount it writable",
    ),
    (
        r"Permission denied|os error 13",
        PermissionDenied,
        "permission denied",
        "run as a user who may read, or write, what it names",
    ),
)  # fmt: skip
"""What uv's words amount to; the first that matches counts."""
_CERTIFICATES = {"SSL_CERT_FILE": "GIT_SSL_CAINFO", "SSL_CERT_DIR": "GIT_SSL_CAPATH"}
"""What names the authorities to trust, and by what name git knows it."""
_search_options = threading.Lock()


def run_uv(
    arguments: list[str], *, work: str, cache: str, doing: str, spec: Venv | None = None
) -> None:
    """Run uv in a private folder; raises the `ConvergeError` that its complaint amounts to."""
    ended = _run(arguments, work, cache, spec)
    if ended.status != 0:
        raise translate_error(ended, doing)


def clear_cache(packages: Sequence[str], *, work: str, cache: str) -> None:
    """Have uv drop packages, or all if none is named, from its cache."""
    progress.step("clearing the download cache")
    run_uv(
        ["cache", "clean", *packages], work=work, cache=cache, doing="clearing the download cache"
    )


def _run(arguments: list[str], work: str, cache: str, spec: Venv | None) -> subprocesses.Completed:
    extra = {
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "UV_SYSTEM_CERTS": "1",
        "NO_COLOR": "1",
        "UV_LINK_MODE": "copy",
        "GIT_TERMINAL_PROMPT": "0",
        **{git: os.environ[name] for name, git in _CERTIFICATES.items() if os.environ.get(name)},
        **(index_environment(spec) if spec else {}),
    }
    argv = [_program(), *arguments]
    private = os.path.join(cache, "uv")
    if not writable_dir(private):
        env = subprocesses.clean_environment(work, {**extra, "UV_NO_CACHE": "1"})
        return subprocesses.run(argv, env=env, cwd=work)
    env = subprocesses.clean_environment(work, {**extra, "UV_CACHE_DIR": private})
    with crash_safe_cache.open_cache(private):
        return subprocesses.run(argv, env=env, cwd=work)


def index_environment(spec: Venv) -> dict[str, str]:
    """Return the variables that tell uv of indexes: a URL may hold a password, so no argv."""
    env = {}
    if spec.index_url:
        env["UV_DEFAULT_INDEX"] = resolve_index_url(spec.index_url)
    if spec.extra_index_url:
        env["UV_INDEX"] = " ".join(resolve_index_url(one) for one in spec.extra_index_url)
    if spec.netrc:
        env["NETRC"] = netrc_at(spec.netrc)
    return env


def index_arguments(spec: Venv) -> list[str]:
    """Return the arguments that say where distributions come from, but for indexes."""
    from urllib.parse import quote

    arguments = []
    for one in spec.find_links:
        # In a path, too, uv takes what follows a `#` for a fragment.
        hidden = one.startswith("/") and "#" in one
        arguments += ["--find-links", f"file://{quote(one)}" if hidden else one]
    if spec.no_index:
        arguments.append("--no-index")
    if spec.exclude_newer:
        arguments += ["--exclude-newer", spec.exclude_newer]
    return arguments


def translate_error(ended: subprocesses.Completed, doing: str) -> ConvergeError:
    """Turn uv's words into one message with a cause, its last lines, and a remedy."""
    for pattern, kind, cause, hint in ERROR_PATTERNS:
        if re.search(pattern, ended.output):
            return kind(f"{doing}: {cause}", hint=hint, output=ended.last_lines())
    return ConvergeError(f"{doing}: uv {ended.describe_exit()}", output=ended.last_lines())


def _program() -> str:
    from uv import find_uv_bin

    # It asks `sysconfig`, whose answers are made by whoever asks first: others get half of them.
    with _search_options:
        return str(find_uv_bin())
