"""Every command line that is shown has verbs and options that there are."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator

import pytest

from tests.docs.generator import every_verb, parser_of
from tests.docs.pages import Block, every

SHOWN = [block for language in ("console", "sh", "bash") for block in every(language)]
_OTHERS = ("sudo", "exec", "!", "if", "unless", "time")
"""Words that may stand before the command."""


def command_lines(block: Block) -> list[list[str]]:
    """Return the words of each call of the command in a block, without its name."""
    rows = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        rows = [row[2:] for row in rows if row.startswith(("$ ", "# "))]
    return [words for row in rows for words in _calls(row)]


def _calls(row: str) -> Iterator[list[str]]:
    """Yield the words after each `converge` that a line of shell calls."""
    lexer = shlex.shlex(row, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:
        return  # part of a text that goes over several lines
    for called, group in itertools.groupby(tokens, lambda one: not set(one) <= set("|&;<>()")):
        words = list(group) if called else []
        while words and (words[0] in _OTHERS or re.fullmatch(r"\w+=.*", words[0])):
            words = words[1:]
        if words and words[0].rpartition("/")[2] == "converge":
            yield words[1:]


@pytest.mark.parametrize("block", [one for one in SHOWN if command_lines(one)], ids=str)
def test_page_command_lines_parse(block: Block) -> None:
    verbs = every_verb()
    for words in command_lines(block):
        if words[0] in ("VERB", "--help", "--version"):
            continue
        assert words[0] in verbs, words
        rest = ["--upgrade=" if word == "--upgrade" else word for word in words[1:]]
        if "--help" not in rest:
            try:
                parser_of(verbs[words[0]]).parse_args(rest)
            except SystemExit:
                pytest.fail(f"no such call: {words}")


def test_pages_show_every_command() -> None:
    called = {words[0] for block in SHOWN for words in command_lines(block)}
    assert not set(every_verb()) - called
