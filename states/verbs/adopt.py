"""`converge adopt`: take over a folder that another tool made, in one exchange."""

from __future__ import annotations

from functools import partial

from engine import options, progress
from engine.converge import BringAbout, converge
from engine.errors import ConvergeError
from engine.lock import holding
from engine.value import replace
from engine.verb import Verb
from engine.verbs import show
from states.venv import hold
from states.venv.observation import FOREIGN, look
from states.venv.store import lock_of
from states.verbs.apart import tell
from states.verbs.selection import chosen, one_venv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.verb import Compose


def _options(parser: ArgumentParser) -> None:
    one_venv(parser)
    options.waiting(parser)
    options.output(parser)


def _adopt(arguments: Namespace, compose: Compose) -> int:
    from engine.report import report
    from engine.session import announced, begin, settled

    session = begin(arguments, compose)
    one = chosen(session.declared, arguments.name)
    view = look(one.spec)
    if view.live != FOREIGN:
        raise ConvergeError(
            f"`{one.spec.path}` is nothing of another tool's making that can be adopted",
            hint="`converge apply` makes what is not there",
        )
    store = view.store
    find = partial(lock_of, store, one.spec.path)
    progress.open_()
    with progress.task(one.address), holding(find, arguments.lock_timeout):
        hold.release(store)  # who adopts again what was given back wants it no longer held
    progress.close()
    wanted = options.wanted(session.declared, [one.address])
    taking = tuple(
        replace(each, spec=replace(each.spec, adopt=True)) if each.address == one.address else each
        for each in wanted
    )
    kinds = session.composition.kinds
    run = BringAbout(arguments.lock_timeout, partial(announced, session))
    vanished = session.ledger.vanished()
    results = converge(taking, kinds, run)
    notes = list(settled(session, vanished))
    status = show(report("adopt", results, kinds, notes=notes), arguments)
    if status == 0 and not arguments.json:
        kept = f"was a symlink to {view.link}" if view.link else f"lies in {store.root}/foreign-*"
        tell([f"what was there {kept}"])
    return status


VERB = Verb("adopt", "replace a folder of another tool's making", _options, _adopt)
