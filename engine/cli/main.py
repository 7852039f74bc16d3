"""The command line: which verb, with what; every error becomes words and an exit code."""

from __future__ import annotations

import argparse
import io
import os
import sys
from contextlib import redirect_stdout

from engine import __version__, progress
from engine.cli.commands import COMMANDS
from engine.cli.options import EVERYTHING
from engine.errors import (
    ConvergeError,
    InternalError,
    Interrupted,
    UsageError,
    from_os_error,
    process_limit_error,
)
from engine.redaction import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, TextIO

    from engine.cli.command import BuildRegistry, Command
    from engine.output.report_schema import ProblemReport

_ABOUT = """\
usage: converge VERB [OPTION…] FILE…

Makes what a TOML declaration says, and nothing else, be so.

{verbs}

`converge VERB --help` tells more. FILE is a TOML file, a folder (every `*.toml` in it),
or `-` for standard input (TOML or JSON).
"""


class _Help(argparse.HelpFormatter):
    """Of a fixed width: asking the terminal costs an import on every run."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=96)


class _Parser(argparse.ArgumentParser):
    """argparse exits with 2 on wrong usage, which means "drift" here: raise instead."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"`{self.prog} --help` tells how it is called")


class _Result(io.StringIO):
    """All that goes to standard output: printed at the end, when the exit code is known."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream

    def isatty(self) -> bool:
        """Tell who will read it."""
        return self.stream.isatty()


def main(
    compose: BuildRegistry,
    extra: Sequence[Command] = (),
    argv: Sequence[str] | None = None,
) -> int:
    """Run one verb and return the exit code."""
    # What we make must not depend on who calls; kinds set stricter modes themselves.
    os.umask(0o022)
    _open_missing()
    words = list(sys.argv[1:] if argv is None else argv)
    result = _Result(sys.stdout)
    with redirect_stdout(result):
        code = _attempt(words, {verb.name: verb for verb in (*COMMANDS, *extra)}, compose)
    try:
        _print(result.getvalue(), as_json="--json" in words)
    except BrokenPipeError:
        _mute(sys.stdout)  # whoever read has gone; what came of the work stays true
    except OSError as error:
        _mute(sys.stdout)
        code = _tell(words, from_os_error(error), as_json=False)
    try:
        sys.stderr.flush()
    except OSError:
        _mute(sys.stderr)
    return code


def _open_missing() -> None:
    """Let standard streams that were closed lead nowhere, lest another file be taken for one."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            os.dup2(descriptor, number)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115


def _attempt(words: list[str], verbs: dict[str, Command], compose: BuildRegistry) -> int:
    as_json = "--json" in words
    try:
        return _dispatch(words, verbs, compose)
    except SystemExit as left:
        return int(left.code or 0)  # argparse has printed help
    except KeyboardInterrupt:
        # Verbs whose work takes long listen for signals; in the others this is as safe.
        stopped = Interrupted("stopped by SIGINT; just run it again")
        return _tell(words, stopped, as_json)
    except ConvergeError as error:
        return _tell(words, error, as_json)
    except OSError as error:
        return _tell(words, from_os_error(error), as_json)
    except Exception as error:
        if str(error) == "can't start new thread":  # CPython has no class for it
            return _tell(words, process_limit_error(), as_json)
        import traceback

        progress.write_stderr(redact(traceback.format_exc()))
        bug = InternalError("this is a bug in converge; please report it with its traceback")
        return _tell(words, bug, as_json)


def _dispatch(words: list[str], verbs: dict[str, Command], compose: BuildRegistry) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        listed = "\n".join(f"  {verb.name:10} {verb.summary}" for verb in verbs.values())
        print(_ABOUT.format(verbs=listed))
        return 0
    if words[0] == "--version":
        print(__version__)
        return 0
    verb = verbs.get(words[0])
    if verb is None:
        from engine.declaration.validate import suggest

        hint = suggest(words[0], verbs) or f"verbs are {', '.join(verbs)}"
        raise UsageError(f"unknown verb `{words[0]}`", hint=hint)
    parser = _Parser(
        prog=f"converge {verb.name}",
        description=verb.summary,
        allow_abbrev=False,
        formatter_class=_Help,
    )
    verb.options(parser)
    # A bare `--upgrade` must not swallow the file that follows it.
    arguments = [f"--upgrade={EVERYTHING}" if word == "--upgrade" else word for word in words[1:]]
    try:
        return verb.run(parser.parse_args(arguments), compose)
    finally:
        progress.close()


def _tell(words: list[str], error: ConvergeError, as_json: bool) -> int:
    from engine.cli.options import use_color
    from engine.declaration.diagnostics import DeclarationError
    from engine.output.report import build_failure, to_json
    from engine.output.text import Paint, format_error

    command = words[0] if words else ""
    code = 1 if command == "check" else error.code
    paint = Paint(use_color(_color_option(words), sys.stderr))
    problems: list[ProblemReport] = []
    if isinstance(error, DeclarationError):
        from engine.output.snippets import diagnostic_reports, format_diagnostics

        problems = diagnostic_reports(error)
        progress.write_stderr(format_diagnostics(error, paint))
    else:
        progress.write_stderr(format_error(error, paint))
    if as_json:
        sys.stdout.write(to_json(build_failure(command, error, code, problems)))
    return code


def _color_option(words: list[str]) -> str:
    """Return the value of `--color` in arguments that argparse may have rejected."""
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if word == "--color":
            return value
        if word.startswith("--color="):
            return word.removeprefix("--color=")
    return "auto"


def _print(text: str, *, as_json: bool) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A locale that lacks a character, or a path that is no text, is no reason to fail; and
        # JSON is UTF-8 whatever the locale (RFC 8259, 8.1).
        encoding = "utf-8" if as_json else None
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
    if not as_json:
        from engine.system.encoding import escape

        text = escape(text, sys.stdout.encoding)
    sys.stdout.write(text)
    sys.stdout.flush()


def _mute(stream: TextIO) -> None:
    """Keep the interpreter from complaining at exit that nobody reads, with a code of its own."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
