"""A command that changes nothing needs no `--dry-run`, and explains that."""

from __future__ import annotations

import pytest

from engine.cli.command import load_command
from engine.cli.parser import parse_arguments
from engine.errors import UsageError
from states.__main__ import COMMANDS

WRITING = {
    "adopt",
    "apply",
    "gc",
    "import",
    "init",
    "lock",
    "pin",
    "rollback",
    "selftest",
    "wrapper",
}


def test_each_command_is_marked_as_reading_or_writing() -> None:
    """A new command has to be added here, or to be marked as read-only."""
    read_only = {name for name in COMMANDS if load_command(COMMANDS, name).is_read_only}
    assert read_only == set(COMMANDS) - WRITING


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - WRITING))
def test_dry_run_of_a_read_only_command_is_explained(name: str) -> None:
    values = ["output"] if name == "schema" else ["x.toml", "app", "x"]
    with pytest.raises(UsageError, match="unknown option: `--dry-run`") as raised:
        parse_arguments([name, *values, "--dry-run"], COMMANDS)
    assert raised.value.hint == f"omit it; `converge {name}` changes nothing"
