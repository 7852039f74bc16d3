"""`converge lock`: write a lockfile with exact versions and hashes for each venv."""

from __future__ import annotations

import os
import re
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import setup_progress
from engine.declaration.load import load_declaration, read_sources
from engine.declaration.parse import table_header
from engine.errors import ConvergeError
from engine.frozen import frozen, replace
from engine.system import signals
from engine.system.atomic_write import write_atomic
from engine.system.existence import exists, is_directory
from states.commands.per_venv import print_results, run_per_venv
from states.commands.venv_arguments import present_venvs
from states.venv.resolve.projects.names import is_uv_lock
from states.venv.resolve.upgrades import unknown_upgrades

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from engine.cli.command import BuildRegistry
    from engine.resource import Resource
    from engine.settings import Settings
    from states.venv.resolve.pylock import Lock


@frozen
class Lockfile:
    """The lockfile of one venv after the command."""

    path: str
    lock: Lock
    changed: bool
    """Whether the file was written."""
    notices: tuple[str, ...] = ()


def _add_arguments(parser: ArgumentParser) -> None:
    options.add_files_argument(parser)
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        type=_minor,
        metavar="VERSION",
        help="Also support this minor version of Python, such as 3.12. Repeatable",
    )
    options.add_upgrade_options(parser)
    options.add_output_options(parser)


def _minor(text: str) -> int:
    """Return the minor version in the argument of `--python`.

    Raises:
        ArgumentTypeError: It isn't one.

    """
    match = re.fullmatch(r"3\.(\d{1,3})", text)
    if match is None:
        raise ArgumentTypeError(f"invalid version `{text}`; write a minor version, such as 3.12")
    return int(match[1])


def _lock(arguments: Namespace, build_registry: BuildRegistry) -> int:
    setup_progress(arguments)
    settings = replace(options.build_settings(arguments), compiling_lockfiles=True)
    progress.start()
    # Not cached: this command doesn't read the lockfiles, so its resources differ.
    registry = build_registry(settings)
    sources = read_sources(arguments.files, registry)
    resources = load_declaration(sources, registry, None, allow_empty=arguments.allow_empty)
    signals.install_handlers()
    interpreters = {
        resource.address: resource.spec.python
        for resource in resources
        if resource.kind == "interpreter"
    }
    selected = present_venvs(options.select_resources(resources, arguments.only))
    venvs = {venv.address: venv for venv in selected if not _is_uv_project(venv)}
    uv_notices = [
        f"`{venv.address}`: uv maintains `{venv.spec.lock}`; run `uv lock` to update it"
        for venv in selected
        if _is_uv_project(venv)
    ]

    def lock_venv(venv: Resource) -> Lockfile:
        with progress.task(venv.address):
            request = interpreters.get(venv.spec.python, venv.spec.python)
            return _write_lockfile(venv, request, arguments.python, settings)

    lockfiles, errors = run_per_venv(venvs.values(), lock_venv)
    rows = [
        {"address": address, "path": lockfile.path, "changed": lockfile.changed}
        for address, lockfile in lockfiles.items()
    ]
    packages = [
        package["name"] for lockfile in lockfiles.values() for package in lockfile.lock.packages
    ]
    notices = [] if errors else unknown_upgrades(settings.upgrade or (), packages)
    notices += uv_notices
    notices += [notice for lockfile in lockfiles.values() for notice in lockfile.notices]
    lines = [
        line
        for address, lockfile in lockfiles.items()
        for line in _format(venvs[address], lockfile)
    ]
    lines += [f"note: {notice}" for notice in notices]
    return print_results({"locks": rows, "notices": notices}, lines, errors, arguments)


def _is_uv_project(venv: Resource) -> bool:
    return is_uv_lock(str(venv.spec.lock))


def _format(venv: Resource, lockfile: Lockfile) -> Iterator[str]:
    """Yield the lines of text for one venv."""
    yield f"{'~' if lockfile.changed else ' '} {venv.address}  {lockfile.path}"
    if not venv.spec.lock:
        table = table_header(venv.kind, venv.name)
        yield f'    to use it, add to {table}:  lock = "{os.path.basename(lockfile.path)}"'


def _directory(venv: Resource) -> str:
    return os.path.dirname(venv.file) if os.path.isabs(venv.file) else os.getcwd()


def _lockfile_path(venv: Resource) -> str:
    from states.venv.resolve.lockfile import default_name

    return venv.spec.lock or os.path.join(_directory(venv), default_name(venv.name))


def _write_lockfile(
    venv: Resource, request: str, minors: list[int], settings: Settings
) -> Lockfile:
    """Resolve the versions of one venv, and write its lockfile if the content changes.

    The lockfile stays as it is if the resolution fails, or if the process is killed.

    Args:
        venv: The venv.
        request: The interpreter as `python` declares it.
        minors: Minor versions of Python that the lockfile must support as well.
        settings: The settings of the run.

    Returns:
        The lockfile.

    Raises:
        ConvergeError: The directory doesn't exist, or the versions can't be resolved.
        OSError: The lockfile can't be written.

    """
    from states.installer.credentials import strip_signatures
    from states.interpreter import discovery
    from states.system.scratch import scratch_dir
    from states.venv.resolve.lockfile import supported_minors, target_of
    from states.venv.resolve.pylock import select_artifacts
    from states.venv.resolve.resolver import Resolver, markers
    from states.venv.resolve.reuse.preference import Preference
    from states.venv.sources.tree import tree_digest

    path = _lockfile_path(venv)
    directory = os.path.dirname(path)
    if not is_directory(directory):
        raise ConvergeError(
            f"directory of the lockfile doesn't exist: `{directory}`",
            hint="create it, or set `lock` to another path",
        )
    current = _read(path)
    previous, notices = _previous(venv, path, current)
    interpreter = discovery.find(request)
    environment = markers(interpreter)
    target = target_of(environment, minors or supported_minors(previous, environment))
    preference = None if previous is None else Preference(previous, needs_basis=False)
    with scratch_dir(settings.cache) as scratch:
        resolver = Resolver(venv.spec, interpreter, settings, scratch, target)
        compiled = resolver.compile(preference)
    lock = compiled.lock
    # A lockfile that `apply` would reject must not be written.
    select_artifacts(lock, interpreter, directory, tree_digest)
    text = strip_signatures(lock.text)
    changed = text != current
    if changed:
        write_atomic(path, text.encode(), durable=True)
    return Lockfile(path, lock, changed, (*notices, *compiled.notices))


def _previous(venv: Resource, path: str, current: str | None) -> tuple[str | None, list[str]]:
    """Return the lock whose versions to keep where possible, and messages about names.

    Args:
        venv: The venv.
        path: Its lockfile.
        current: The content of the lockfile, or None if it doesn't exist.

    Returns:
        The lockfile, that of the old default name, or the lock of the live generation.

    """
    from states.venv.observe import observe
    from states.venv.resolve.lockfile import default_name, has_valid_name, old_default_name

    notices = []
    if not has_valid_name(path):
        notices.append(
            f"uv and pip don't accept a lockfile named `{os.path.basename(path)}`; rename it, for "
            f"example to `{default_name(venv.name)}`, and change `lock`"
        )
    if current is not None:
        return current, notices
    old_path = os.path.join(_directory(venv), old_default_name(venv.name))
    old = None if venv.spec.lock else _read(old_path)
    if old is not None:
        notices.append(
            f"`{os.path.basename(path)}` replaces `{os.path.basename(old_path)}`, whose name uv "
            "and pip don't accept; delete the old file"
        )
        return old, notices
    return observe(venv.spec).lock, notices


def _read(path: str) -> str | None:
    """Return the text of a lockfile, or None if it doesn't exist.

    An invalid lockfile, even a binary one, prefers no version and is replaced.
    """
    if not exists(path):
        return None
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()


COMMAND = Command(
    "lock",
    "Write a PEP 751 lockfile for each venv",
    _add_arguments,
    _lock,
    group="Declaration",
    empty_document=lambda _: {"locks": [], "notices": []},
    description="""\
Resolves versions, and keeps those of an existing lockfile where possible, or else those of the
live generation. The lockfile is the one that `lock` declares, or pylock.NAME.toml next to the
declaration. It supports the minor version of the selected interpreter, and those that --python
or the existing lockfile names.""",
    examples=(
        "converge lock site.toml",
        "converge lock site.toml --upgrade-package urllib3",
        "converge lock site.toml --python 3.11 --python 3.12",
    ),
)
