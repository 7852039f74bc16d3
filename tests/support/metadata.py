"""The text files of a Python package, written without any packaging library."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

Extras = Mapping[str, Iterable[str]]


def normalized(name: str) -> str:
    """Return the normalized form of a project name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def module_name(name: str) -> str:
    """Return the import name of the package `name`, which file names use too."""
    return normalized(name).replace("-", "_")


def core_metadata(
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    extras: Extras | None = None,
    requires_python: str | None = None,
) -> str:
    """Return a METADATA or PKG-INFO file (core metadata 2.1).

    The version is 2.1 on purpose. From 2.2 on, an installer can trust the PKG-INFO of a source
    distribution and skip its build backend.
    """
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    if requires_python:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    for extra, requirements in sorted((extras or {}).items()):
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {_only_with(extra, line)}" for line in requirements]
    return "\n".join(lines) + "\n"


def entry_points(console_scripts: Mapping[str, str] | None) -> str:
    """Return an entry_points.txt; `console_scripts` is {command: "module:function"}."""
    if not console_scripts:
        return ""
    rows = [f"{command} = {target}" for command, target in sorted(console_scripts.items())]
    return "\n".join(["[console_scripts]", *rows]) + "\n"


def _only_with(extra: str, requirement: str) -> str:
    name, _, marker = requirement.partition(";")
    condition = f'extra == "{extra}"'
    if marker.strip():
        condition = f"({marker.strip()}) and {condition}"
    return f"{name.strip()} ; {condition}"
