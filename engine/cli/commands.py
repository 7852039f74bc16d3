"""The verbs that need no kind's own knowledge: plan, apply, check, graph, schema, version."""

from __future__ import annotations

import json
import sys
from functools import partial

from engine import FORMAT_VERSION, __version__
from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import open_session, record_intent, run_loop
from engine.converge import Apply, DryRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from engine.cli.command import BuildRegistry
    from engine.cli.session import Session
    from engine.converge import Strategy
    from engine.output.report_schema import Report


def _plan_options(parser: ArgumentParser) -> None:
    options.add_files_argument(parser)
    options.add_run_options(parser)
    options.add_output_options(parser)
    parser.add_argument("--out", metavar="PLAN", help="also save the plan, for `apply --plan`")


def _plan(arguments: Namespace, compose: BuildRegistry) -> int:
    if arguments.out is not None:
        from engine.cli.plan_file import check_plan_path

        check_plan_path(arguments.out)
    document = _run("plan", open_session(arguments, compose), DryRun())
    if arguments.out is not None:
        from engine.cli.plan_file import save

        save(arguments.out, document)
    return print_report(document, arguments)


def _apply_options(parser: ArgumentParser) -> None:
    options.add_files_argument(parser)
    options.add_run_options(parser)
    options.add_output_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="the same as `converge plan`")
    parser.add_argument("--plan", metavar="PLAN", help="do exactly this saved plan, or refuse")
    options.add_lock_timeout_option(parser)


def _apply(arguments: Namespace, compose: BuildRegistry) -> int:
    if arguments.plan is not None:
        from engine.cli.plan_file import read_digest

        read_digest(arguments.plan)  # what is no plan is told before the work
    session = open_session(arguments, compose)
    announce = partial(record_intent, session)
    run = Apply(arguments.lock_timeout, announce)
    if arguments.dry_run or arguments.plan:
        planned = _run("plan", session, DryRun())
        if arguments.plan:
            from engine.cli.plan_file import ApplySavedPlan, confirm

            confirm(arguments.plan, planned)
            run = ApplySavedPlan(planned, arguments.lock_timeout, announce)
        if arguments.dry_run:
            return print_report(planned, arguments)
    return print_report(_run("apply", session, run), arguments)


def _run(command: str, session: Session, run: Strategy) -> Report:
    """Run the loop and report, with a note on each name to upgrade that nothing has."""
    document = run_loop(command, session, run)
    if not document["failed"]:
        document["notices"] += options.unknown_upgrades(
            session.settings.upgrade, _packages(document)
        )
    return document


def _packages(document: Report) -> Iterator[str]:
    """Yield the name of each package that is there, or was, or will be."""
    for one in document["resources"]:
        for attribute in (
            *(one["observed"] or ()),
            *(each["attribute"] for each in one["changes"]),
        ):
            if attribute.startswith("package."):
                yield attribute.removeprefix("package.")


def _check_options(parser: ArgumentParser) -> None:
    options.add_files_argument(parser)
    options.add_output_options(parser)
    parser.set_defaults(jobs=1, prune=False, detailed_exitcode=False)


def _check(arguments: Namespace, compose: BuildRegistry) -> int:
    return print_report(run_loop("check", open_session(arguments, compose), DryRun()), arguments)


def print_report(document: Report, arguments: Namespace) -> int:
    """Print a report as the arguments ask for it, and return its exit code."""
    if arguments.json:
        from engine.output.report import to_json

        sys.stdout.write(to_json(document))
    else:
        from engine.output.text import Paint, format_report

        paint = Paint(options.use_color(arguments.color, sys.stdout))
        sys.stdout.write(format_report(document, paint, everything=arguments.verbose))
    return document["exit"]["code"]


def _graph_options(parser: ArgumentParser) -> None:
    from engine.output.graph_formats import FORMATS

    options.add_files_argument(parser)
    parser.add_argument("--format", choices=FORMATS, default="text", help="text by default")


def _graph(arguments: Namespace, compose: BuildRegistry) -> int:
    from engine.declaration.load import load_declaration, read_sources
    from engine.output.graph_formats import format_graph

    where = options.build_settings(arguments)
    order = load_declaration(read_sources(arguments.files), compose(where), where.cache)
    sys.stdout.write(
        format_graph(options.select_resources(order, arguments.only), arguments.format)
    )
    return 0


def _schema_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "of", nargs="?", choices=("declaration", "output"), default="declaration",
        help="of a declaration, for editors, or of what `--json` prints",
    )  # fmt: skip


def _schema(arguments: Namespace, compose: BuildRegistry) -> int:
    from engine.declaration.json_schema import declaration_schema, output_schema

    if arguments.of == "output":
        schema = output_schema()
    else:
        schema = declaration_schema(compose(options.build_settings(arguments)))
    sys.stdout.write(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
    return 0


def _version_options(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="with the version of the JSON")


def _version(arguments: Namespace, compose: BuildRegistry) -> int:
    facts = {"version": __version__, "format_version": FORMAT_VERSION}
    print(json.dumps(facts) if arguments.json else __version__)
    return 0


COMMANDS = (
    Command("plan", "say what would be done, and do nothing", _plan_options, _plan),
    Command("apply", "bring it about", _apply_options, _apply),
    Command("check", "0 as declared, 2 drift, 1 error: for guards", _check_options, _check),
    Command("graph", "print the graph: text, DOT or Mermaid", _graph_options, _graph),
    Command("schema", "print a JSON Schema", _schema_options, _schema),
    Command("version", "print the version", _version_options, _version),
)
