"""`converge verify`: compare every byte with the manifest, and the manifest with the RECORDs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import setup_progress
from engine.errors import ConvergeError, Interrupted, summarize
from engine.system.existence import is_directory
from states.commands.per_venv import print_errors, print_result, run_per_venv
from states.commands.venv_arguments import select_venvs
from states.venv.generations.store import list_generations, live_id
from states.venv.generations.verify_log import record_verified
from states.venv.layout import store_of
from states.venv.observe import FOREIGN, published_state
from states.venv.verify import verify

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from typing import Any

    from engine.cli.command import BuildRegistry
    from engine.output.report_schema import ExitReport
    from engine.resource import Resource
    from states.commands.text.table import Line
    from states.venv.layout import Store


def _add_arguments(parser: ArgumentParser) -> None:
    options.add_files_argument(parser)
    options.add_output_options(parser)
    parser.add_argument("--all", action="store_true", help="Also verify previous generations")
    options.add_jobs_option(parser, "files")


def _verify(arguments: Namespace, build_registry: BuildRegistry) -> int:
    setup_progress(arguments)
    progress.start()
    state_dir = options.build_settings(arguments).state
    venvs = select_venvs(arguments, build_registry)

    def verify_task(venv: Resource) -> list[dict[str, Any]]:
        with progress.task(venv.address):
            return _verify_venv(venv, arguments, state_dir)

    outcomes, errors = run_per_venv(venvs, verify_task)
    reports = [report for venv_reports in outcomes.values() for report in venv_reports]
    failures = [
        _failure(venv, errors[venv.address].message) for venv in venvs if venv.address in errors
    ]
    print_errors(errors.values(), arguments)
    exit_report = summarize_reports([*reports, *failures], list(errors.values()))
    # The errors were already printed.
    shown = [report for report in reports if not arguments.quiet or _has_failed(report)]
    print_result(
        {"generations": [*reports, *failures], "exit": exit_report},
        [line for report in shown for line in format_report(report, verbose=arguments.verbose)],
        arguments,
        failed=bool(exit_report["code"]),
    )
    return exit_report["code"]


def _has_failed(report: dict[str, Any]) -> bool:
    return bool(report["damage"] or report["error"])


def _verify_venv(venv: Resource, arguments: Namespace, state_dir: str) -> list[dict[str, Any]]:
    """Verify the generations of one venv, and record the time of each success.

    Args:
        venv: The venv.
        arguments: The parsed arguments.
        state_dir: The directory of the records.

    Returns:
        A report for each generation, and one for the venv if no generation is live.

    """
    store = store_of(venv.spec.path)
    reports = list(verify(venv, store, arguments.jobs, every=arguments.all))
    for report in reports:
        if not report["damage"] and not report["error"]:
            record_verified(state_dir, store.generation(str(report["generation"])))
    error = _live_generation_error(store)
    return [*reports, _failure(venv, error)] if error else reports


def _failure(venv: Resource, error: str) -> dict[str, Any]:
    """Return the report of a venv without a generation that could be verified."""
    return {
        "address": venv.address,
        "path": venv.spec.path,
        "generation": None,
        "published": False,
        "files": 0,
        "damage": [],
        "error": error,
    }


def _live_generation_error(store: Store) -> str:
    """Return the reason why no live generation can be verified, or an empty string."""
    live, generations = live_id(store), list_generations(store)
    if live and live not in generations and is_directory(store.generation(live)):
        return f"generation {live} has no receipt; `converge apply` replaces it"
    if not generations and published_state(store)[0] == FOREIGN:
        return f"`{store.published}` wasn't created by converge, so it has no manifest"
    if not generations:
        return "nothing to verify: the venv doesn't exist yet"
    if live not in generations:
        return f"`{store.published}` doesn't point to a generation; see `converge plan`"
    return ""


def summarize_reports(reports: list[dict[str, Any]], errors: list[ConvergeError]) -> ExitReport:
    """Return the exit code: 2 for damage, 1 for any error, 128 + signal if interrupted.

    Args:
        reports: The reports of generations, and of venvs that couldn't be verified.
        errors: The errors among them that ended the work on a venv.

    """
    code, name, retryable = summarize(errors)
    failed = len([report for report in reports if report["error"]])
    if name != Interrupted.name and failed:
        # Some reports have an error that no retry fixes, such as a missing receipt.
        code, name, retryable = 1, ConvergeError.name, retryable and failed == len(errors)
    elif name != Interrupted.name and any(report["damage"] for report in reports):
        code, name = 2, "drift"
    return {"code": code, "class": name, "retryable": retryable}


_LEGEND = "S size, M mode, 5 content, L link, U user, G group, T type"


def format_report(report: dict[str, Any], *, verbose: bool) -> Iterator[Line]:
    """Yield the lines of text for one generation.

    Args:
        report: The report, in the form that `--json` prints.
        verbose: Whether to show the path of the generation.

    """
    title = f"{report['address']} {report['generation'] or ''}".rstrip()
    if verbose:
        title += f"  {report['path']}"
    if report["error"]:
        yield [("✗", "✗ "), ("bold", title), ("", f": {report['error']}")]
    elif report["damage"]:
        count = f": {len(report['damage'])} of {report['files']} files differ"
        yield [("!", "! "), ("bold", title), ("bad", count)]
        for difference in report["damage"]:
            yield [("bad", f"  {difference['flags']}"), ("", f"  {difference['path']}")]
        yield [("dim", f"  {_LEGEND}")]
    else:
        yield [("bold", f"  {title}"), ("", ": "), ("good", f"{report['files']} files OK")]


COMMAND = Command(
    "verify",
    "Compare the content of every file with the manifest",
    _add_arguments,
    _verify,
    group="Inspection",
    is_read_only=True,
    empty_document=lambda _: {"generations": []},
    description="""\
Hashes the files of the live generation, and compares the manifest with the RECORD files of
the wheels. Reports each difference with the letters of `rpm -V`.""",
    examples=("converge verify site.toml", "converge verify site.toml --only venv.web --all"),
    exit_codes=(
        ("0", "no damage"),
        ("1", "a venv can't be verified"),
        ("2", "damage"),
    ),
)
