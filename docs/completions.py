"""Generate the shell completions from the parsers of the command line.

Run `python -m docs.completions` to write them. A test checks that they are up to date.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import shtab

from engine.cli.parser import RootParser
from states.__main__ import COMMANDS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

COMPLETIONS = Path(__file__).parent.parent / "completions"
_FILES = {"bash": "converge.bash", "zsh": "_converge", "fish": "converge.fish"}
_COMPLETE = {"FILE": shtab.FILE, "PLAN": shtab.FILE, "DIR": shtab.DIRECTORY}
"""How to complete a value, by the name that the help shows for it."""


def completions() -> dict[Path, str]:
    """Return the completions of each shell, by path."""
    parser = RootParser(COMMANDS, COMMANDS)
    for action in _actions(parser):
        if action.metavar in _COMPLETE:
            action.complete = _COMPLETE[action.metavar]  # type: ignore[attr-defined]
    return {COMPLETIONS / name: shtab.complete(parser, shell) for shell, name in _FILES.items()}


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of all commands."""
    for action in parser._actions:  # noqa: SLF001  # argparse has no public list
        yield action
        if isinstance(action.choices, dict):
            for subparser in action.choices.values():
                yield from _actions(subparser)


def main() -> None:
    """Write all completions."""
    COMPLETIONS.mkdir(exist_ok=True)
    for path, text in completions().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(COMPLETIONS.parent))


if __name__ == "__main__":
    main()
