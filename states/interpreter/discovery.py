"""Interpreters: finding one that a request names, and telling later if it is still that one."""

from __future__ import annotations

import json
import os
import re

from engine.errors import ConvergeError
from engine.frozen import frozen
from engine.system.files import listdir_or_empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Literal

    from python_discovery import PythonInfo

    from states.system.subprocesses import Completed

    Drift = Literal["", "missing", "changed"]

_NAME = re.compile(r"python3(?:\.\d+)?t?|pypy3(?:\.\d+)?")
_ANSWER = "converge asked: "
"""Begins the line of an answer: what an interpreter loads at its start may print others."""
_USUAL = ("/usr/local/bin", "/usr/bin", "/bin")
_OLDEST = (3, 8)
"""What makes environments, and compiles in them, needs this; older ones are passed over."""


@frozen
class Python:
    """A base interpreter as it was when it was looked at."""

    executable: str
    """Absolute, of the installation itself, never of an environment made from one."""
    version: str
    """As in `3.11.7`."""
    implementation: str
    """As in `CPython`, or `CPythont` without the global lock; empty in notes of old."""
    watched: Mapping[str, tuple[int, ...]]
    """Stat of each file whose content tells an upgrade: path to (size, mtime ns, inode)."""
    digest: str
    """SHA-256 over the content of the watched files."""

    def __str__(self) -> str:
        """Return the form that plans show."""
        return f"{self.version} {self.executable}"

    def alike(self, other: Python) -> bool:
        """Tell whether versions and files that were chosen for one are good for the other."""
        ours, theirs = self.version.split(".")[:2], other.version.split(".")[:2]
        return ours == theirs and self.implementation == other.implementation

    def drift(self) -> Drift:
        """Return how the interpreter on disk differs, without starting it."""
        stats = {path: _stat(path) for path in self.watched}
        if not all(stats.values()):
            return "missing"
        same = all(tuple(was) == stats[path] for path, was in self.watched.items())
        if same or _digest(self.watched) == self.digest:
            return ""
        return "changed"

    def attribute(self, drift: Drift) -> str:
        """Return the value of the attribute `python`: the drift if any, or version and path."""
        return f"{drift} {self.executable}" if drift else str(self)


def to_json(python: Python) -> dict[str, Any]:
    """Return the form that receipts hold."""
    return {
        "executable": python.executable,
        "version": python.version,
        "implementation": python.implementation,
        "watched": {path: list(stat) for path, stat in python.watched.items()},
        "digest": python.digest,
    }


def from_json(kept: Mapping[str, Any]) -> Python:
    """Read the form that receipts hold; raises `KeyError` or `TypeError` on any other."""
    return Python(
        executable=str(kept["executable"]),
        version=str(kept["version"]),
        implementation=str(kept.get("implementation", "")),
        watched={path: tuple(stat) for path, stat in kept["watched"].items()},
        digest=str(kept["digest"]),
    )


def satisfies(python: Python, request: str) -> bool:
    """Tell whether an interpreter is one that the request asks for."""
    if os.path.isabs(request):
        return _resolved(request) == python.executable
    return bool(_specifier(request).contains(python.version, prereleases=True))


def resolves_elsewhere(python: Python, request: str) -> bool:
    """Tell whether a path that led to an interpreter may now lead to another one.

    Where it leads to nothing, the one that was found is as good as before.
    """
    if not os.path.isabs(request) or not os.path.exists(request):
        return False
    # No symlink, no other one: a script that starts an interpreter is a file of its own.
    return _resolved(request) not in (os.path.normpath(request), python.executable)


def find(request: str) -> Python:
    """Find the interpreter for a version, a range, or an absolute path.

    Searched are PATH, the usual places, and the versions of pyenv; the first one that
    satisfies an exact request wins, of a range the newest release. Raises `ConvergeError`.
    """
    oldest = ".".join(map(str, _OLDEST))
    if os.path.isabs(request):
        info = _inspect(request) if os.access(request, os.X_OK) else None
        hint = "install it, or name another one"
    else:
        info, places = _search(request), ", ".join(("PATH", *_USUAL))
        hint = f"install it, {oldest} or later, or name one by its absolute path; "
        hint += f"searched were {places} and pyenv's versions"
    if info is None:
        raise ConvergeError(f'no interpreter found for `python = "{request}"`', hint=hint)
    if _too_old(info):
        raise ConvergeError(
            f"`{request}` is Python {_version(info)}", hint=f"name one of {oldest} or later"
        )
    return from_info(info)


def information(python: Python) -> PythonInfo:
    """Return all that the interpreter says of itself; runs it, isolated, once a run."""
    return _inspect(python.executable)


def probe_program(expression: str) -> str:
    """Return a program that tells the value of an expression, to be read by `answer`."""
    return f"import json, site, sys; print('\\n' + {_ANSWER!r} + json.dumps({expression}))"


def parse_probe(ended: Completed) -> Any:
    """Return the value that such a program told; `None` if it failed."""
    told = [line for line in ended.output.splitlines() if line.startswith(_ANSWER)]
    return json.loads(told[0].removeprefix(_ANSWER)) if ended.status == 0 and told else None


def from_info(info: PythonInfo) -> Python:
    """Return what we remember of an interpreter."""
    executable = _resolved(str(info.system_executable))
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


def valid_request(request: str) -> bool:
    """Tell whether a request is a version, a range of versions, or an absolute path."""
    if os.path.isabs(request):
        return True
    from packaging.specifiers import InvalidSpecifier

    try:
        _specifier(request)
    except InvalidSpecifier:
        return False
    return bool(request)


def _specifier(request: str) -> Any:
    from packaging.specifiers import SpecifierSet

    exact = re.fullmatch(r"\d+(\.\d+)*", request)
    if exact:
        return SpecifierSet(f"=={request}.*" if request.count(".") < 2 else f"=={request}")
    return SpecifierSet(request)


def _search(request: str) -> PythonInfo | None:
    specifier = _specifier(request)
    exact = re.fullmatch(r"\d+(\.\d+)*", request)
    best = None
    for path in _candidates():
        info = _query(path)
        if info is None or _too_old(info):
            continue
        if not specifier.contains(_version(info), prereleases=True):
            continue
        if exact:
            return info
        if best is None or _rank(info) > _rank(best):
            best = info
    return best


def _rank(info: PythonInfo) -> tuple[bool, bool, tuple[Any, ...]]:
    """Return what interpreters that satisfy a range are compared by.

    For another implementation, or one without the global lock, many packages have no wheels.
    """
    usual = info.implementation == "CPython" and not info.free_threaded
    return usual, info.version_info.releaselevel == "final", tuple(info.version_info)


def _candidates() -> Iterator[str]:
    """Yield each interpreter once, in the order in which a shell would find them."""
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    versions = os.path.join(pyenv, "versions")
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *_USUAL]
    folders += [os.path.join(versions, one, "bin") for one in sorted(listdir_or_empty(versions))]
    seen = set()
    for folder in folders:
        if not os.path.isabs(folder) or "/shims" in folder:
            continue  # a shim is another program that looks for one
        # A distribution may have `pypy3` beside `python3`.
        for name in sorted(
            filter(_NAME.fullmatch, listdir_or_empty(folder)),
            key=lambda name: (not name.startswith("python"), len(name)),
        ):
            path = os.path.join(folder, name)
            real = os.path.realpath(path)
            if real not in seen and os.access(real, os.X_OK):
                seen.add(real)
                yield path


def _query(path: str) -> PythonInfo | None:
    from python_discovery import PythonInfo

    safe = {"PATH": os.defpath, "PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1"}
    if not os.access(path, os.X_OK):
        return None
    return PythonInfo.from_exe(path, None, raise_on_error=False, env=safe)


def _inspect(path: str) -> PythonInfo:
    info = _query(path)
    if info is None:
        raise ConvergeError(
            f"`{path}` does not run as a Python interpreter",
            hint="repair or reinstall it, or name another one with `python`",
        )
    return info


def _resolved(path: str) -> str:
    """Return the installation's executable with links resolved: `python3` may be repointed."""
    return os.path.realpath(path)


def _version(info: PythonInfo) -> str:
    return ".".join(str(part) for part in info.version_info[:3])


def _too_old(info: PythonInfo) -> bool:
    return tuple(info.version_info[:2]) < _OLDEST


def _stat(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _digest(watched: Mapping[str, object]) -> str:
    import hashlib  # Imported here: it takes a tenth of a run without changes.

    total = hashlib.sha256()
    for path in sorted(watched):
        with open(path, "rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()
