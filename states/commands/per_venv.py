"""Run a command for each venv, so that a failure in one doesn't stop or hide the others."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from engine import progress
from engine.cli import options
from engine.errors import ConvergeError, from_os_error, summarize
from engine.output.report import error_report, to_json
from engine.output.text import Paint, format_error
from engine.system import signals
from engine.system.lock import hold_lock
from states.commands.text.table import render
from states.venv.generations.access import lock_of
from states.venv.layout import store_of

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, TypeVar

    from engine.resource import Resource
    from states.commands.text.table import Line
    from states.venv.layout import Store

    Outcome = TypeVar("Outcome")


def run_per_venv(
    venvs: Iterable[Resource], run: Callable[[Resource], Outcome]
) -> tuple[dict[str, Outcome], dict[str, ConvergeError]]:
    """Call a function with each venv, and collect the errors.

    After a stop request, the current venv is finished, and each other one fails as interrupted.

    Args:
        venvs: The venvs, in the order of the calls.
        run: The function to call. It may raise `ConvergeError` or `OSError`.

    Returns:
        The return values and the errors, both by address. Each error message begins with the
        address.

    """
    outcomes: dict[str, Outcome] = {}
    errors: dict[str, ConvergeError] = {}
    for venv in venvs:
        try:
            signals.raise_if_interrupted()
            outcomes[venv.address] = run(venv)
        except (ConvergeError, OSError) as error:
            errors[venv.address] = address_error(venv.address, error)
    return outcomes, errors


def address_error(address: str, raised: ConvergeError | OSError) -> ConvergeError:
    """Return the error to report for a venv. Its message begins with the address."""
    error = from_os_error(raised) if isinstance(raised, OSError) else raised
    error.message = f"{address}: {error.message}"
    return error


@contextmanager
def locked_store(venv: Resource, arguments: Namespace) -> Iterator[Store]:
    """Hold the lock of a venv's store, and attribute progress to the venv.

    Yields the store. If it doesn't exist, there is no lock, and the caller finds no generation.

    Args:
        venv: The venv.
        arguments: The parsed arguments, with `lock_timeout` in seconds.

    Raises:
        LockTimeout: Another process held the lock for the whole timeout.
        PermissionDenied: Other users can replace the store.

    """
    store = store_of(venv.spec.path)
    find_lock = partial(lock_of, store, venv.spec.path)
    with (
        progress.task(venv.address),
        hold_lock(find_lock, arguments.lock_timeout, progress.step),
    ):
        yield store


def print_results(
    document: Mapping[str, Any],
    lines: Iterable[Line | str],
    errors: Mapping[str, ConvergeError],
    arguments: Namespace,
) -> int:
    """Print the result and the errors of a command that acts on several venvs.

    Args:
        document: The result for `--json`, without errors and exit code.
        lines: The result as text.
        errors: The errors by address.
        arguments: The parsed arguments.

    Returns:
        The exit code.

    """
    print_errors(errors.values(), arguments)
    code, name, retryable = summarize(list(errors.values()))
    reports = {address: error_report(error) for address, error in errors.items()}
    outcome = {
        "errors": reports,
        "error": next(iter(reports.values()), None),
        "exit": {"code": code, "class": name, "retryable": retryable},
    }
    print_result({**document, **outcome}, lines, arguments)
    return code


def print_result(
    document: Mapping[str, Any],
    lines: Iterable[Line | str],
    arguments: Namespace,
    *,
    failed: bool = False,
) -> None:
    """Print a result to standard output, as JSON or as text.

    Args:
        document: The result for `--json`.
        lines: The result as text.
        arguments: The parsed arguments. With `quiet`, text is printed only after a failure.
        failed: Whether the lines report a failure.

    """
    if arguments.json:
        sys.stdout.write(to_json(document))
    elif failed or not getattr(arguments, "quiet", False):
        color = options.use_color(getattr(arguments, "color", "auto"), sys.stdout)
        print_lines(lines, Paint(color))


def print_lines(lines: Iterable[Line | str], paint: Paint) -> None:
    """Print lines with control characters escaped: a file name can't forge another line."""
    sys.stdout.writelines(f"{render(line, paint)}\n" for line in lines)


def print_errors(errors: Iterable[ConvergeError], arguments: Namespace) -> None:
    """End the progress display, and print each error to standard error."""
    progress.close()
    paint = Paint(options.use_color(arguments.color, sys.stderr))
    for error in errors:
        progress.write_stderr(format_error(error, paint, options.output_width(sys.stderr)))
