"""Where a requirement was declared, for messages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import tomli
from packaging.requirements import InvalidRequirement, Requirement

from engine.declaration.toml_spans import find_spans
from states.venv.integrity.dist_info import normalize_name

if TYPE_CHECKING:
    from engine.table import Key
    from states.venv.resolve.lines.line import Line
    from states.venv.spec import Venv

_KEYS = ("packages", "overrides")


def place_of(line: Line, spec: Venv) -> str:
    """Return the file and the line of a requirement.

    Args:
        line: The requirement.
        spec: The spec that contains it, or that names its file.

    Returns:
        The place. For the declaration, the key, and the position if the file can still be read.

    """
    if line.number:
        return f"{line.file}:{line.number}"
    if os.path.isabs(line.file):
        return line.file
    file, _, name = spec.declared.rpartition(" venv.")
    for key, position in _declared_positions(file, name):
        if _is_same(key[-1], line):
            return f"{file}:{position}, `{key[-2]}`"
    return f"{file or 'the declaration'}, `packages`"


def _declared_positions(file: str, name: str) -> list[tuple[tuple[str, str], int]]:
    """Return the key, the text, and the line of each requirement that a file declares."""
    try:
        with open(file, "rb") as stream:
            text = stream.read().decode()
        document = tomli.loads(text)
        _, values = find_spans(text)
    except (FileNotFoundError, ValueError, RecursionError):
        return []  # From standard input, or edited since.
    tables: tuple[Key, ...] = (("venv", name), ("defaults",))
    positions = []
    for table in tables:
        for key in _KEYS:
            items = _lookup(document, (*table, key))
            for index, item in enumerate(items if isinstance(items, list) else ()):
                span = values.get((*table, key, index))
                if span is not None and isinstance(item, str):
                    positions.append(((key, item), span.line))
    return positions


def _lookup(document: object, path: Key) -> object:
    for part in path:
        document = document.get(part) if isinstance(document, dict) else None
    return document


def _is_same(text: str, line: Line) -> bool:
    if line.requirement is None:
        return text == line.text
    try:
        declared = Requirement(text)
    except InvalidRequirement:
        return False
    return normalize_name(declared.name) == normalize_name(line.requirement.name) and (
        declared.specifier == line.requirement.specifier
    )
