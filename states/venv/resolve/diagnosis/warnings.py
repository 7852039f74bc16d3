"""Warnings of the installer about a resolution that succeeded."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.diagnosis.places import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from states.venv.resolve.lines.line import Line
    from states.venv.spec import Venv

_EXTRA = re.compile(
    r"^warning: The package `(?P<name>[\w.-]+)==(?P<version>[^`]+)` does not have an extra named "
    r"`(?P<extra>[^`]+)`",
    re.MULTILINE,
)
_YANKED = re.compile(
    r"^warning: `(?P<name>[\w.-]+)==(?P<version>[^`]+)` is yanked"
    r'(?: \(reason: "(?P<reason>.*)"\))?$',
    re.MULTILINE,
)
_MAX_REASON = 200
_MAX_EXTRAS = 8


def resolution_notices(
    output: str, spec: Venv, lines: Sequence[Line], extras_of: Callable[[str], Sequence[str]]
) -> Iterator[str]:
    """Yield messages about extras that don't exist, and about yanked versions.

    Args:
        output: The output of the installer.
        spec: The spec.
        lines: The requirements, with their places.
        extras_of: Returns the extras of a selected package, if they are known.

    Yields:
        The messages.

    """
    for match in _EXTRA.finditer(output):
        name, extra = match["name"], match["extra"]
        asking = [line for line in lines if _requires_extra(line, name, extra)]
        place = f"{place_of(asking[0], spec)}: " if asking else ""
        yield (
            f"{place}{name} {match['version']} has no extra `{extra}`, so `{name}[{extra}]` adds "
            f"no packages{_suggestion(name, extra, extras_of(normalize_name(name)))}"
        )
    for match in _YANKED.finditer(output):
        named = [line for line in lines if _name(line) == normalize_name(match["name"])]
        place = f"{place_of(named[0], spec)}: " if named else ""
        reason = f": {match['reason'][:_MAX_REASON]}" if match["reason"] else ""
        yield f"{place}{match['name']} {match['version']} was yanked from the index{reason}"


def _suggestion(name: str, extra: str, offered: Sequence[str]) -> str:
    similar = get_close_matches(normalize_name(extra), offered, n=1)
    if similar:
        return f"; did you mean `{name}[{similar[0]}]`?"
    if not offered:
        return ""
    more = ", …" if len(offered) > _MAX_EXTRAS else ""
    return f"; its extras: {', '.join(f'`{name}`' for name in offered[:_MAX_EXTRAS])}{more}"


def _requires_extra(line: Line, name: str, extra: str) -> bool:
    requirement = line.requirement
    extras = {normalize_name(item) for item in requirement.extras} if requirement else set()
    return _name(line) == normalize_name(name) and normalize_name(extra) in extras


def _name(line: Line) -> str:
    return normalize_name(line.requirement.name) if line.requirement is not None else ""
