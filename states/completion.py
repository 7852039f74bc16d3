"""Print the candidates for a shell to complete: addresses, venvs, and generations.

The functions in `docs/generated/completions/` call `converge __complete KIND ARGUMENT...` with the
arguments around the cursor. This only reads, loads no declaration, and prints nothing after an
error: a shell would show it in the middle of the line that the user types. A name that a shell
would have to quote isn't offered.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

KINDS = ("venv", "link", "command", "interpreter", "wheelhouse", "global")
_SAFE = re.compile(r"[\w.@%+,/-]+", re.ASCII)
_DEFAULTS = ("converge.toml", "converge.d")
_MAX_BYTES = 1_000_000
"""Maximum size of a declaration to read. A larger one would take too long."""


def print_candidates(arguments: Sequence[str]) -> int:
    """Print the candidates for the arguments of `__complete`, one on each line, and return 0.

    Args:
        arguments: `addresses`, `venvs`, or `generations`, then the other arguments
            of the command line, without the name of the program.

    """
    try:
        noun, *others = arguments
        lines = sorted(set(filter(_SAFE.fullmatch, _CANDIDATES[noun](others))))
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    except Exception:  # see above
        return 0
    return 0


def _addresses(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the address of each declared resource."""
    for kind, name, _, _ in _tables(arguments):
        yield f"{kind}.{name}"


def _venvs(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the name of each declared venv that isn't among the arguments yet."""
    venvs = {name for kind, name, _, _ in _tables(arguments) if kind == "venv"}
    is_named = any(argument.removeprefix("venv.") in venvs for argument in arguments[1:])
    if arguments[:1] == ["pin"] and is_named:
        yield from _generations(arguments)  # The argument after the name.
        return
    for name in venvs:
        if not {name, f"venv.{name}"}.intersection(arguments):
            yield name


def _generations(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the generations and adopted backups of the venv that the arguments name."""
    venvs = {
        name: (table, file) for kind, name, table, file in _tables(arguments) if kind == "venv"
    }
    named = [name for name in venvs if {name, f"venv.{name}"}.intersection(arguments)]
    for name in named or (list(venvs) if len(venvs) == 1 else []):
        table, file = venvs[name]
        directory = os.path.dirname(os.path.abspath(file))
        parent, base = os.path.split(os.path.normpath(os.path.join(directory, table["path"])))
        store = os.path.join(os.path.realpath(parent), f".{base}")
        yield from os.listdir(os.path.join(store, "generations"))
        yield from (entry for entry in os.listdir(store) if entry.startswith("adopted-"))


_CANDIDATES = {"addresses": _addresses, "venvs": _venvs, "generations": _generations}


def _tables(arguments: Sequence[str]) -> Iterator[tuple[str, str, dict[str, Any], str]]:
    """Yield the kind, the name, the content, and the file of each table of a resource."""
    import tomli

    for file in _files(arguments):
        with open(file, "rb") as stream:
            document = tomli.loads(stream.read(_MAX_BYTES).decode())
        for kind in KINDS:
            for name, table in document.get(kind, {}).items():
                if isinstance(table, dict):
                    yield kind, name, table, file


def _files(arguments: Iterable[str]) -> Iterator[str]:
    """Yield the declarations that the arguments name, or the default one."""
    # The name of the command can also be that of a file.
    named = [
        word for word in list(arguments)[1:] if not word.startswith("-") and os.path.exists(word)
    ]
    for path in named or [path for path in _DEFAULTS if os.path.exists(path)][:1]:
        if os.path.isdir(path):
            names = sorted(name for name in os.listdir(path) if name.endswith(".toml"))
            yield from (os.path.join(path, name) for name in names if "pylock." not in name)
        elif os.path.isfile(path):
            yield path
