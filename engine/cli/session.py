"""One run over a declaration, from the files that were named to the report."""

from __future__ import annotations

import sys
from _thread import allocate_lock  # `threading` costs a run with nothing to do a millisecond

from engine import inventory, progress
from engine.cli import options
from engine.converge import Apply, converge
from engine.declaration.load import load_declaration, read_sources
from engine.errors import ConvergeError, UsageError, from_os_error
from engine.frozen import frozen
from engine.inventory import Inventory
from engine.output.report import build_report
from engine.output.terminal import reporter
from engine.result import Result
from engine.system import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable

    from engine.cli.command import BuildRegistry
    from engine.converge import Strategy
    from engine.declaration.source_file import SourceFile
    from engine.output.report_schema import Report
    from engine.registry import KindRegistry
    from engine.resource import Resource
    from engine.settings import Settings


_announcing = allocate_lock()
"""The first of the resources that are worked on side by side announces for all."""


@frozen
class Session:
    """What one call of the command is about: read once, however often the loop is run."""

    arguments: Namespace
    settings: Settings
    registry: KindRegistry
    declared: tuple[Resource, ...]
    inventory: Inventory


def open_session(arguments: Namespace, compose: BuildRegistry) -> Session:
    """Choose who hears of progress, read and arrange, and listen for signals from then on."""
    setup_progress(arguments)
    where = options.build_settings(arguments)
    composition = compose(where)
    # The last file of a folder may have gone, and what it declared is to be known all the same.
    texts = read_sources(
        arguments.files, lambda folder: bool(inventory.deleted_files(folder, where.state))
    )
    signals.install_handlers()  # not before: whoever waits for its input can just be ended
    if getattr(arguments, "prune", False):
        _check_prune(texts, arguments.only)
    declared = load_declaration(texts, composition, where.cache)
    files = inventory.files_in_scope(arguments.files, texts, where.state)
    timeout = getattr(arguments, "lock_timeout", 0)
    known = Inventory(files, declared, composition, where.state, timeout)
    return Session(arguments, where, composition, declared, known)


def run_loop(command: str, session: Session, run: Strategy) -> Report:
    """Run the loop and report; raises what stops the run as a whole."""
    arguments, kinds = session.arguments, session.registry.kinds
    gone = session.inventory.orphans()
    order = options.select_resources(session.declared, arguments.only)
    # What is no longer declared goes first: something new may want its place.
    pruned = gone if arguments.prune else ()
    stuck = tuple(filter(None, (_stuck(one, session.inventory) for one in pruned)))
    going = tuple(one for one in pruned if one not in {each.resource for each in stuck})
    results = stuck
    for part in filter(None, (going, order)):
        results += converge(part, kinds, run, arguments.jobs)
        progress.close()
    kept = _kept(gone, pruned, results)
    declared = set(order)
    notes = [note for one in results if one.resource in declared for note in one.notices]
    notes += [_vanished(one) for one in kept if one not in pruned]
    if isinstance(run, Apply):
        notes += commit_inventory(session, kept)
    return build_report(
        command,
        results,
        kinds,
        detailed=arguments.detailed_exitcode,
        notices=notes,
        pruned=pruned,
    )


def record_intent(session: Session) -> None:
    """Note what is declared before any of it is there, so that it is known whatever happens."""
    try:
        with _announcing:
            session.inventory.record_intent()
    except OSError as error:
        known = from_os_error(error)
        told = f"what is declared cannot be noted, so nothing was done: {known.message}"
        elsewhere = "name another folder for notes by `CONVERGE_STATE_DIR`"
        hint = f"{known.hint}, or {elsewhere}" if known.hint else elsewhere
        raise type(known)(told, hint=hint) from error


def commit_inventory(session: Session, kept: tuple[Resource, ...]) -> Iterable[str]:
    """Bring the notes up to date, and say so if that fails: nothing is lost by it."""
    try:
        session.inventory.commit(kept)
    except (OSError, ConvergeError) as error:
        known = from_os_error(error) if isinstance(error, OSError) else error
        yield f"the notes of what is declared could not be brought up to date: {known.message}"


def setup_progress(arguments: Namespace) -> None:
    """Choose who hears of progress, by what the arguments ask for."""
    colour = options.use_color(arguments.color, sys.stderr)
    told = reporter(quiet=arguments.quiet, verbose=arguments.verbose, colour=colour)
    progress.set_reporter(told)


def _check_prune(texts: tuple[SourceFile, ...], only: list[str]) -> None:
    """What vanished is known of whole files alone."""
    if only:
        raise UsageError("`--prune` is about whole files", hint="leave out `--only`, or `--prune`")
    if not all(one.is_regular for one in texts):
        raise UsageError(
            "`--prune` cannot tell what standard input, or a pipe, declared before",
            hint='declare what is to go `state = "absent"`, or apply a file',
        )


def _kept(
    gone: tuple[Resource, ...], pruned: tuple[Resource, ...], results: tuple[Result, ...]
) -> tuple[Resource, ...]:
    deleted = {one.resource.address for one in results if one.outcome == "changed"}
    return tuple(one for one in gone if one not in pruned or one.address not in deleted)


def _stuck(one: Resource, known: Inventory) -> Result | None:
    """Fail what cannot be pruned, since something that is declared lies in it."""
    inside = known.blocking_path(one)
    if not inside:
        return None
    error = ConvergeError(
        f"`{one.address}` cannot be pruned: `{inside}`, which is declared, lies in it",
        hint="choose a path outside of it, apply, and prune then",
    )
    return Result(resource=one, outcome="failed", error=error)


def _vanished(one: Resource) -> str:
    return (
        f"`{one.address}` is no longer declared in `{one.file}` but still there; "
        "`--prune` removes it"
    )
