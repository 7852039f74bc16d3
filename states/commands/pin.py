"""`converge pin`: keep a generation from being collected."""

from __future__ import annotations

import os
import sys
from functools import partial

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import setup_progress
from engine.errors import ConvergeError, PermissionDenied
from engine.output.report import to_json
from engine.system.files import fsync_dir, symlink
from engine.system.lock import hold_lock
from states.commands.per_venv import print_result
from states.commands.selection import named, one_of, one_venv
from states.venv.generations.store import list_generations, live_id, lock_of
from states.venv.integrity import receipt as receipts
from states.venv.layout import METADATA_DIR, store_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry
    from states.venv.layout import Store


def _options(parser: ArgumentParser) -> None:
    one_venv(parser)
    parser.add_argument("generation", nargs="?", metavar="ID", help="the live one by default")
    parser.add_argument("--remove", action="store_true", help="take the pin away")
    options.add_lock_timeout_option(parser)
    options.add_output_options(parser)


def _pin(arguments: Namespace, compose: BuildRegistry) -> int:
    setup_progress(arguments)
    progress.start()
    one = named(arguments, compose)
    store = store_of(one.spec.path)
    wanted = _wanted(arguments.generation, one.address, store)
    pin = f"{store.generation(wanted)}/{METADATA_DIR}/pinned"
    find = partial(lock_of, store, one.spec.path)
    with progress.task(one.address), hold_lock(find, arguments.lock_timeout, progress.step):
        if not receipts.is_protected(store.generation(wanted)):
            raise PermissionDenied(
                f"the notes of generation {wanted} are not only ours to write",
                hint="pin it as the user who made it",
            )
        changed = os.path.lexists(pin) == arguments.remove
        # A symlink needs no room, so it can be made on a full disk.
        if changed and arguments.remove:
            os.unlink(pin)
        elif changed:
            symlink("pinned", pin)
        fsync_dir(os.path.dirname(pin))
    if arguments.json:
        said = {"address": one.address, "generation": wanted, "pinned": not arguments.remove}
        sys.stdout.write(to_json({**said, "changed": changed}))
        return 0
    words = "may be collected again" if arguments.remove else "is kept until the pin is removed"
    print_result([f"{one.address} {wanted} {words}"])
    return 0


def _wanted(beginning: str | None, address: str, store: Store) -> str:
    """Return the generation that is named by its beginning; the live one where none is."""
    there, live = list_generations(store), live_id(store)
    if beginning is not None:
        known = f"there are {', '.join(there)}" if there else ""
        hint = known or "there is none yet: `converge apply` makes one"
        return one_of(beginning, there, told=beginning, hint=hint)
    if live is None or live not in there:
        raise ConvergeError(f"{address} has no live generation to pin")
    return live


COMMAND = Command(
    "pin", "keep a generation from being collected", _options, _pin, group="Generations"
)
