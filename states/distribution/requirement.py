"""A requirement on a package of the distribution, such as `libpq5` or `librdkafka1 >= 2.0`."""

from __future__ import annotations

import re

from engine.frozen import frozen

_NAME = r"[A-Za-z0-9][\w+.:()/-]*"
"""A name of dpkg, rpm, or apk: also with an architecture, or a capability of an rpm."""
_VERSION = r"[A-Za-z0-9][\w.+:~^-]*"
_REQUIREMENT = re.compile(rf"(?P<name>{_NAME})(?:\s*>=\s*(?P<minimum>{_VERSION}))?")
EXAMPLE = 'write a name, or a name and a minimum, as in "librdkafka1 >= 2.0"'


@frozen
class Requirement:
    """A package by its name, or by a name that it provides."""

    name: str
    minimum: str = ""
    """The lowest version that satisfies it. Empty for any."""


@frozen
class Unmet:
    """A requirement that no installed package satisfies."""

    requirement: Requirement
    version: str = ""
    """The version that is too low. Empty if the package isn't installed."""

    @property
    def problem(self) -> str:
        """The end of a message: the name, and why it isn't satisfied."""
        name, minimum = self.requirement.name, self.requirement.minimum
        if self.version:
            return f"{name} {self.version} is older than {minimum}"
        return f"{name} isn't installed"


def parse_requirement(text: str) -> Requirement | None:
    """Return a requirement, or None if the text isn't one."""
    match = _REQUIREMENT.fullmatch(text.strip())
    return Requirement(match["name"], match["minimum"] or "") if match else None
