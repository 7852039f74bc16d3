"""The verbs that need no kind's own knowledge: plan, apply, check, graph, schema, version."""

from __future__ import annotations

import json
import sys
from functools import partial

from engine import FORMAT_VERSION, __version__, options
from engine.converge import BringAbout, Foretell
from engine.session import announced, begin, execute
from engine.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from engine.converge import Run
    from engine.session import Session
    from engine.shapes import Report
    from engine.verb import Compose


def _plan_options(parser: ArgumentParser) -> None:
    options.files(parser)
    options.running(parser)
    options.output(parser)
    parser.add_argument("--out", metavar="PLAN", help="also save the plan, for `apply --plan`")


def _plan(arguments: Namespace, compose: Compose) -> int:
    if arguments.out is not None:
        from engine.saved import check_place

        check_place(arguments.out)
    document = _run("plan", begin(arguments, compose), Foretell())
    if arguments.out is not None:
        from engine.saved import save

        save(arguments.out, document)
    return show(document, arguments)


def _apply_options(parser: ArgumentParser) -> None:
    options.files(parser)
    options.running(parser)
    options.output(parser)
    parser.add_argument("--dry-run", action="store_true", help="the same as `converge plan`")
    parser.add_argument("--plan", metavar="PLAN", help="do exactly this saved plan, or refuse")
    options.waiting(parser)


def _apply(arguments: Namespace, compose: Compose) -> int:
    if arguments.plan is not None:
        from engine.saved import digest_of

        digest_of(arguments.plan)  # what is no plan is told before the work
    session = begin(arguments, compose)
    announce = partial(announced, session)
    run = BringAbout(arguments.lock_timeout, announce)
    if arguments.dry_run or arguments.plan:
        planned = _run("plan", session, Foretell())
        if arguments.plan:
            from engine.saved import AsPlanned, confirm

            confirm(arguments.plan, planned)
            run = AsPlanned(planned, arguments.lock_timeout, announce)
        if arguments.dry_run:
            return show(planned, arguments)
    return show(_run("apply", session, run), arguments)


def _run(command: str, session: Session, run: Run) -> Report:
    """Run the loop and report, with a note on each name to upgrade that nothing has."""
    document = execute(command, session, run)
    if not document["failed"]:
        document["notes"] += options.unheard(session.where.upgrade, _packages(document))
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
    options.files(parser)
    options.output(parser)
    parser.set_defaults(jobs=1, prune=False, detailed_exitcode=False)


def _check(arguments: Namespace, compose: Compose) -> int:
    return show(execute("check", begin(arguments, compose), Foretell()), arguments)


def show(document: Report, arguments: Namespace) -> int:
    """Print a report as the arguments ask for it, and return its exit code."""
    if arguments.json:
        from engine.report import to_json

        sys.stdout.write(to_json(document))
    else:
        from engine.render import Paint, text

        paint = Paint(options.colour_of(arguments, sys.stdout))
        sys.stdout.write(text(document, paint, everything=arguments.verbose))
    return document["exit"]["code"]


def _graph_options(parser: ArgumentParser) -> None:
    from engine.draw import FORMS

    options.files(parser)
    parser.add_argument("--format", choices=FORMS, default="text", help="text by default")


def _graph(arguments: Namespace, compose: Compose) -> int:
    from engine.draw import draw
    from engine.loading import load, read_texts

    where = options.settings(arguments)
    order = load(read_texts(arguments.files), compose(where), where.cache)
    sys.stdout.write(draw(options.wanted(order, arguments.only), arguments.format))
    return 0


def _schema_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "of", nargs="?", choices=("declaration", "output"), default="declaration",
        help="of a declaration, for editors, or of what `--json` prints",
    )  # fmt: skip


def _schema(arguments: Namespace, compose: Compose) -> int:
    from engine.schema import of_declaration, of_output

    if arguments.of == "output":
        schema = of_output()
    else:
        schema = of_declaration(compose(options.settings(arguments)))
    sys.stdout.write(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
    return 0


def _version_options(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="with the version of the JSON")


def _version(arguments: Namespace, compose: Compose) -> int:
    facts = {"version": __version__, "format_version": FORMAT_VERSION}
    print(json.dumps(facts) if arguments.json else __version__)
    return 0


VERBS = (
    Verb("plan", "say what would be done, and do nothing", _plan_options, _plan),
    Verb("apply", "bring it about", _apply_options, _apply),
    Verb("check", "0 as declared, 2 drift, 1 error: for guards", _check_options, _check),
    Verb("graph", "print the graph: text, DOT or Mermaid", _graph_options, _graph),
    Verb("schema", "print a JSON Schema", _schema_options, _schema),
    Verb("version", "print the version", _version_options, _version),
)
