"""Venv by venv: what fails for one is told by its address, and stops no other."""

from __future__ import annotations

import sys

from engine import progress
from engine.cli import options
from engine.errors import ConvergeError, from_os_error, summarize
from engine.output.report import error_report, to_json
from engine.output.text import Paint, format_error, printable
from engine.system import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeVar

    from engine.resource import Resource

    Done = TypeVar("Done")


def run_per_venv(
    venvs: Iterable[Resource], work: Callable[[Resource], Done]
) -> tuple[dict[str, Done], dict[str, ConvergeError]]:
    """Do the work for each venv; return by address what came of it, and what failed.

    Asked to stop, the one at hand is finished, and no other is begun.
    """
    done, failed = {}, {}
    for one in venvs:
        try:
            signals.raise_if_interrupted()
            done[one.address] = work(one)
        except (ConvergeError, OSError) as error:
            known = from_os_error(error) if isinstance(error, OSError) else error
            known.message = f"{one.address}: {known.message}"
            failed[one.address] = known
    return done, failed


def format_results(
    document: Mapping[str, Any],
    lines: Iterable[str],
    failed: Mapping[str, ConvergeError],
    arguments: Namespace,
) -> int:
    """Print what was done, in one form or the other, and what failed; return the exit code."""
    report_error(failed.values(), arguments)
    code, name, retryable = summarize(list(failed.values()))
    if arguments.json:
        errors = {address: error_report(error) for address, error in failed.items()}
        told = {
            "errors": errors,
            "error": next(iter(errors.values()), None),
            "exit": {"code": code, "class": name, "retryable": retryable},
        }
        sys.stdout.write(to_json({**document, **told}))
    else:
        print_result(lines)
    return code


def print_result(lines: Iterable[str]) -> None:
    """Print lines for people; what others named, such as a planted file, cannot add any."""
    sys.stdout.writelines(f"{printable(line)}\n" for line in lines)


def report_error(errors: Iterable[ConvergeError], arguments: Namespace) -> None:
    """Tell each error on standard error."""
    progress.close()
    paint = Paint(options.use_color(arguments.color, sys.stderr))
    for one in errors:
        progress.write_stderr(format_error(one, paint))
