"""Packages of the distribution that contain a file, in the index of its package manager.

Only a failed build asks, for a hint. A missing index isn't an error.
"""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from states.distribution.databases import database_stats, find_manager
from states.system.subprocesses import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_TIMEOUT_S = 30
"""The index of Debian is a text of about 100 MB."""
_MAX_NAMES = 8


def find_providers(
    headers: Sequence[str], programs: Sequence[str], modules: Sequence[str]
) -> list[str]:
    """Return packages that contain headers, programs, and modules of pkg-config.

    Args:
        headers: Names as in `#include`.
        programs: Names of programs.
        modules: Names of modules of pkg-config.

    Returns:
        One package for each name that the index knows, in the order of the names.

    """
    find = _FINDERS.get(find_manager(database_stats()))
    names = (headers[:_MAX_NAMES], programs[:_MAX_NAMES], modules[:_MAX_NAMES])
    if find is None or not any(names):
        return []
    return list(dict.fromkeys(find(*names)))


def _in_debian(
    headers: Sequence[str], programs: Sequence[str], modules: Sequence[str]
) -> Iterable[str]:
    """Search the index of apt-file, for all names at once.

    Args:
        headers: Names as in `#include`.
        programs: Names of programs.
        modules: Names of modules of pkg-config.

    Yields:
        The packages.

    """
    patterns = {
        **{name: rf"/usr/(?:local/)?include/(?:[^/]+/)?{re.escape(name)}" for name in headers},
        **{name: rf"/(?:usr/)?s?bin/{re.escape(name)}" for name in programs},
        **{f"{name}.pc": rf"/usr/.*/pkgconfig/{re.escape(name)}\.pc" for name in modules},
    }
    regex = f"^(?:{'|'.join(patterns.values())})$"
    rows = [line.split(": ", 1) for line in _run("apt-file", "search", "--regexp", regex)]
    for pattern in patterns.values():
        matches = [(path, package) for package, path in (row for row in rows if len(row) == 2)
                   if re.fullmatch(pattern, path)]  # fmt: skip
        yield from [package for _, package in sorted(matches, key=_rank)][:1]


def _rank(match: tuple[str, str]) -> tuple[bool, int, str]:
    """Return the sort key of a file and its package: development files at the shortest path."""
    path, package = match
    return "/include/" in path and not package.endswith("-dev"), len(path), package


def _in_rpm(
    headers: Sequence[str], programs: Sequence[str], modules: Sequence[str]
) -> Iterable[str]:
    """Ask dnf, which knows the paths of files and the modules of pkg-config.

    Args:
        headers: Names as in `#include`.
        programs: Names of programs.
        modules: Names of modules of pkg-config.

    Yields:
        The packages.

    """
    capabilities = [f"/usr/include/{name}" for name in headers]
    capabilities += [f"/usr/bin/{name}" for name in programs]
    capabilities += [f"pkgconfig({name})" for name in modules]
    query = ("repoquery", "--quiet", "--cacheonly", "--qf", "%{name}\n")
    for capability in capabilities:
        packages = _run("dnf", *query, "--whatprovides", capability)
        yield from sorted(set(filter(None, packages)), key=lambda name: (len(name), name))[:1]


def _in_apk(
    _headers: Sequence[str], programs: Sequence[str], modules: Sequence[str]
) -> Iterable[str]:
    """Ask apk, which knows commands and modules of pkg-config, but no headers.

    Args:
        _headers: Names as in `#include`.
        programs: Names of programs.
        modules: Names of modules of pkg-config.

    Yields:
        The packages.

    """
    names = [f"cmd:{name}" for name in programs] + [f"pc:{name}" for name in modules]
    for name in names:
        packages = _run("apk", "search", "--quiet", "--exact", name)
        yield from sorted(set(filter(None, packages)), key=lambda name: (len(name), name))[:1]


_FINDERS: dict[str, Callable[[Sequence[str], Sequence[str], Sequence[str]], Iterable[str]]] = {
    "dpkg": _in_debian,
    "rpm": _in_rpm,
    "apk": _in_apk,
}


def _run(*argv: str) -> list[str]:
    """Return the lines of a program, or none if it can't answer."""
    with suppress(OSError, subprocess.SubprocessError):
        completed = subprocess.run(
            argv,
            env=clean_environment("/"),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if completed.returncode == 0:
            return completed.stdout.decode("utf-8", "replace").splitlines()
    return []
