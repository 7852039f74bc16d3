"""One run over a declaration, from the files that were named to the report."""

from __future__ import annotations

from engine import ledger, options, progress, stop
from engine.converge import BringAbout, converge
from engine.errors import UsageError, from_os_error
from engine.loading import STDIN, load, read_texts
from engine.report import report
from engine.terminal import reporter
from engine.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable

    from engine.converge import Result, Run
    from engine.loading import Composition, Text
    from engine.resource import Resource
    from engine.settings import Settings
    from engine.shapes import Report
    from engine.verb import Compose


@value
class Session:
    """What one call of the command is about: read once, however often the loop is run."""

    arguments: Namespace
    where: Settings
    composition: Composition
    files: tuple[str, ...]
    """Those that were read, and those that are gone from a folder that was named."""
    declared: tuple[Resource, ...]


def begin(arguments: Namespace, compose: Compose) -> Session:
    """Listen for signals, choose who hears of progress, read and arrange."""
    listen(arguments)
    where = options.settings(arguments)
    composition = compose(where)
    stop.listen()
    texts = read_texts(arguments.files)
    if getattr(arguments, "prune", False):
        _check_prune(texts, arguments.only)
    declared = load(texts, composition, where.cache)
    files = ledger.files(arguments.files, texts, where.state)
    return Session(arguments, where, composition, files, declared)


def execute(command: str, session: Session, run: Run) -> Report:
    """Run the loop and report; raises what stops the run as a whole."""
    arguments, kinds = session.arguments, session.composition.kinds
    gone = ledger.vanished(
        session.files, session.declared, session.composition, session.where.state
    )
    order = options.wanted(session.declared, arguments.only)
    # What is no longer declared goes first: something new may want its place.
    pruned = gone if arguments.prune else ()
    real = isinstance(run, BringAbout)
    if real:
        _announce(session)
    results = converge((*pruned, *order), kinds, run, arguments.jobs)
    progress.close()
    kept = _kept(gone, pruned, results)
    notes = [remark for one in order for remark in kinds[one.kind].remarks(one.spec)]
    notes += [_vanished(one) for one in kept if one not in pruned]
    if real:
        notes += _settle(session, kept)
    return report(command, results, kinds, detailed=arguments.detailed_exitcode, notes=notes)


def listen(arguments: Namespace) -> None:
    """Choose who hears of progress, by what the arguments ask for."""
    progress.listen(reporter(quiet=arguments.quiet, verbose=arguments.verbose))


def _check_prune(texts: tuple[Text, ...], only: list[str]) -> None:
    """What vanished is known of whole files alone."""
    if only:
        raise UsageError("`--prune` is about whole files", hint="leave out `--only`, or `--prune`")
    if any(one.file == STDIN for one in texts):
        raise UsageError(
            "`--prune` cannot tell what standard input declared before",
            hint='declare what is to go `state = "absent"`, or apply a file',
        )


def _kept(
    gone: tuple[Resource, ...], pruned: tuple[Resource, ...], results: tuple[Result, ...]
) -> tuple[Resource, ...]:
    deleted = {one.resource.address for one in results if one.outcome == "changed"}
    return tuple(one for one in gone if one not in pruned or one.address not in deleted)


def _announce(session: Session) -> None:
    """Note what is declared before any of it is there, so that it is known whatever happens."""
    try:
        ledger.announce(session.files, session.declared, session.composition, session.where.state)
    except OSError as error:
        known = from_os_error(error)
        told = f"what is declared cannot be noted, so nothing was done: {known.message}"
        raise type(known)(told, hint=known.hint) from error


def _settle(session: Session, kept: tuple[Resource, ...]) -> Iterable[str]:
    """Strike out what is gone. That is no more than tidy: what is not there is passed over."""
    try:
        ledger.settle(
            session.files, session.declared, kept, session.composition, session.where.state
        )
    except OSError as error:
        yield (
            "what is gone could not be struck out of the notes, the next run does it: "
            f"{from_os_error(error).message}"
        )


def _vanished(one: Resource) -> str:
    return (
        f"`{one.address}` is no longer declared in `{one.file}` but still there; "
        "`--prune` removes it"
    )
