"""Recognize files of other tools that were named as a declaration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_PROJECT_TABLES = frozenset({"project", "build-system", "tool", "dependency-groups"})
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9][\w.-]*\s*(\[[\w\s.,-]*\])?\s*((===?|~=|!=|[<>]=?)\s*[\w.*]|@|;|$)"
    r"|-[rcefi]\b|--[a-z]|\.{0,2}/|[a-z+]+://"
)
"""The start of a line in a requirement file. No line of TOML is similar, except in a value."""
_SEE_EXAMPLE = "; for an example, run `converge init`"


def recognize(content: str, document: Mapping[str, Any]) -> tuple[str, str] | None:
    """Recognize a file by its content.

    Args:
        content: The text of a file.
        document: Its tables. Empty if it isn't valid TOML.

    Returns:
        The format, and what to do with such a file. None if the format is unknown.

    """
    if "lock-version" in document and "packages" in document:
        return "a lockfile (PEP 751)", f"name it in the `lock` of a venv{_SEE_EXAMPLE}"
    if isinstance(document.get("package"), list):
        return _recognize_lockfile(document)
    if _PROJECT_TABLES & document.keys():
        hint = f"name it in the `requirements` of a venv, or its `uv.lock` in `lock`{_SEE_EXAMPLE}"
        return "a Python project", hint
    if not document and _is_requirement_file(content):
        return "a requirement file", f"name it in the `requirements` of a venv{_SEE_EXAMPLE}"
    return None


def _recognize_lockfile(document: Mapping[str, Any]) -> tuple[str, str]:
    if "version" in document:
        return "a lockfile of uv", f"name it in the `lock` of a venv{_SEE_EXAMPLE}"
    return (
        "a lockfile of another tool",
        "export it as `pylock.toml`, and name that in the `lock` of a venv",
    )


def _is_requirement_file(content: str) -> bool:
    lines = [re.sub(r"(^|\s)#.*|\\$", "", line).strip() for line in content.splitlines()]
    return any(lines) and all(_REQUIREMENT.match(line) for line in lines if line)
