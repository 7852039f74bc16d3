"""`converge lock`: exact versions with hashes in a file, for a whole fleet."""

from __future__ import annotations

import os

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import setup_progress
from engine.declaration.load import load_declaration, read_sources
from engine.declaration.parse import table_header
from engine.errors import ConvergeError
from engine.frozen import replace
from engine.system import signals
from engine.system.files import write_atomic
from states.commands.per_venv import format_results, run_per_venv
from states.commands.selection import present
from states.venv.resolve.upgrades import unknown_upgrades

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from engine.cli.command import BuildRegistry
    from engine.resource import Resource
    from engine.settings import Settings


def _options(parser: ArgumentParser) -> None:
    options.add_files_argument(parser)
    options.add_upgrade_options(parser)
    options.add_output_options(parser)


def _lock(arguments: Namespace, compose: BuildRegistry) -> int:
    setup_progress(arguments)
    where = replace(options.build_settings(arguments), compiling_lockfiles=True)
    progress.start()
    registry = compose(where)
    order = load_declaration(read_sources(arguments.files, registry), registry, cache_dir=None)
    signals.install_handlers()
    interpreters = {one.address: one.spec.python for one in order if one.kind == "interpreter"}
    chosen = {one.address: one for one in present(options.select_resources(order, arguments.only))}

    def written(one: Resource) -> tuple[str, bool]:
        with progress.task(one.address):
            return _write(one, interpreters.get(one.spec.python, one.spec.python), where)

    locks, failed = run_per_venv(chosen.values(), written)
    document = [
        {"address": address, "path": path, "changed": changed}
        for address, (path, changed) in locks.items()
    ]
    lines = [line for address, lock in locks.items() for line in _lines(chosen[address], *lock)]
    known = [name for path, _ in locks.values() for name in _packages(path)]
    notes = [] if failed else unknown_upgrades(where.upgrade or (), known)
    lines += [f"note: {note}" for note in notes]
    return format_results({"locks": document, "notices": notes}, lines, failed, arguments)


def _lines(one: Resource, path: str, changed: bool) -> Iterator[str]:
    yield f"{'~' if changed else ' '} {one.address}  {path}"
    if not one.spec.lock:
        table = table_header(one.kind, one.name)
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
    from states.interpreter import discovery as pythons
    from states.system.scratch import scratch_dir
    from states.venv.resolve.pylock import select_artifacts
    from states.venv.resolve.resolver import compile_lock

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
    with scratch_dir(where.cache) as work:
        text = compile_lock(one.spec, python, previous, where, work)
    select_artifacts(
        text, python, folder, one.spec.local_digests()
    )  # lest it be refused when it is used
    if text == previous:
        return path, False
    write_atomic(path, text.encode(), durable=True)
    return path, True


COMMAND = Command(
    "lock", "write a PEP 751 lock file for each venv", _options, _lock, group="Declaration"
)
