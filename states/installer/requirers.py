"""Which package requires another one, as far as the output of uv names it."""

from __future__ import annotations

import re
from itertools import pairwise

from packaging.utils import canonicalize_name

_NAME = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?"
_INCLUDED = re.compile(rf"`{_NAME}` \(v[^)]*\) was included because ([^\n]*)")
"""A hint about a failed build, as in: `c` (v1) was included because `a` (v1) depends on `b` (v1)
which depends on `c>=1`."""
_INCLUDED_NAME = re.compile(rf"`({_NAME})")
_DEPENDS = re.compile(
    rf"(?<![\w.-])({_NAME})(?:\[[^\]]*\])?(?:[=<>~!][^\s,]*)?(?:, [=<>~!]\S*)*"
    rf" depends? on ({_NAME})"
)
"""A step of the explanation of a conflict, as in: Because a==1.0 depends on b>=2."""
_ANNOTATED = re.compile(rf"^({_NAME})(?:\[[^\]]*\])?\s*(?:==|@)[^\n]*# via ([^\n]+)$", re.MULTILINE)
"""A line of a requirement file with annotations, as in: b==1.0    # via a, -r requirements.in."""

Requirers = dict[str, set[str]]
"""The normalized names of the packages that require each package."""
NONE: Requirers = {}


def read_requirers(output: str) -> Requirers:
    """Return the requirers in the explanation of a failed build or of a failed resolution."""
    requirers: Requirers = {}
    for hint in _INCLUDED.findall(output):
        names = _INCLUDED_NAME.findall(hint)
        for parent, child in pairwise(names):
            _add(requirers, child, parent)
    for parent, child in _DEPENDS.findall(re.sub(r"\s+", " ", output)):
        _add(requirers, child, parent)
    return requirers


def read_annotations(text: str) -> Requirers:
    """Return the requirers in a requirement file that uv has annotated."""
    requirers: Requirers = {}
    for child, parents in _ANNOTATED.findall(text):
        for parent in re.findall(rf"(?:^|, )({_NAME})(?=,|$)", parents):
            _add(requirers, child, parent)
    return requirers


def _add(requirers: Requirers, child: str, parent: str) -> None:
    requirers.setdefault(canonicalize_name(child), set()).add(canonicalize_name(parent))
