"""`converge pin`: keep a generation from being collected."""

from __future__ import annotations

import os
from functools import partial

from engine import options
from engine.errors import ConvergeError, Forbidden, UsageError
from engine.files import flush_folder, symlink
from engine.lock import holding
from engine.verb import Verb
from states.venv import receipt as receipts
from states.venv.store import NOTES, current, generations, lock_of, store_of
from states.verbs.apart import tell
from states.verbs.selection import named, one_venv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.verb import Compose


def _options(parser: ArgumentParser) -> None:
    one_venv(parser)
    parser.add_argument("generation", nargs="?", metavar="ID", help="the live one by default")
    parser.add_argument("--remove", action="store_true", help="take the pin away")
    options.waiting(parser)


def _pin(arguments: Namespace, compose: Compose) -> int:
    one = named(arguments, compose)
    store = store_of(one.spec.path)
    # An empty one is the variable of a script that nobody set.
    wanted = current(store) if arguments.generation is None else arguments.generation
    if wanted is None:
        raise ConvergeError(f"{one.address} has no live generation to pin")
    if wanted not in generations(store):
        known = ", ".join(generations(store))
        hint = f"there are {known}" if known else "there is none yet: `converge apply` makes one"
        raise UsageError(f"there is no generation `{wanted}`", hint=hint)
    pin = f"{store.generation(wanted)}/{NOTES}/pinned"
    with holding(partial(lock_of, store, one.spec.path), arguments.lock_timeout):
        if not receipts.protected(store.generation(wanted)):
            raise Forbidden(
                f"the notes of generation {wanted} are not only ours to write",
                hint="pin it as the user who made it",
            )
        # A symlink needs no room, so it can be made on a full disk.
        if arguments.remove and os.path.lexists(pin):
            os.unlink(pin)
        elif not arguments.remove and not os.path.lexists(pin):
            symlink("pinned", pin)
        flush_folder(os.path.dirname(pin))
    words = "may be collected again" if arguments.remove else "is kept until the pin is removed"
    tell([f"{one.address} {wanted} {words}"])
    return 0


VERB = Verb("pin", "keep a generation from being collected", _options, _pin)
