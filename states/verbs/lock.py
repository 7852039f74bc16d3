"""`converge lock`: exact versions with hashes in a file, for a whole fleet."""

from __future__ import annotations

import os

from engine import options, progress, stop
from engine.errors import ConvergeError
from engine.files import write_durably
from engine.loading import load, read_texts
from engine.session import listen
from engine.syntax import header
from engine.value import replace
from engine.verb import Verb
from states.verbs.apart import apart, show
from states.verbs.selection import present

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from engine.resource import Resource
    from engine.settings import Settings
    from engine.verb import Compose


def _options(parser: ArgumentParser) -> None:
    options.files(parser)
    options.upgrading(parser)
    options.output(parser)


def _lock(arguments: Namespace, compose: Compose) -> int:
    listen(arguments)
    where = replace(options.settings(arguments), locking=True)
    progress.open_()
    order = load(read_texts(arguments.files), compose(where), cache=None)
    stop.listen()
    interpreters = {one.address: one.spec.python for one in order if one.kind == "interpreter"}
    chosen = {one.address: one for one in present(options.wanted(order, arguments.only))}

    def written(one: Resource) -> tuple[str, bool]:
        with progress.task(one.address):
            return _write(one, interpreters.get(one.spec.python, one.spec.python), where)

    locks, failed = apart(chosen.values(), written)
    document = [
        {"address": address, "path": path, "changed": changed}
        for address, (path, changed) in locks.items()
    ]
    lines = [line for address, lock in locks.items() for line in _lines(chosen[address], *lock)]
    known = [name for path, _ in locks.values() for name in _packages(path)]
    notes = [] if failed else options.unheard(where.upgrade, known)
    lines += [f"note: {note}" for note in notes]
    return show({"locks": document, "notes": notes}, lines, failed, arguments)


def _lines(one: Resource, path: str, changed: bool) -> Iterator[str]:
    yield f"{'~' if changed else ' '} {one.address}  {path}"
    if not one.spec.lock:
        table = header(one.kind, one.name)
        yield f'    to use it, add to {table}:  lock = "{os.path.basename(path)}"'


def _packages(path: str) -> Iterator[str]:
    import tomli

    with open(path, "rb") as stream:
        for package in tomli.load(stream).get("packages", ()):
            yield str(package["name"])


def _place(one: Resource) -> str:
    folder = os.path.dirname(one.file) if os.path.isabs(one.file) else os.getcwd()
    return one.spec.lock or os.path.join(folder, f"{one.name}.pylock.toml")


def _write(one: Resource, request: str, where: Settings) -> tuple[str, bool]:
    """Resolve one venv for an interpreter and write its lock, if that says anything new."""
    from states import python as pythons
    from states.venv.resolution import narrowed
    from states.venv.resolving import compiled
    from states.workplace import workplace

    path = _place(one)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise ConvergeError(
            f"there is no folder `{folder}` for the lock", hint="make it, or name another in `lock`"
        )
    previous = None
    if os.path.exists(path):
        # One that is no text binds nobody and is written anew, as one that is no lock.
        with open(path, encoding="utf-8", errors="replace") as stream:
            previous = stream.read()
    python = pythons.find(request)
    with workplace(where.cache) as work:
        text = compiled(one.spec, python, previous, where, work)
    narrowed(text, python, folder, one.spec.local_digests())  # lest it be refused when it is used
    if text == previous:
        return path, False
    write_durably(path, text.encode())
    return path, True


VERB = Verb("lock", "write a PEP 751 lock file for each venv", _options, _lock)
