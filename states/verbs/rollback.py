"""`converge rollback`: make a former generation the live one; offline, at once."""

from __future__ import annotations

import os
import sys

from engine import options
from engine.errors import ConvergeError, UsageError
from engine.lock import holding
from engine.report import to_json
from engine.verb import Verb
from states.venv import hold
from states.venv import receipt as receipts
from states.venv.observation import sealed_well
from states.venv.retiring import is_quarantined
from states.venv.store import current, generations, publish, store_of
from states.verbs.selection import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.verb import Compose
    from states.venv.spec import Venv
    from states.venv.store import Store


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs=1, metavar="FILE")
    parser.add_argument("name", metavar="NAME", help="which venv")
    parser.add_argument("--to", metavar="ID", help="which generation; the one before by default")
    parser.add_argument("--release", action="store_true", help="let apply go on from here")
    options.waiting(parser)
    options.output(parser)


def _rollback(arguments: Namespace, compose: Compose) -> int:
    one = named(arguments, compose)
    store = store_of(one.spec.path)
    with holding(store.lock if os.path.isdir(store.root) else None, arguments.lock_timeout):
        live = current(store)
        if arguments.release:
            changed, target = hold.release(store), live
        else:
            changed, target = True, _target(arguments, store, live)
            _check(store, target, one.spec)
            hold.put(store, hold.Hold(target, hold.wish(one.spec)))
            publish(store, target)
    if arguments.json:
        said = {"address": one.address, "from": live, "generation": target, "changed": changed}
        sys.stdout.write(to_json({**said, "held": not arguments.release}))
    elif arguments.release:
        words = "released" if changed else "was not held"
        sys.stdout.write(f"{one.address} {words}; the next apply does what is declared\n")
    else:
        sys.stdout.write(
            f"{one.address} is back at {target}, from {live}\n"
            f"  it is held there until its declaration changes, or until\n"
            f"  converge rollback {arguments.files[0]} {one.name} --release\n"
        )
    return 0


def _target(arguments: Namespace, store: Store, live: str | None) -> str:
    former = [one for one in generations(store) if one != live]
    if arguments.to:
        matching = [one for one in generations(store) if one.startswith(arguments.to)]
        if len(matching) == 1:
            return matching[0]
        raise UsageError(
            f"`--to {arguments.to}` names {'no' if not matching else 'more than one'} generation",
            hint=f"there are {', '.join(generations(store)) or 'none'}",
        )
    for one in reversed([one for one in former if live is None or one < live]):
        if not is_quarantined(store, one):
            return one
    raise ConvergeError(
        "there is no former generation to go back to",
        hint="`keep` in the declaration says how many are kept",
    )


def _check(store: Store, target: str, spec: Venv) -> None:
    receipt = receipts.read(store.generation(target))
    if receipt is None or not sealed_well(store, receipt, spec.ignore):
        raise ConvergeError(
            f"generation {target} is damaged, or its interpreter is gone; nothing was done",
            hint="`converge verify --all` says what is wrong; choose another with `--to`",
        )


VERB = Verb("rollback", "make a former generation the live one", _options, _rollback)
