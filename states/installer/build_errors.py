"""Explain why a package failed to build from source."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from states.installer.build_requirements import (
    HEADERS,
    is_absent_header,
    known_requirements,
    missing_requirements,
)
from states.installer.requirers import NONE, Requirers, read_requirers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FAILED = re.compile(
    r"Failed to (?:download and )?build `(?P<name>[\w.-]+)(?:==(?P<version>[^`\s]+))?"
)
_BUILD_TOOLS = re.compile(r"Failed to resolve requirements from [^\n]*build")
_UNRESOLVED = re.compile(r"No solution found when resolving: `([^`]+)`((?:, `[^`]+`)*)")
_INCLUDE = re.compile(rb"^\s*#\s*include\s*<([\w./+-]+)>", re.MULTILINE)
_MAX_SOURCE_SIZE = 1 << 20
_USELESS_HINT = re.compile(
    r"`?--[a-z]|\bUV_| was included because | usually indicate a problem | likely indicates that "
)
_SHOWN_LINES = 15


class BuildError(ConvergeError):
    """A package failed to build from source.

    Attributes:
        package: Its name.
        requirers: The packages that require each package, as far as they are known.
        provided_by: The distribution's packages that provide what the build lacks, if known.

    """

    package = ""
    provided_by: tuple[str, ...] = ()
    requirers: Requirers = NONE


def build_error(output: str, action: str, cache: str) -> BuildError | None:
    """Return the error of a failed build, or None if no build failed.

    Args:
        output: The output of uv.
        action: The prefix of the message.
        cache: uv's cache, which may contain the sources.

    Returns:
        The error, or None.

    """
    failed = _FAILED.search(output)
    if failed is None:
        return None
    name, version = failed["name"], failed["version"] or ""
    missing = missing_requirements(output, tuple(_absent_headers(cache, name, version)))
    provided_by: tuple[str, ...] = ()
    if missing.packages:
        provided_by = tuple(dict.fromkeys([*missing.packages, *known_requirements(name)]))
    wheel = f"provide a wheel of {name} through `find-links`"
    if _BUILD_TOOLS.search(output) and (unresolved := _UNRESOLVED.search(output)):
        cause = f"its build requirement `{unresolved[1]}` isn't available"
        hint = f"provide it through `find-links` or an index, or {wheel}"
    elif missing.headers or missing.programs:
        cause, hint = _describe(missing.headers, missing.programs), wheel
        if provided_by:
            hint = f"install {' '.join(provided_by)}, or {wheel}"
        else:
            hint = f"install the package that provides it, or {wheel}"
    else:
        cause = "it failed to build from source"
        hint = f"see the build output; to pin build tools, use `build-constraints`; or {wheel}"
    label = f"{name} {version}".strip()
    error = BuildError(f"{action}: {label}: {cause}", hint=hint, output=shown_output(output))
    error.package, error.requirers = name, read_requirers(output)
    error.provided_by = provided_by
    return error


def unresolved_tools(output: str) -> tuple[str, ...]:
    """Return the build requirements that uv couldn't resolve, or nothing for another error."""
    unresolved = _UNRESOLVED.search(output) if _BUILD_TOOLS.search(output) else None
    if unresolved is None:
        return ()
    return (unresolved[1], *re.findall(r"`([^`]+)`", unresolved[2]))


def hint_for_all(error: BuildError, others: Iterable[str]) -> str:
    """Return the hint of an error, extended by what the builds of other packages lack.

    The installer stops at the first failed build, and each attempt may take minutes.

    Args:
        error: The error.
        others: The normalized names of other packages that may have to be built.

    Returns:
        The hint.

    """
    lacking = {name: known_requirements(name) for name in others if name != error.package}
    lacking = {name: packages for name, packages in lacking.items() if packages}
    if not error.provided_by or not lacking:
        return error.hint or ""
    packages = dict.fromkeys(chain(error.provided_by, *lacking.values()))
    names = ", ".join([error.package, *sorted(lacking)])
    return f"install {' '.join(packages)} (for {names}), or provide wheels through `find-links`"


def _describe(headers: tuple[str, ...], programs: tuple[str, ...]) -> str:
    names = ", ".join(f"`{name}`" for name in (*headers, *programs))
    if not programs:
        return f"no wheel for this interpreter, and a header file is missing: {names}"
    if not headers and set(programs) & {"gcc", "g++", "cargo", "rustc"}:
        return f"no wheel for this interpreter, and no compiler found: {names}"
    return f"no wheel for this interpreter, and its build needs {names}"


def shown_output(output: str) -> str:
    """Return the lines of uv's output that help.

    The others are advice that names options of uv, and hints whose content errors contain.
    """
    lines = output.splitlines()
    shown, is_hint = [], False
    for line in lines:
        if line.startswith("hint: "):
            is_hint = bool(_USELESS_HINT.search(line))
        elif not line.startswith(" "):
            is_hint = False
        if not is_hint and not line.startswith("Using Python "):
            shown.append(line)
    return "\n".join(shown[-_SHOWN_LINES:])


def _absent_headers(cache: str, name: str, version: str) -> Iterator[str]:
    """Yield the known headers that the sources of a package include and this host lacks.

    A compiler stops at the first one. uv keeps the sources of a failed build in its cache.

    Args:
        cache: uv's cache.
        name: The name of the package.
        version: Its version, or empty.

    Yields:
        The names as in `#include`.

    """
    sources = list(Path(cache).glob(f"sdists-v*/*/**/{name}/{version or '*'}/*/src"))
    included: set[str] = set()
    for directory in sorted(sources, key=lambda path: path.stat().st_mtime_ns)[-1:]:
        for pattern in ("*.c", "*.h", "*.cpp", "*.pyx", "*.pxd"):
            for file in directory.rglob(pattern):
                included |= _includes(file)
    for header in sorted(included & HEADERS.keys() - {"Python.h"}):
        if is_absent_header(header):
            yield header


def _includes(file: Path) -> set[str]:
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_SOURCE_SIZE)
    except OSError:  # Only a suggestion is lost.
        return set()
    return {name.decode("ascii") for name in _INCLUDE.findall(content)}
