"""Ask an interpreter for the value of an expression."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from states.system.subprocesses import PROBE_PREFIX

if TYPE_CHECKING:
    from states.system.subprocesses import Completed


def probe_program(expression: str) -> str:
    """Return a program that prints the value of an expression for `parse_probe`."""
    # In hexadecimal, which redaction leaves intact: a password of an index may be part of a path.
    encoded = f"json.dumps({expression}).encode().hex()"
    return f"import json, site, sys; print('\\n' + {PROBE_PREFIX!r} + {encoded})"


def parse_probe(completed: Completed) -> Any:
    """Return the value that such a program printed, or None if it failed."""
    lines = completed.output.splitlines()
    values = [line for line in lines if line.startswith(PROBE_PREFIX)]
    if completed.status != 0 or not values:
        return None
    return json.loads(bytes.fromhex(values[0].removeprefix(PROBE_PREFIX)))
