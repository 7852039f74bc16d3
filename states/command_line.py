"""The command line of a command as reports show it: quoted as in a shell, without secrets.

A secret belongs in `environment`, where a reference keeps it out of the declaration. Some tools
only accept it as an argument. The name of the option then shows that it is one.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from engine.redaction import redact
from states.system.references import is_reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MASKED = "****"
"""Replaces a secret in output."""
_MASK = "__masked__"
"""Stands for a secret until the arguments are quoted: a shell doesn't need to quote it."""
_SECRET = r"(?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|private[-_]?key|credentials?|auth)"
_OPTION = re.compile(rf"--?(?:[\w.-]*[-_.])?{_SECRET}", re.IGNORECASE)
_ASSIGNMENT = re.compile(rf"(-{{0,2}}(?:[\w.-]*[-_.])?{_SECRET})=.+", re.IGNORECASE | re.DOTALL)
_HEADER = re.compile(
    r"((?:(?:proxy-)?authorization|cookie|x-[\w-]*(?:token|key|auth)[\w-]*)\s*:\s*).+",
    re.IGNORECASE | re.DOTALL,
)
_MAX_LENGTH = 60


def describe(argv: Sequence[str]) -> str:
    """Return the command line with masked secrets, shortened to fit into a heading."""
    line = redact(shlex.join(_masked(argv))).replace(_MASK, MASKED)
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH - 1]}…"


def masked_arguments(argv: Sequence[str]) -> list[str]:
    """Return the arguments with masked secrets."""
    return [argument.replace(_MASK, MASKED) for argument in _masked(argv)]


def masked_variables(variables: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return variables without the values of those that are named like a secret.

    A reference isn't a secret.
    """
    return {
        name: value if is_reference(value) or not _is_secret(name) else MASKED
        for name, value in variables
    }


def _is_secret(name: str) -> bool:
    return _ASSIGNMENT.fullmatch(f"{name}=value") is not None


def _masked(argv: Sequence[str]) -> Iterator[str]:
    """Yield the arguments. The value of an option that is named like a secret is masked."""
    is_value = False
    for argument in argv:
        if is_value:
            yield _MASK
        else:
            yield _HEADER.sub(rf"\1{_MASK}", _ASSIGNMENT.sub(rf"\1={_MASK}", argument))
        is_value = not is_value and bool(_OPTION.fullmatch(argument))
