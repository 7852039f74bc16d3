"""The command line: which verb, with what; every error becomes words and an exit code."""

from __future__ import annotations

import argparse
import io
import os
import sys

from engine import __version__, progress
from engine.errors import Bug, ConvergeError, Interrupted, UsageError, from_os_error
from engine.verbs import VERBS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from engine.shapes import ProblemReport
    from engine.verb import Compose, Verb

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


def main(
    compose: Compose,
    extra: Sequence[Verb] = (),
    argv: Sequence[str] | None = None,
) -> int:
    """Run one verb and return the exit code."""
    # What we make must not depend on who calls; kinds set stricter modes themselves.
    os.umask(0o022)
    words = list(sys.argv[1:] if argv is None else argv)
    verbs = {verb.name: verb for verb in (*VERBS, *extra)}
    as_json = "--json" in words
    command = words[0] if words else ""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A locale that lacks a character, or a path that is no text, is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _dispatch(words, verbs, compose)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone; the work is done all the same.
        _mute_stdout()
        return 0
    except KeyboardInterrupt:
        # Verbs whose work takes long listen for signals; in the others this is as safe.
        stopped = Interrupted("stopped by SIGINT; just run it again")
        return _tell(command, stopped, words, as_json)
    except ConvergeError as error:
        return _tell(command, error, words, as_json)
    except OSError as error:
        return _tell(command, from_os_error(error), words, as_json)
    except Exception:
        import traceback

        traceback.print_exc()
        bug = Bug("this is a bug in converge; please report it with its traceback")
        return _tell(command, bug, words, as_json)
    return code


def _dispatch(words: list[str], verbs: dict[str, Verb], compose: Compose) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        listed = "\n".join(f"  {verb.name:10} {verb.summary}" for verb in verbs.values())
        print(_ABOUT.format(verbs=listed))
        return 0
    if words[0] == "--version":
        print(__version__)
        return 0
    verb = verbs.get(words[0])
    if verb is None:
        from engine.validation import suggest

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
    arguments = ["--upgrade=" if word == "--upgrade" else word for word in words[1:]]
    try:
        return verb.run(parser.parse_args(arguments), compose)
    finally:
        progress.close()


def _tell(command: str, error: ConvergeError, words: list[str], as_json: bool) -> int:
    from engine.options import wants_colour
    from engine.problems import DeclarationError
    from engine.render import Paint, error_text
    from engine.report import failure, to_json

    code = 1 if command == "check" else error.code
    paint = Paint(wants_colour(words, sys.stderr))
    problems: list[ProblemReport] = []
    if isinstance(error, DeclarationError):
        from engine.excerpts import problem_reports, problems_text

        problems = problem_reports(error)
        sys.stderr.write(problems_text(error, paint))
    else:
        sys.stderr.write(error_text(error, paint))
    if as_json:
        try:
            sys.stdout.write(to_json(failure(command, error, code, problems)))
            sys.stdout.flush()
        except BrokenPipeError:
            _mute_stdout()
    return code


def _mute_stdout() -> None:
    """Keep the interpreter from complaining at exit that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
