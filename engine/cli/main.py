"""The entry point: run one command, and turn every error into a message and an exit code."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stdout

from engine import progress
from engine.cli.command import load_command
from engine.cli.commands import COMMANDS
from engine.cli.parser import command_name, parse_arguments
from engine.errors import (
    ConvergeError,
    InternalError,
    from_os_error,
    process_limit_error,
)
from engine.redaction import redact
from engine.system import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence
    from typing import Any, TextIO

    from engine.cli.command import BuildRegistry, CommandTable
    from engine.output.report_schema import ProblemReport


class _Output(io.StringIO):
    """Collects standard output. It is printed at the end, when the exit code is known."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream

    def fileno(self) -> int:
        """Return the descriptor of the real standard output."""
        return self.stream.fileno()

    def isatty(self) -> bool:
        """Return whether the real standard output is a terminal."""
        return self.stream.isatty()


class _Invocation:
    """The arguments of one call: as parsed, or as far as they are known after a usage error."""

    def __init__(self, argv: Sequence[str] | None, commands: CommandTable) -> None:
        self.commands = commands
        self.argv = list(sys.argv[1:] if argv is None else argv)
        self.arguments: Namespace | None = None

    @property
    def command(self) -> str:
        """The name of the command."""
        if self.arguments is None:
            return command_name(self.argv)
        return str(self.arguments.command)

    @property
    def as_json(self) -> bool:
        """Whether to print JSON."""
        if self.arguments is None:
            return "--json" in self.argv
        return getattr(self.arguments, "json", False)

    @property
    def is_data(self) -> bool:
        """Whether standard output is data for programs, which is UTF-8 in any locale."""
        return self.as_json or getattr(self.arguments, "data", False)

    def empty_document(self) -> Mapping[str, Any] | None:
        """Return the result of a failed call with `--json`, or None for an empty report."""
        from argparse import Namespace

        if self.command not in self.commands:
            return None
        create = load_command(self.commands, self.command).empty_document
        return None if create is None else create(self.arguments or Namespace())

    @property
    def color(self) -> str:
        """The value of `--color`."""
        if self.arguments is not None:
            return getattr(self.arguments, "color", "auto")
        for argument, value in zip(self.argv, [*self.argv[1:], ""], strict=True):
            if argument == "--color":
                return value
            if argument.startswith("--color="):
                return argument.removeprefix("--color=")
        return "auto"


def main(
    build_registry: BuildRegistry,
    commands: CommandTable = COMMANDS,
    argv: Sequence[str] | None = None,
) -> int:
    """Run one command.

    Args:
        build_registry: The composition root. Called if the command needs the kinds.
        commands: All commands.
        argv: The arguments without the program name. The default is that of the process.

    Returns:
        The exit code.

    """
    # The modes of created files must not depend on the caller. Kinds set stricter modes.
    os.umask(0o022)
    signals.keep_exit_statuses()
    _open_missing_streams()
    invocation = _Invocation(argv, commands)
    output = _Output(sys.stdout)
    with redirect_stdout(output):
        code = _attempt(invocation, build_registry)
    try:
        _print(output.getvalue(), is_data=invocation.is_data)
    except BrokenPipeError:
        _mute(sys.stdout)  # The reader has exited. The result of the run stays the same.
    except OSError as error:
        _mute(sys.stdout)
        code = _report_error(invocation, from_os_error(error), as_json=False)
    try:
        sys.stderr.flush()
    except OSError:
        _mute(sys.stderr)
    return code


def _open_missing_streams() -> None:
    """Open `/dev/null` for closed standard streams, so that no other file gets their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            os.dup2(descriptor, number)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115


def _attempt(invocation: _Invocation, build_registry: BuildRegistry) -> int:
    """Parse the arguments and run the command, and report any error.

    Args:
        invocation: The call. Gets the parsed arguments.
        build_registry: The composition root.

    Returns:
        The exit code.

    """
    error: ConvergeError
    try:
        arguments = invocation.arguments = parse_arguments(invocation.argv, invocation.commands)
        try:
            return int(arguments.run(arguments, build_registry))
        finally:
            progress.close()
    except SystemExit as system_exit:
        return int(system_exit.code or 0)  # argparse has printed the help.
    except KeyboardInterrupt:
        # Long-running commands handle signals. In all others, an interruption is as safe.
        error = signals.interruption()
    except ConvergeError as converge_error:
        error = converge_error
    except OSError as os_error:
        error = from_os_error(os_error)
    except Exception as unexpected:
        error = _unexpected(unexpected)
    return _report_error(invocation, error, as_json=invocation.as_json)


def _unexpected(error: Exception) -> ConvergeError:
    """Print the traceback of an unexpected exception, and return the error to report."""
    if str(error) == "can't start new thread":  # CPython has no class for it.
        return process_limit_error()
    import traceback

    progress.write_stderr(redact(traceback.format_exc()))
    return InternalError("this is a bug in converge; please report it with its traceback")


def _report_error(invocation: _Invocation, error: ConvergeError, *, as_json: bool) -> int:
    """Print an error.

    Args:
        invocation: The call that failed.
        error: The error, which goes to standard error.
        as_json: Print it also as a report on standard output.

    Returns:
        The exit code.

    """
    # Imported here: a run without an error doesn't need them.
    from engine.cli.options import output_width, use_color
    from engine.declaration.diagnostics import DeclarationError
    from engine.output.report import build_failure, fail_document, to_json
    from engine.output.text import Paint, format_error

    code = 1 if invocation.command == "check" else error.code
    paint = Paint(use_color(invocation.color, sys.stderr))
    problems: list[ProblemReport] = []
    if isinstance(error, DeclarationError):
        from engine.output.snippets import diagnostic_reports, format_diagnostics

        problems = diagnostic_reports(error)
        progress.write_stderr(format_diagnostics(error, paint))
    else:
        progress.write_stderr(format_error(error, paint, output_width(sys.stderr)))
    if as_json:
        failure = build_failure(invocation.command, error, code, problems)
        document = invocation.empty_document()
        sys.stdout.write(to_json(failure if document is None else fail_document(document, failure)))
    return code


def _print(text: str, *, is_data: bool) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Neither a character that the locale lacks nor a path that isn't valid UTF-8 is an
        # error. JSON is UTF-8 in any locale (RFC 8259, 8.1).
        encoding = "utf-8" if is_data else None
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
    if not is_data:
        from engine.system.encoding import escape

        text = escape(text, sys.stdout)
    sys.stdout.write(text)
    sys.stdout.flush()


def _mute(stream: TextIO) -> None:
    """Redirect a closed stream to `/dev/null`.

    Otherwise the interpreter fails to flush it at exit, and changes the exit code.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
