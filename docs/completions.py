"""Generate the shell completions from the parsers of the command line.

Options, commands, and files are completed by the shell. For addresses, venvs, and generations, it
calls `converge __complete` (`states.completion`).

Run `python -m docs.completions` to write them. A test checks that they are up to date.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import shtab

from docs.generate import write_files
from engine.cli.parser import RootParser
from states.__main__ import COMMANDS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

COMPLETIONS = Path(__file__).parent / "generated/completions"
_FILES = {"bash": "converge.bash", "zsh": "_converge", "fish": "converge.fish"}
_WORDS = {
    # Not `compgen -W`, which would expand a name such as `$(…)`.
    "bash": """\
_converge_words() {
  local word
  while IFS= read -r word; do
    [[ "$word" == "$2"* ]] && printf '%s\\n' "$word"
  done < <(converge __complete "$1" "${COMP_WORDS[@]:1:COMP_CWORD-1}" \\
    "${COMP_WORDS[@]:COMP_CWORD+1}" 2>/dev/null)
}
_converge_addresses() { _converge_words addresses "$1"; }
_converge_venvs() { _converge_words venvs "$1"; }
_converge_generations() { _converge_words generations "$1"; }
_converge_file_or_venv() { _converge_words venvs "$1"; compgen -f -- "$1"; }
_converge_file_or_address() { _converge_words addresses "$1"; compgen -f -- "$1"; }""",
    "zsh": """\
_converge_words() {
  local -a found
  found=("${(@f)$(converge __complete $1 "${(@)words[1,CURRENT-1]}" 2>/dev/null)}")
  [[ -n "$found[1]" ]] && compadd -a found
}
_converge_addresses() { _converge_words addresses }
_converge_venvs() { _converge_words venvs }
_converge_generations() { _converge_words generations }
_converge_file_or_venv() { _converge_words venvs; _files }
_converge_file_or_address() { _converge_words addresses; _files }""",
    "fish": """\
function _converge_words
  converge __complete $argv[1] (commandline -opc)[2..-1] 2>/dev/null
end""",
}
"""The functions of each shell that call converge."""
_FISH = {
    "_converge_addresses": "(_converge_words addresses)",
    "_converge_venvs": "(_converge_words venvs)",
    "_converge_generations": "(_converge_words generations)",
    "_converge_file_or_venv": "(_converge_words venvs; __fish_complete_path)",
    "_converge_file_or_address": "(_converge_words addresses; __fish_complete_path)",
}


def _calls(function: str) -> dict[str, object]:
    """Return the calls of one of the functions above, as shtab takes them."""
    calls = {"bash": function, "zsh": function, "fish": _FISH[function]}
    return {**calls, "preamble": _WORDS}


_COMPLETE = {
    "FILE": shtab.FILE,
    "PLAN": shtab.FILE,
    "DIR": shtab.DIRECTORY,
    "PATH": shtab.DIRECTORY,
    "ADDRESS": _calls("_converge_addresses"),
    "ID": _calls("_converge_generations"),
}
"""How to complete a value, by the name that the help shows for it."""


_NOUNS = {"NAME": "venv", "ADDRESS": "address"}
"""The alternative to a file, by the name of the argument after the file."""


def completions() -> dict[Path, str]:
    """Return the completions of each shell, by path."""
    parser = RootParser(COMMANDS, COMMANDS)
    for action, name in _actions(parser):
        completion = _COMPLETE.get(str(action.metavar))
        if action.dest in ("name", "names") and name == "NAME":
            completion = _calls("_converge_venvs")
        elif action.dest == "files" and name:
            completion = _calls(f"_converge_file_or_{_NOUNS[name]}")
        if completion is not None:
            action.complete = completion  # type: ignore[attr-defined]
    return {COMPLETIONS / name: shtab.complete(parser, shell) for shell, name in _FILES.items()}


def _actions(parser: argparse.ArgumentParser) -> Iterator[tuple[argparse.Action, str]]:
    """Yield the arguments of all commands, each with what its command takes after a file."""
    actions = parser._actions  # noqa: SLF001  # argparse has no public list
    names = [str(action.metavar) for action in actions if action.dest in ("name", "names")]
    for action in actions:
        yield action, next(iter(names), "")
        if isinstance(action.choices, dict):
            for subparser in action.choices.values():
                yield from _actions(subparser)


def main() -> None:
    """Write all completions."""
    write_files(completions())


if __name__ == "__main__":
    main()
