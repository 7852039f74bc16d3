"""`converge adopt`: take over a folder that another tool made, in one exchange."""

from __future__ import annotations

from functools import partial

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.converge import Apply, converge
from engine.errors import ConvergeError
from engine.frozen import replace
from engine.system.lock import hold_lock
from states.commands.per_venv import print_result
from states.commands.selection import chosen, one_venv
from states.venv.generations import hold
from states.venv.generations.store import lock_of
from states.venv.observe import FOREIGN, observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry


def _options(parser: ArgumentParser) -> None:
    one_venv(parser)
    options.add_lock_timeout_option(parser)
    options.add_output_options(parser)


def _adopt(arguments: Namespace, compose: BuildRegistry) -> int:
    from engine.cli.session import (
        commit_inventory,
        open_session,
        print_report,
        record_intent,
    )
    from engine.output.report import build_report

    session = open_session(arguments, compose)
    one = chosen(session.declared, arguments.name)
    view = observe(one.spec)
    if view.live != FOREIGN:
        raise ConvergeError(
            f"`{one.spec.path}` is nothing of another tool's making that can be adopted",
            hint="`converge apply` makes what is not there",
        )
    store = view.store
    find = partial(lock_of, store, one.spec.path)
    progress.start()
    with progress.task(one.address), hold_lock(find, arguments.lock_timeout, progress.step):
        hold.release(store)  # who adopts again what was given back wants it no longer held
    progress.close()
    wanted = options.select_resources(session.declared, [one.address])
    taking = tuple(
        replace(each, spec=replace(each.spec, adopt=True)) if each.address == one.address else each
        for each in wanted
    )
    kinds = session.registry.kinds
    run = Apply(arguments.lock_timeout, partial(record_intent, session))
    vanished = session.inventory.orphans()
    results = converge(taking, kinds, run)
    notes = list(commit_inventory(session, vanished))
    status = print_report(
        build_report("adopt", results, kinds, notices=notes), arguments, session.registry
    )
    if status == 0 and not arguments.json:
        kept = f"was a symlink to {view.link}" if view.link else f"lies in {store.root}/adopted-*"
        print_result([f"what was there {kept}"])
    return status


COMMAND = Command(
    "adopt", "replace a folder of another tool's making", _options, _adopt, group="Generations"
)
