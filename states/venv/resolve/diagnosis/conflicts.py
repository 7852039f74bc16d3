"""Find two requirements that no version can satisfy, without asking an index."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.requirements import marker_applies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.specifiers import SpecifierSet

    from states.venv.resolve.lines.line import Line

_LOWEST, _HIGHEST = "0", "999999"
_BEYOND = (".0.1", ".0.1.1")
"""Suffixes for versions just above another one. Two, since `!=` may exclude one."""


def find_contradiction(
    lines: Iterable[Line], environments: Sequence[Mapping[str, str]]
) -> tuple[Line, Line] | None:
    """Return the first two lines that contradict each other, or None if no two do.

    Args:
        lines: Requirements and constraints.
        environments: The environments in which markers are evaluated.

    """
    by_name: dict[str, list[Line]] = {}
    for line in lines:
        requirement = line.requirement
        if requirement is None or requirement.url or not requirement.specifier:
            continue
        if marker_applies(requirement, environments):
            by_name.setdefault(normalize_name(requirement.name), []).append(line)
    for named in by_name.values():
        for first, second in combinations(named, 2):
            if _is_contradiction(first, second):
                return first, second
    return None


def _is_contradiction(first: Line, second: Line) -> bool:
    assert first.requirement is not None
    assert second.requirement is not None
    if first.requirement.marker != second.requirement.marker and (
        first.requirement.marker and second.requirement.marker
    ):
        return False  # They may apply to different versions of Python.
    both = first.requirement.specifier & second.requirement.specifier
    return not any(both.contains(version, prereleases=True) for version in _candidates(both))


def _candidates(specifiers: SpecifierSet) -> list[str]:
    """Return versions of which one satisfies the specifiers, if any version does."""
    candidates = [_LOWEST, _HIGHEST]
    for specifier in specifiers:
        text = specifier.version.removesuffix(".*")
        candidates.append(text)
        try:
            base = Version(text).base_version
        except InvalidVersion:  # From `===`, which compares text.
            continue
        candidates += [base, *(base + suffix for suffix in _BEYOND)]
    return candidates
