"""`converge verify`: every byte against the seal, and the seal against the wheels' RECORDs."""

from __future__ import annotations

import os
import sys

from engine.cli import options
from engine.cli.command import Command
from engine.errors import ConvergeError, Interrupted, summarize
from engine.output.report import to_json
from states.commands.per_venv import print_result, report_error, run_per_venv
from states.commands.selection import venvs
from states.venv.generations import verify_log
from states.venv.generations.store import list_generations, live_id
from states.venv.generations.verify import verify
from states.venv.layout import store_of
from states.venv.observe import FOREIGN, published_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from typing import Any

    from engine.cli.command import BuildRegistry
    from engine.output.report_schema import ExitReport
    from engine.resource import Resource
    from states.venv.layout import Store


def _options(parser: ArgumentParser) -> None:
    options.add_files_argument(parser)
    options.add_output_options(parser)
    parser.add_argument("--all", action="store_true", help="former generations too")
    options.add_jobs_option(parser, "files")


def _verify(arguments: Namespace, compose: BuildRegistry) -> int:
    where = options.build_settings(arguments)
    order = venvs(arguments, compose)
    done, failed = run_per_venv(order, lambda one: _reports(one, arguments, where.state))
    report_error(failed.values(), arguments)
    reports = [report for each in done.values() for report in each]
    unread = [
        _no_report(one, failed[one.address].message) for one in order if one.address in failed
    ]
    ended = _exit([*reports, *unread], list(failed.values()))
    if arguments.json:
        sys.stdout.write(to_json({"generations": [*reports, *unread], "exit": ended}))
    else:
        print_result(line for report in reports for line in _lines(report))
    return ended["code"]


def _exit(reports: list[dict[str, Any]], failed: list[ConvergeError]) -> ExitReport:
    code, name, retryable = summarize(failed)
    wrong = len([report for report in reports if report["error"]])
    if name != Interrupted.name and wrong:
        # What a generation has wrong is no failure of ours, and stays.
        code, name, retryable = 1, ConvergeError.name, retryable and wrong == len(failed)
    elif name != Interrupted.name and any(report["damage"] for report in reports):
        code, name = 2, "drift"
    return {"code": code, "class": name, "retryable": retryable}


def _lines(report: dict[str, Any]) -> Iterator[str]:
    name = f"{report['address']} {report['generation'] or ''}".rstrip()
    if report["error"]:
        yield f"✗ {name}: {report['error']}"
    elif report["damage"]:
        yield f"! {name}: {len(report['damage'])} of {report['files']} differ"
        for item in report["damage"]:
            yield f"  {item['flags']}  {item['path']}"
    else:
        yield f"  {name}: {report['files']} files as sealed"


def _reports(one: Resource, arguments: Namespace, state: str) -> list[dict[str, Any]]:
    store = store_of(one.spec.path)
    reports = list(verify(one, store, arguments.jobs, every=arguments.all))
    for report in reports:
        if not report["damage"] and not report["error"]:
            verify_log.record(state, store.generation(str(report["generation"])))
    error = _not_live(store)
    return [*reports, _no_report(one, error)] if error else reports


def _no_report(one: Resource, error: str) -> dict[str, Any]:
    return {
        "address": one.address,
        "path": one.spec.path,
        "generation": None,
        "files": 0,
        "damage": [],
        "error": error,
    }


def _not_live(store: Store) -> str:
    """Say why there is no live generation to verify; empty if there is one."""
    live, made = live_id(store), list_generations(store)
    if live and live not in made and os.path.isdir(store.generation(live)):
        return f"generation {live} has lost its receipt: `converge apply` replaces it"
    if not made and published_state(store)[0] == FOREIGN:
        return f"`{store.published}` was not made by converge: there is no seal to verify it by"
    if not made:
        return "there is nothing to verify: it was not made yet"
    if live not in made:
        return f"`{store.published}` does not lead to a generation: `converge plan` says more"
    return ""


COMMAND = Command(
    "verify",
    "hash every file against its seal: 0 whole, 2 damage, 1 error",
    _options,
    _verify,
    group="Inspection",
)
