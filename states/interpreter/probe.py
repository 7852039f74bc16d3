"""Ask an interpreter for the value of an expression."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from states.system.subprocesses import Completed

_PREFIX = "converge probe: "
"""Marks the line with the value. Startup code of an interpreter may print other lines."""


def probe_program(expression: str) -> str:
    """Return a program that prints the value of an expression for `parse_probe`."""
    # In hexadecimal, which redaction leaves intact: a password of an index may be part of a path.
    encoded = f"json.dumps({expression}).encode().hex()"
    return f"import json, site, sys; print('\\n' + {_PREFIX!r} + {encoded})"


def parse_probe(completed: Completed) -> Any:
    """Return the value that such a program printed, or None if it failed."""
    lines = completed.output.splitlines()
    values = [line for line in lines if line.startswith(_PREFIX)]
    if completed.status != 0 or not values:
        return None
    return json.loads(bytes.fromhex(values[0].removeprefix(_PREFIX)))
