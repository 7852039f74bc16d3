"""One run over a declaration, from the files that were named to the report."""

from __future__ import annotations

from engine import ledger, options, progress, stop
from engine.converge import BringAbout, converge
from engine.loading import load, read_texts
from engine.report import report
from engine.terminal import reporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from engine.converge import Run
    from engine.loading import Composition
    from engine.resource import Resource
    from engine.shapes import Report


def execute(command: str, arguments: Namespace, composition: Composition, run: Run) -> Report:
    """Load, arrange, run the loop, and report; raises what stops the run as a whole."""
    listen(arguments)
    where = options.settings(arguments)
    stop.listen()
    texts = read_texts(arguments.files)
    declared = load(texts, composition, where.cache)
    gone = ledger.vanished(texts, declared, composition, where.state)
    order = options.wanted(declared, arguments.only)
    # What is no longer declared goes first: something new may want its place.
    pruned = gone if arguments.prune and not arguments.only else ()
    results = converge((*pruned, *order), composition.kinds, run, arguments.jobs)
    deleted = {one.resource.address for one in results if one.outcome == "changed"}
    kept = tuple(one for one in gone if one not in pruned or one.address not in deleted)
    if isinstance(run, BringAbout):
        ledger.note(texts, declared, kept, composition, where.state)
    return report(
        command,
        results,
        composition.kinds,
        detailed=arguments.detailed_exitcode,
        notes=[
            *(remark for one in order for remark in composition.kinds[one.kind].remarks(one.spec)),
            *(_vanished(one) for one in kept),
        ],
    )


def listen(arguments: Namespace) -> None:
    """Choose who hears of progress, by what the arguments ask for."""
    progress.listen(reporter(quiet=arguments.quiet, verbose=arguments.verbose))


def _vanished(one: Resource) -> str:
    return (
        f"`{one.address}` is no longer declared in `{one.file}` but still there; "
        "`--prune` removes it"
    )
