"""`converge import`: write a declaration and locks for venvs that other tools created."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import setup_progress
from engine.declaration.diagnostics import DeclarationError
from engine.declaration.load import load_declaration
from engine.declaration.source_file import SourceFile
from engine.errors import ConvergeError, Interrupted, UsageError, from_os_error
from engine.frozen import frozen, replace
from engine.system import signals
from engine.system.atomic_write import write_atomic
from engine.system.paths import absolute
from states.commands.declarations.create import (
    SCHEMA,
    check_new,
    create,
    create_schema,
    not_created,
    require_parent,
)
from states.commands.declarations.index_options import add_index_options, declared_indexes
from states.commands.declarations.names import choose_names
from states.commands.declarations.reading import read_venvs
from states.commands.declarations.summary import describe, format_summary
from states.commands.declarations.table import ImportedVenv, format_declaration
from states.commands.per_venv import address_error, print_results
from states.venv.adoption.findings import Finding
from states.venv.resolve.lockfile import default_name

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Mapping
    from typing import Any

    from engine.cli.command import BuildRegistry
    from engine.registry import KindRegistry
    from engine.settings import Settings
    from states.venv.spec import Venv

_DECLARATION = "converge.toml"


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="Directory of an existing venv")
    parser.set_defaults(default_file=False)
    parser.add_argument(
        "--to",
        default=".",
        metavar="DIR",
        help="Directory for converge.toml and the lockfiles (default: the current directory)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="Replace existing files of these names"
    )
    add_index_options(parser)
    options.add_output_options(parser)


@frozen
class _Run:
    """The input of one call."""

    directory: str
    """The absolute path of the directory to write to."""
    defaults: Mapping[str, Any]
    """The keys of `[defaults]`."""
    registry: KindRegistry
    settings: Settings

    def load(self, venvs: Iterable[ImportedVenv]) -> dict[str, Venv]:
        """Validate the declaration of venvs, and return their normalized specs by address.

        Raises:
            ConvergeError: A path or a value can't be declared.

        """
        source = SourceFile(
            file=f"{self.directory}/{_DECLARATION}",
            directory=self.directory,
            content=format_declaration(venvs, self.defaults),
        )
        try:
            resources = load_declaration((source,), self.registry, None, allow_empty=True)
        except DeclarationError as error:
            # A snippet would show a file that doesn't exist.
            messages = ", and ".join(diagnostic.message for diagnostic in error.diagnostics)
            hint = error.diagnostics[0].hint or None
            raise ConvergeError(f"can't be declared: {messages}", hint=hint) from None
        return {resource.address: resource.spec for resource in resources}


def _import(arguments: Namespace, build_registry: BuildRegistry) -> int:
    setup_progress(arguments)
    settings = replace(options.build_settings(arguments), compiling_lockfiles=True)
    directory = absolute(arguments.to)
    run = _Run(directory, declared_indexes(arguments), build_registry(settings), settings)
    names = choose_names(list(dict.fromkeys(map(_path, arguments.paths))))
    require_parent(f"{directory}/{_DECLARATION}")
    if not arguments.overwrite:
        hint = "choose another directory with `--to`, or pass `--overwrite`"
        files_of = (_DECLARATION, *(file for name in names.values() for file in _files_of(name)))
        for name in files_of:
            check_new(os.path.join(directory, name), hint)
    signals.install_handlers()
    progress.start()
    errors: dict[str, ConvergeError] = {}
    venvs, unreadable = read_venvs(names, errors)
    specs = _normalize(venvs, run, errors)
    files: dict[str, str] = {}
    venvs = [
        _lock(venv, specs[venv.address], run, files, errors)
        for venv in venvs
        if venv.address in specs
    ]
    notices = _unsearched(unreadable)
    written = []
    if venvs:
        files[_DECLARATION] = format_declaration(venvs, run.defaults)
        written = _write(files, arguments, directory, build_registry)
    document = {"files": written, "venvs": [describe(venv) for venv in venvs], "notices": notices}
    lines = [line for venv in venvs for line in format_summary(venv)]
    lines += [f"note: {notice}" for notice in notices]
    if written:
        lines += [f"wrote {', '.join(written)}", f"Next, run: converge plan {written[-1]}"]
    progress.close()
    return print_results(document, lines, errors, arguments)


def _path(argument: str) -> str:
    """Return the absolute path of a venv. A symlink at the path itself isn't resolved.

    Raises:
        UsageError: The argument is empty.

    """
    if not argument.strip():
        raise UsageError(f"invalid path: `{argument}`", hint="name the directory of a venv")
    directory, name = os.path.split(argument.rstrip("/") or "/")
    if name in ("", ".", ".."):
        return absolute(argument)
    return os.path.join(absolute(directory), name)


def _unsearched(places: list[str]) -> list[str]:
    """Return a notice about places that couldn't be searched, if there are any."""
    if not places:
        return []
    more = f" and {len(places) - 1} more" if places[1:] else ""
    return [f"couldn't search `{places[0]}`{more} for the paths of the venvs"]


def _files_of(name: str) -> tuple[str, str]:
    """Return the names of the lockfile and of the requirement file of a venv."""
    return default_name(name), f"requirements.{name}.txt"


def _normalize(
    venvs: Iterable[ImportedVenv], run: _Run, errors: dict[str, ConvergeError]
) -> dict[str, Venv]:
    """Validate the declaration before its files exist.

    Args:
        venvs: The venvs.
        run: The input of the call.
        errors: Receives the error of each venv that can't be declared.

    Returns:
        The normalized specs of the others, by address.

    Raises:
        ConvergeError: Two of the venvs can't be declared together.

    """
    valid = []
    for venv in venvs:
        try:
            run.load([venv])
        except ConvergeError as error:
            errors[venv.address] = address_error(venv.address, error)
        else:
            valid.append(venv)
    return run.load(valid)


def _lock(
    venv: ImportedVenv,
    spec: Venv,
    run: _Run,
    files: dict[str, str],
    errors: dict[str, ConvergeError],
) -> ImportedVenv:
    """Resolve the installed versions to a lock, or write them as pinned requirements.

    Args:
        venv: The venv.
        spec: Its normalized spec.
        run: The input of the call.
        files: Receives the content of the lockfile or of the requirement file, by name.
        errors: Receives the reason why there is no lock.

    Returns:
        The venv with the keys that name the file.

    """
    from states.commands.declarations.exact_lock import lock_exactly

    try:
        with progress.task(venv.address):
            text = lock_exactly(spec, venv.existing, run.directory, run.settings)
    except Interrupted:
        raise
    except (ConvergeError, OSError) as error:
        name = _files_of(venv.name)[1]
        pins = [package.pin() for package in venv.existing.declarable()]
        files[name] = "".join(f"{pin}\n" for pin in pins)
        raised = from_os_error(error) if isinstance(error, OSError) else error
        finding = Finding("unlocked", f"there is no lockfile: {raised.message}")
        raised.message += f"; wrote `{name}` instead of a lockfile"
        errors[venv.address] = address_error(venv.address, raised)
        keys = {"requirements": [name], "no-deps": True}
        return replace(venv, findings=(finding, *venv.findings), pinned_by=keys)
    files[default_name(venv.name)] = text
    return venv


def _write(
    files: Mapping[str, str], arguments: Namespace, directory: str, build_registry: BuildRegistry
) -> list[str]:
    """Write the files, the declaration last, and return their paths.

    Args:
        files: The contents by name.
        arguments: The parsed arguments.
        directory: The directory.
        build_registry: The composition root.

    Returns:
        The paths.

    Raises:
        ConvergeError: A file can't be written.

    """
    written = []
    create_schema(f"{directory}/{SCHEMA}", arguments, build_registry)
    for name, content in files.items():
        path = os.path.join(directory, name)
        try:
            if arguments.overwrite:
                write_atomic(path, content.encode(), durable=True)
            else:
                create(path, content)
        except OSError as error:
            raise not_created(path, error) from error
        written.append(path)
    return written


COMMAND = Command(
    "import",
    "Write a declaration and lockfiles for existing venvs",
    _add_arguments,
    _import,
    group="Declaration",
    empty_document=lambda _: {"files": [], "venvs": [], "notices": []},
    description="""\
Reads venvs that another tool created, such as pip, uv, or a role of OpenStack-Ansible. Writes
converge.toml, with exactly the installed packages and a comment for each thing to look at, and a
lockfile with hashes for each venv. Runs no program of the venvs, and changes nothing in them. If
a version isn't on the index, writes a requirement file instead of the lockfile.""",
    examples=(
        "converge import /openstack/venvs/nova-31.0.0 --to /etc/converge",
        "converge import /srv/venvs/* --index-url https://index.example/simple",
    ),
)
