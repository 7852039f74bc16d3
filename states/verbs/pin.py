"""`converge pin`: keep a generation from being collected."""

from __future__ import annotations

import os
import sys
from functools import partial

from engine import options, progress
from engine.errors import ConvergeError, Forbidden
from engine.files import flush_folder, symlink
from engine.lock import holding
from engine.report import to_json
from engine.session import listen
from engine.verb import Verb
from states.venv import receipt as receipts
from states.venv.store import NOTES, current, generations, lock_of, store_of
from states.verbs.apart import tell
from states.verbs.selection import named, one_of, one_venv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.verb import Compose
    from states.venv.store import Store


def _options(parser: ArgumentParser) -> None:
    one_venv(parser)
    parser.add_argument("generation", nargs="?", metavar="ID", help="the live one by default")
    parser.add_argument("--remove", action="store_true", help="take the pin away")
    options.waiting(parser)
    options.output(parser)


def _pin(arguments: Namespace, compose: Compose) -> int:
    listen(arguments)
    progress.open_()
    one = named(arguments, compose)
    store = store_of(one.spec.path)
    wanted = _wanted(arguments.generation, one.address, store)
    pin = f"{store.generation(wanted)}/{NOTES}/pinned"
    find = partial(lock_of, store, one.spec.path)
    with progress.task(one.address), holding(find, arguments.lock_timeout):
        if not receipts.protected(store.generation(wanted)):
            raise Forbidden(
                f"the notes of generation {wanted} are not only ours to write",
                hint="pin it as the user who made it",
            )
        changed = os.path.lexists(pin) == arguments.remove
        # A symlink needs no room, so it can be made on a full disk.
        if changed and arguments.remove:
            os.unlink(pin)
        elif changed:
            symlink("pinned", pin)
        flush_folder(os.path.dirname(pin))
    if arguments.json:
        said = {"address": one.address, "generation": wanted, "pinned": not arguments.remove}
        sys.stdout.write(to_json({**said, "changed": changed}))
        return 0
    words = "may be collected again" if arguments.remove else "is kept until the pin is removed"
    tell([f"{one.address} {wanted} {words}"])
    return 0


def _wanted(beginning: str | None, address: str, store: Store) -> str:
    """Return the generation that is named by its beginning; the live one where none is."""
    there, live = generations(store), current(store)
    if beginning is not None:
        known = f"there are {', '.join(there)}" if there else ""
        hint = known or "there is none yet: `converge apply` makes one"
        return one_of(beginning, there, told=beginning, hint=hint)
    if live is None or live not in there:
        raise ConvergeError(f"{address} has no live generation to pin")
    return live


VERB = Verb("pin", "keep a generation from being collected", _options, _pin)
