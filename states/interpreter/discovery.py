"""Find the interpreter for a request, and detect later that it was removed or replaced.

A run that changes nothing imports this module, so libraries are imported inside functions.
"""

from __future__ import annotations

import os
import re

from engine.errors import ConvergeError
from engine.frozen import frozen
from engine.system.existence import exists, resolve, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Literal

    from packaging.specifiers import SpecifierSet
    from python_discovery import PythonInfo

    Drift = Literal["", "missing", "changed"]

_EXACT = re.compile(r"\d+(\.\d+)*")
_MAX_FILE_SIZE = 1 << 30
"""In bytes. No file of an interpreter is larger."""
_OLDEST = (3, 8)
"""The oldest version that virtualenv and the bytecode compiler support."""


@frozen
class Python:
    """A base interpreter as it was when it was found."""

    executable: str
    """Absolute path in the installation, never in a virtual environment."""
    version: str
    """For example `3.11.7`."""
    implementation: str
    """For example `CPython`, or `CPythont` without the GIL. Empty in old receipts."""
    watched: Mapping[str, tuple[int, ...]]
    """(size, mtime in ns, inode) of each file that an upgrade changes, by path."""
    digest: str
    """SHA-256 over the content of the watched files."""

    def __str__(self) -> str:
        """Return version and executable, as plans show them."""
        return self.attribute("")

    def is_compatible_with(self, other: Python) -> bool:
        """Return whether versions and wheels that were selected for one suit the other."""
        minor, other_minor = self.version.split(".")[:2], other.version.split(".")[:2]
        return minor == other_minor and self.implementation == other.implementation

    def drift(self) -> Drift:
        """Return how the interpreter on disk differs, without starting it.

        Raises:
            OSError: A file of it can't be examined. That isn't a missing interpreter.

        """
        stats = {path: _stat(path) for path in self.watched}
        if not all(stats.values()):
            return "missing"
        same = all(tuple(recorded) == stats[path] for path, recorded in self.watched.items())
        return "" if same or _digest(self.watched) == self.digest else "changed"

    def attribute(self, drift: Drift) -> str:
        """Return the value of the attribute `python`: the drift if any, or version and path."""
        return f"{drift or self.version} {self.executable}"


def to_json(python: Python) -> dict[str, Any]:
    """Return the form in which receipts store an interpreter."""
    return {
        "executable": python.executable,
        "version": python.version,
        "implementation": python.implementation,
        "watched": {path: list(stat) for path, stat in python.watched.items()},
        "digest": python.digest,
    }


def from_json(record: Mapping[str, Any]) -> Python:
    """Return the interpreter in a receipt. Raises `KeyError` or `TypeError` if malformed."""
    return Python(
        executable=str(record["executable"]),
        version=str(record["version"]),
        implementation=str(record.get("implementation", "")),
        watched={path: tuple(stat) for path, stat in record["watched"].items()},
        digest=str(record["digest"]),
    )


def satisfies(python: Python, request: str) -> bool:
    """Return whether an interpreter satisfies a request."""
    if os.path.isabs(request):
        return resolve(request) == python.executable
    return bool(_specifier(request).contains(python.version, prereleases=True))


def resolves_differently(python: Python, request: str) -> bool:
    """Return whether a path that resolved to an interpreter may now resolve to another one.

    A path that no longer exists doesn't count: the interpreter itself may still be usable.
    """
    if not os.path.isabs(request) or not exists(request):
        return False
    # A path that isn't a symlink may be a script that starts the interpreter.
    return resolve(request) not in (os.path.normpath(request), python.executable)


def find(request: str) -> Python:
    """Find the interpreter for a version, a range, or an absolute path.

    Searches PATH, the standard directories, and pyenv versions. For an exact request, the first
    match wins. For a range, the newest release wins.

    Raises:
        ConvergeError: No interpreter satisfies the request, or it is too old.

    """
    from states.interpreter.candidates import STANDARD_DIRS, skipped_candidates

    oldest = ".".join(map(str, _OLDEST))
    if os.path.isabs(request):
        info = _inspect(request) if os.access(request, os.X_OK) else None
    else:
        info = _search(request)
    if info is None:
        # Imported here: a no-op run finds its interpreter.
        from states.interpreter.not_found import not_found

        raise not_found(request, list(_installed()), ("PATH", *STANDARD_DIRS), skipped_candidates())
    if _is_too_old(info):
        raise ConvergeError(
            f"`{request}` is Python {_version(info)}", hint=f"choose Python {oldest} or later"
        )
    return from_info(info)


def information(python: Python) -> PythonInfo:
    """Return the properties of an interpreter. Starts it once per run, isolated."""
    return _inspect(python.executable)


def from_info(info: PythonInfo) -> Python:
    """Return the interpreter with these properties, and with the stat of its files."""
    # `python3` may be a symlink, which an upgrade points to another version.
    executable = resolve(str(info.system_executable))
    watched = [executable, os.path.join(str(info.system_stdlib), "os.py")]
    variables = info.sysconfig_vars
    if variables.get("Py_ENABLE_SHARED"):
        watched.append(os.path.join(str(variables["LIBDIR"]), str(variables["INSTSONAME"])))
    stats = {path: stat for path in watched if (stat := _stat(path))}
    return Python(
        executable=executable,
        version=_version(info),
        implementation=info.implementation + ("t" if info.free_threaded else ""),
        watched=stats,
        digest=_digest(stats),
    )


def is_valid_request(request: str) -> bool:
    """Return whether a request is a version, a range of versions, or an absolute path."""
    if os.path.isabs(request):
        return True
    from packaging.specifiers import InvalidSpecifier

    try:
        _specifier(request)
    except InvalidSpecifier:
        return False
    return bool(request)


def _specifier(request: str) -> SpecifierSet:
    from packaging.specifiers import SpecifierSet

    if _EXACT.fullmatch(request):
        return SpecifierSet(f"=={request}.*" if request.count(".") < 2 else f"=={request}")
    return SpecifierSet(request)


def _search(request: str) -> PythonInfo | None:
    from states.interpreter.candidates import trusted_candidates

    specifier = _specifier(request)
    is_exact = _EXACT.fullmatch(request)
    best = None
    for path in trusted_candidates():
        info = _query(path)
        if info is None or _is_too_old(info):
            continue
        if not specifier.contains(_version(info), prereleases=True):
            continue
        if is_exact:
            return info
        if best is None or _rank(info) > _rank(best):
            best = info
    return best


def _installed() -> list[str]:
    """Return the versions and the paths of up to five interpreters, for a hint."""
    from states.interpreter.candidates import trusted_candidates

    all_ = ((path, _query(path)) for path in sorted(trusted_candidates()))
    usable = ((path, info) for path, info in all_ if info and not _is_too_old(info))
    return [f"{_version(info)} (`{path}`)" for path, info in usable][:5]


def _rank(info: PythonInfo) -> tuple[bool, bool, tuple[Any, ...]]:
    """Return the sort key of interpreters that satisfy a range.

    Many packages have no wheels for other implementations or for free-threaded builds.
    """
    is_standard = info.implementation == "CPython" and not info.free_threaded
    return is_standard, info.version_info.releaselevel == "final", tuple(info.version_info)


def _query(path: str) -> PythonInfo | None:
    """Return the properties of an interpreter, or None if it can't be started.

    If another user can change it, root starts it as that user.

    Raises:
        PermissionDenied: Several users can change it.

    """
    from python_discovery import PythonInfo

    from states.interpreter.launcher import query_as_user, user_of_interpreter

    environment = {"PATH": os.defpath, "PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1"}
    if not os.access(path, os.X_OK):
        return None
    user = user_of_interpreter(path)
    if user is not None:
        return query_as_user(path, user, environment)
    return PythonInfo.from_exe(path, None, raise_on_error=False, env=environment)


def _inspect(path: str) -> PythonInfo:
    info = _query(path)
    if info is None:
        raise ConvergeError(
            f"`{path}` doesn't run as a Python interpreter",
            hint="repair or reinstall it, or choose another one with `python`",
        )
    return info


def _version(info: PythonInfo) -> str:
    return ".".join(str(part) for part in info.version_info[:3])


def _is_too_old(info: PythonInfo) -> bool:
    return tuple(info.version_info[:2]) < _OLDEST


def _stat(path: str) -> tuple[int, ...]:
    """Return size, mtime in ns, and inode. Return an empty tuple if the file doesn't exist.

    Raises:
        OSError: The answer isn't known.

    """
    result = status(path)
    if result is None:
        return ()
    return result.st_size, result.st_mtime_ns, result.st_ino


def _digest(paths: Iterable[str]) -> str:
    """Return the SHA-256 over the content of files, in the order of their paths.

    Another user may have chosen the paths, and an endless file must not be read.
    """
    import hashlib  # Imported here: it takes a tenth of a run without changes.

    from engine.system.files import iter_chunks

    digest = hashlib.sha256()
    for path in sorted(paths):
        for chunk in iter_chunks(resolve(path), _MAX_FILE_SIZE):
            digest.update(chunk)
    return digest.hexdigest()
