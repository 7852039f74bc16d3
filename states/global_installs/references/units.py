"""Read the command lines of systemd units and of crontabs."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from engine.system.files import read_regular_file
from states.global_installs.references.reference import Reference, joined
from states.global_installs.references.scripts import command_usage, split_command

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_SIZE = 1 << 20
"""In bytes."""
_EXEC = re.compile(r"Exec\w+")
_PREFIXES = "@-:+!|"
"""Characters in front of a program (systemd.service(5))."""
_SCHEDULE = re.compile(r"\s*(?:@\w+|(?:[\d*,/A-Za-z~-]+\s+){4}[\d*,/A-Za-z~-]+)\s+(.*)")
_SYSTEM_CRONTABS = ("/etc/crontab", "/etc/cron.d/")
"""Crontabs with the name of a user in front of each command (crontab(5))."""


def unit_reference(path: str) -> Reference:
    """Return the programs and modules that a unit, or a drop-in of one, uses.

    Raises:
        OSError: It, or a script that it starts, can't be read.

    """
    usages, user = [], ""
    for key, value in _settings(_text(path)):
        if key == "User":
            user = value
        elif _EXEC.fullmatch(key):
            usages.append(command_usage(split_command(value.lstrip(_PREFIXES))))
    return Reference("unit", path, user, joined(usages))


def crontab_reference(path: str) -> Reference:
    """Return the programs and modules that a crontab uses. Raises as `unit_reference`."""
    usages = []
    is_system = path.startswith(_SYSTEM_CRONTABS)
    user = "" if is_system else os.path.basename(path)
    for line in _text(path).splitlines():
        match = _SCHEDULE.fullmatch(line)
        if match and not line.lstrip().startswith("#"):
            command = match[1].partition(" ")[2] if is_system else match[1]
            usages.append(command_usage(split_command(command)))
    return Reference("crontab", path, user, joined(usages))


def _settings(text: str) -> Iterator[tuple[str, str]]:
    """Yield the keys and values of a unit. A line that ends with a backslash continues."""
    for line in text.replace("\\\n", " ").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith(("#", ";")):
            yield key.strip(), value.strip()


def _text(path: str) -> str:
    return read_regular_file(path, _MAX_SIZE).decode("utf-8", "surrogateescape")
