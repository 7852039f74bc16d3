"""One command of the command line, and the function that imports it."""

from __future__ import annotations

from engine.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    from engine.registry import KindRegistry
    from engine.settings import Settings

    BuildRegistry: TypeAlias = Callable[[Settings], KindRegistry]
    """The composition root: creates the kinds for one run."""

    CommandTable: TypeAlias = Mapping[str, str]
    """The module of each command, by name, in the order of the overview."""


GROUPS = ("Main commands", "Inspection", "Generations", "Declaration", "Other commands")
"""The headings of the overview, in order."""


@frozen
class Command:
    """A command, with all that its help shows."""

    name: str
    summary: str
    """One line for the overview: an imperative without a period."""
    add_arguments: Callable[[ArgumentParser], None]
    """Called only if the command runs, or if its help or completions are generated."""
    run: Callable[[Namespace, BuildRegistry], int]
    """Takes the parsed arguments and the composition root. Returns the exit code."""
    group: str = "Other commands"
    """One of `GROUPS`."""
    is_read_only: bool = False
    """Whether it changes no resource, so that it needs no `--dry-run`."""
    description: str = ""
    """Help below the summary: complete sentences, in lines of at most 90 characters."""
    examples: tuple[str, ...] = ()
    """Command lines without a prompt."""
    exit_codes: tuple[tuple[str, str], ...] = ()
    """Exit codes that differ from those of other commands, each with its condition."""
    empty_document: Callable[[Namespace], Mapping[str, Any]] | None = None
    """The result with `--json` of a call that failed as a whole. None for an empty report. Takes
    the parsed arguments, or none of them after a usage error."""


def load_command(commands: CommandTable, name: str) -> Command:
    """Import the module of one command, and return its `COMMAND`."""
    # The call that `importlib.import_module` makes, without the import of `importlib`.
    module = __import__(commands[name], fromlist=["COMMAND"])
    command: Command = module.COMMAND
    return command
