"""The command lines on the pages use existing commands and options."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator

import pytest

from tests.docs.generator import every_command, parser_of
from tests.docs.pages import Block, all_blocks

SHOWN = [block for language in ("console", "sh", "bash") for block in all_blocks(language)]
_PREFIXES = ("sudo", "exec", "!", "if", "unless", "time")
"""Shell tokens that can precede the command."""


def command_lines(block: Block) -> list[list[str]]:
    """Return the arguments of each call of `converge` in a block."""
    rows = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        rows = [row[2:] for row in rows if row.startswith(("$ ", "# "))]
    return [arguments for row in rows for arguments in _calls(row)]


def _calls(row: str) -> Iterator[list[str]]:
    """Yield the arguments of each `converge` command in a line of shell."""
    lexer = shlex.shlex(row, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:
        return  # part of a quoted text that spans several lines
    for is_command, group in itertools.groupby(
        tokens, lambda token: not set(token) <= set("|&;<>()")
    ):
        arguments = list(group) if is_command else []
        while arguments and (arguments[0] in _PREFIXES or re.fullmatch(r"\w+=.*", arguments[0])):
            arguments = arguments[1:]
        if arguments and arguments[0].rpartition("/")[2] == "converge":
            yield arguments[1:]


@pytest.mark.parametrize("block", [block for block in SHOWN if command_lines(block)], ids=str)
def test_page_command_lines_parse(block: Block) -> None:
    commands = every_command()
    for arguments in command_lines(block):
        assert arguments[0] in commands, arguments
        rest = arguments[1:]
        if "--help" not in rest:
            try:
                parser_of(commands[arguments[0]]).parse_args(rest)
            except SystemExit:
                pytest.fail(f"invalid command line: {arguments}")


def test_pages_show_every_command() -> None:
    shown = {arguments[0] for block in SHOWN for arguments in command_lines(block)}
    assert not set(every_command()) - shown
