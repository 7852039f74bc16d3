"""The parser of the command line: a sub-parser for each command, built only if needed."""

from __future__ import annotations

import argparse
import re
import sys

from engine import __version__
from engine.cli.command import GROUPS, load_command
from engine.cli.files import complete_files
from engine.cli.options import output_width
from engine.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, NoReturn

    from engine.cli.command import Command, CommandTable

# argparse looks for a translation of each heading in the file system. That takes 8 million
# instructions, 5 % of a run without changes. The messages of converge are English anyway.
argparse._ = str  # type: ignore[attr-defined]

_MAX_WIDTH = 96
"""Characters in a line of help, on a wide terminal and in a file."""
_HELP_COLUMN = 30
"""The column in which the descriptions of options begin, on a wide terminal."""
_EXPLICIT_VALUE = r"argument (\S+): ignored explicit argument '(.*)'"
"""The message of argparse for an option with a value that takes none."""
_OVERVIEW = """\
usage: converge COMMAND [OPTIONS] [FILE...]

Bring Python virtual environments to the state declared in TOML files.
{groups}
Options:
  -h, --help    Show this overview, or after COMMAND the help of that command
  -V, --version Show the version

FILE is a TOML file, a directory (every `*.toml` in it), or `-` for standard
input. The default is `converge.toml` or `converge.d` in the current directory.
Run `converge COMMAND --help` or `converge help COMMAND` for details.
"""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Formats help for the terminal. By default, argparse imports `shutil` in each run for that."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=_HELP_COLUMN, width=_MAX_WIDTH)

    def format_help(self) -> str:
        """Return the help, in the width of the terminal. Without help, a run doesn't look it up."""
        self._width = min(output_width(sys.stdout) or _MAX_WIDTH, _MAX_WIDTH)
        self._max_help_position = min(_HELP_COLUMN, max(self._width - 20, 4))
        return super().format_help()

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if width >= _MAX_WIDTH:
            return super()._fill_text(text, width, indent)
        return "\n\n".join(_fold(paragraph, width) for paragraph in text.split("\n\n"))

    if sys.version_info[:2] == (3, 14):
        # Choosing colors costs each run an import, even if no help is printed (fixed in 3.15).

        def _set_color(self, color: bool) -> None:
            self._color = color

        def __getattr__(self, name: str) -> Any:
            if name not in ("_theme", "_decolor"):
                raise AttributeError(name)
            super()._set_color(self._color)
            return self.__dict__[name]


def _fold(paragraph: str, width: int) -> str:
    """Fold a paragraph to a width. The rows of a table, which are indented, stay separate."""
    # Imported here: only help on a narrow terminal needs it.
    from textwrap import TextWrapper

    is_table = "\n  " in paragraph
    lines = paragraph.splitlines() if is_table else [" ".join(paragraph.splitlines())]
    wrapper = TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    wrapper.subsequent_indent = "    " if is_table else ""
    return "\n".join(map(wrapper.fill, lines))


class CommandParser(argparse.ArgumentParser):
    """A parser that raises `UsageError`. argparse exits with 2, which here means drift."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_Formatter, add_help=False, **options)
        self.add_argument("-h", "--help", action="help", help="Show this help")
        self._is_intermixed = False
        """Whether argparse calls this parser in parts."""
        self.is_read_only = False
        """Whether the command changes no resource."""

    def error(self, message: str) -> NoReturn:
        """Report an invalid argument.

        Raises:
            UsageError: Always, with a hint to the help of the command.

        """
        if match := re.fullmatch(_EXPLICIT_VALUE, message, re.DOTALL):
            from engine.cli.options import valueless_option_error

            raise valueless_option_error(match[1].rpartition("/")[2], match[2])
        raise UsageError(message, hint=f"for usage, run `{self.prog} --help`")

    def parse_known_args(  # type: ignore[override]  # the overloads only bind the namespace type
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse, and raise `UsageError` for unknown arguments, with a hint to this command.

        argparse takes all files at once, so those after a later option remain. Then the options
        are parsed first, and the files after them.
        """
        parsed, unknown = super().parse_known_args(args, namespace)
        if self._is_intermixed:
            return parsed, unknown
        if unknown and not any(argument.startswith("-") for argument in unknown):
            self._is_intermixed = True
            parsed, unknown = self.parse_known_intermixed_args(args, namespace)
        if unknown:
            self._reject(unknown)
        return parsed, unknown

    def _reject(self, unknown: Sequence[str]) -> NoReturn:
        """Report unknown arguments, with the most similar option.

        Raises:
            UsageError: Always.

        """
        from engine.declaration.validate import suggest

        option = next((name for name in unknown if name.startswith("-")), "")
        name = option.partition("=")[0]
        hint = _foreign_option(name, self.prog, is_read_only=self.is_read_only)
        if hint:
            raise UsageError(f"unknown option: `{name}`", hint=hint)
        if len(name) > len("--"):
            longer = [flag for flag in self._option_string_actions if flag.startswith(name)]
            hint = f"did you mean `{longer[0]}`?" if longer else ""
            hint = hint or suggest(name, self._option_string_actions)
        if hint:
            raise UsageError(f"unknown option: `{name}`", hint=hint)
        self.error(f"unrecognized arguments: {' '.join(unknown)}")


class RootParser(CommandParser):
    """The parser of the whole command line.

    Args:
        commands: All commands. The overview imports each of them.
        selected: The commands that need a sub-parser.

    """

    def __init__(self, commands: CommandTable, selected: Iterable[str]) -> None:
        super().__init__(prog="converge")
        self.commands = commands
        self.add_argument(
            "-V", "--version", action="version", version=__version__, help="Show the version"
        )
        subparsers = self.add_subparsers(
            dest="command",
            metavar="COMMAND",
            required=True,
            parser_class=CommandParser,
            prog="converge",  # By default, argparse formats the usage to find it.
        )
        for name in selected:
            command = load_command(commands, name)
            parser = subparsers.add_parser(
                name,
                prog=f"converge {name}",
                help=command.summary,
                description=f"{command.summary}.\n\n{command.description}".strip(),
                epilog=_epilog(command),
            )
            command.add_arguments(parser)
            parser.set_defaults(run=command.run)
            parser.is_read_only = command.is_read_only

    def format_help(self) -> str:
        """Return the overview of all commands, by group."""
        rows: dict[str, list[str]] = {group: [] for group in GROUPS}
        for name in self.commands:
            command = load_command(self.commands, name)
            rows[command.group].append(f"  {name:10}  {command.summary}\n")
        sections = [f"\n{group}:\n{''.join(lines)}" for group, lines in rows.items() if lines]
        return _OVERVIEW.format(groups="".join(sections))


def parse_arguments(argv: Sequence[str], commands: CommandTable) -> argparse.Namespace:
    """Parse the command line, and import only the command that it names.

    Args:
        argv: The arguments without the program name. None of them means `--help`.
        commands: All commands.

    Returns:
        The arguments, with the name of the command as `command` and its function as `run`.

    Raises:
        UsageError: An argument is invalid, or the command is unknown.
        SystemExit: argparse has printed help or the version.

    """
    if not argv or argv[0] == "help":
        argv = [*argv[1:], "--help"]
    name = command_name(argv)
    if name and name not in commands:
        from engine.declaration.validate import suggest

        hint = _intended(name) or suggest(name, commands) or f"commands: {', '.join(commands)}"
        raise UsageError(f"unknown command: `{name}`", hint=hint)
    if name and argv[0] != name and argv[0] not in ("-h", "--help", "-V", "--version"):
        rest = [argument for argument in argv if argument != name]
        raise UsageError(
            f"`{argv[0]}` precedes the command", hint=f"run `converge {' '.join([name, *rest])}`"
        )
    arguments = RootParser(commands, (name,) if name else ()).parse_args(argv)
    complete_files(arguments)
    return arguments


def _foreign_option(name: str, prog: str, *, is_read_only: bool) -> str:
    """Return a hint for an option that other tools have here.

    Args:
        name: The option.
        prog: The command line up to the name of the command.
        is_read_only: Whether the command changes no resource.

    Returns:
        The hint. Otherwise, it is empty.

    """
    if name in ("-y", "--yes", "--assume-yes"):
        return "omit it; converge never asks"
    if name in ("-V", "--version"):
        return "run `converge --version`"
    if name in ("-f", "--file"):
        return "name the file without an option"
    if is_read_only and name in ("-n", "--dry", "--dry-run", "--check"):
        return f"omit it; `{prog}` changes nothing"
    return ""


def _intended(name: str) -> str:
    """Return a hint for a file, or for a command of other tools. Otherwise, it is empty."""
    if name.endswith((".toml", ".json")) or "/" in name:
        return f"it is a file: to see the changes, run `converge plan {name}`"
    if name in ("destroy", "remove", "delete", "uninstall"):
        return 'set `state = "absent"` in the tables to delete, then run `converge apply`'
    return ""


def command_name(argv: Sequence[str]) -> str:
    """Return the first argument that isn't an option, or an empty string."""
    return next((argument for argument in argv if not argument.startswith("-")), "")


def _epilog(command: Command) -> str:
    """Return the last part of a command's help: its exit codes and examples."""
    sections = []
    if command.exit_codes:
        rows = (f"  {code:4}  {condition}\n" for code, condition in command.exit_codes)
        sections.append("exit codes:\n" + "".join(rows))
    if command.examples:
        sections.append("examples:\n" + "".join(f"  {line}\n" for line in command.examples))
    return "\n".join(sections)
