"""The text files of a Python package, written without any packaging library."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

Extras = Mapping[str, Iterable[str]]


def normalised(name: str) -> str:
    """Return `name` as an index spells it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def module_name(name: str) -> str:
    """Return the import name of the package `name`, which is also its name in file names."""
    return normalised(name).replace("-", "_")


def core_metadata(
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    extras: Extras | None = None,
    requires_python: str | None = None,
) -> str:
    """Return a METADATA or PKG-INFO file (core metadata 2.1).

    2.1 on purpose: from 2.2 on an installer may trust a source distribution's PKG-INFO and never
    run its build backend.
    """
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    if requires_python:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    for extra, requirements in sorted((extras or {}).items()):
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {_only_with(extra, one)}" for one in requirements]
    return "\n".join(lines) + "\n"


def entry_points(console_scripts: Mapping[str, str] | None) -> str:
    """Return an entry_points.txt; `console_scripts` is {command: "module:function"}."""
    if not console_scripts:
        return ""
    rows = [f"{command} = {target}" for command, target in sorted(console_scripts.items())]
    return "\n".join(["[console_scripts]", *rows]) + "\n"


def _only_with(extra: str, requirement: str) -> str:
    what, _, marker = requirement.partition(";")
    condition = f'extra == "{extra}"'
    if marker.strip():
        condition = f"({marker.strip()}) and {condition}"
    return f"{what.strip()} ; {condition}"
