"""Choose names for imported venvs by their paths."""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_RELEASE = re.compile(
    r"(?P<name>.+?)-(?:(?:stable|unmaintained)-)?(?:v?\d[\w.+]*|untagged|master|main)"
)
"""A name with a release, as the role of OpenStack-Ansible writes it: `nova-31.0.0`."""
_GENERIC = {"venv", ".venv", "env", ".env", "virtualenv", "current"}
"""Names that don't identify a venv. Its parent directory does."""
_INVALID = re.compile(r"[^A-Za-z0-9._+-]+")
_MAX_LENGTH = 56
"""Characters, without a number that makes the name unique."""


def choose_names(paths: Sequence[str]) -> dict[str, str]:
    """Return a unique name for each path: `nova` for `/openstack/venvs/nova-31.0.0`.

    Two releases of a service keep their releases in the names. Otherwise, a number makes a name
    unique.
    """
    short = {path: _short_name(path) for path in paths}
    counts = Counter(map(_key, short.values()))
    taken: set[str] = set()
    names = {}
    for path in paths:
        is_unique = counts[_key(short[path])] == 1
        names[path] = _unused(short[path] if is_unique else _full_name(path), taken)
        taken.add(_key(names[path]))
    return names


def _short_name(path: str) -> str:
    name = _full_name(path)
    match = _RELEASE.fullmatch(name)
    return match["name"] if match else name


def _full_name(path: str) -> str:
    parent, name = os.path.split(path)
    if name in _GENERIC and os.path.basename(parent):
        name = os.path.basename(parent)
    return _INVALID.sub("-", name).strip("._+-")[:_MAX_LENGTH] or "venv"


def _key(name: str) -> str:
    """Return the part of a lockfile's name that must be unique: it has `_` for each dot."""
    return name.replace(".", "_")


def _unused(name: str, taken: Iterable[str]) -> str:
    candidate, number = name, 1
    while _key(candidate) in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate
