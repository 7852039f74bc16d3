"""`converge why`: print which requirements brought a package into a venv. Reads only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.cli import options
from engine.cli.command import Command
from engine.errors import ConvergeError, UsageError
from engine.frozen import as_items
from states.commands.per_venv import print_result
from states.commands.text.why import format_chains
from states.commands.venv_arguments import add_venv_arguments, select_venv
from states.venv.generations.store import live_id
from states.venv.integrity.receipt import read_receipt
from states.venv.layout import store_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from packaging.requirements import Requirement

    from engine.cli.command import BuildRegistry
    from states.venv.questions.requirers import InstalledPackages
    from states.venv.spec import Venv


def _add_arguments(parser: ArgumentParser) -> None:
    add_venv_arguments(parser)
    parser.add_argument("identifier", nargs="?", metavar="PACKAGE", help="Name of the package")
    options.add_document_options(parser)


def _why(arguments: Namespace, build_registry: BuildRegistry) -> int:
    from states.venv.integrity.dist_info import normalize_name
    from states.venv.questions.requirers import installed_packages
    from states.venv.resolve.resolver import markers

    package = _take_package(arguments)
    venv = select_venv(arguments, build_registry)
    store = store_of(venv.spec.path)
    live = live_id(store)
    root = store.generation(live or "")
    receipt = read_receipt(root) if live else None
    if receipt is None:
        raise ConvergeError(
            f"{venv.address} has no live generation with a valid receipt",
            hint="run `converge apply`",
        )
    environment = markers(receipt.python)
    packages = installed_packages(root, environment)
    name = normalize_name(package)
    _require_installed(packages, name, venv.address)
    document = {
        "address": venv.address,
        "generation": os.path.basename(root),
        "package": name,
        "version": packages.versions[name],
        "chains": [*_chains(_declared(venv.spec, packages, environment), packages, name)],
    }
    print_result(document, format_chains(document), arguments)
    return 0


def _take_package(arguments: Namespace) -> str:
    """Return the argument PACKAGE. It is the last one, and the name of the venv is optional.

    Raises:
        UsageError: There is none.

    """
    package = arguments.identifier or arguments.name
    if package is None:
        raise UsageError("missing argument: PACKAGE", hint="name a package, such as `urllib3`")
    if arguments.identifier is None:
        arguments.name = None
    return str(package)


def _require_installed(packages: InstalledPackages, name: str, address: str) -> None:
    """Require that a package is installed.

    Args:
        packages: The installed packages.
        name: The normalized name of the package.
        address: The address of the venv.

    Raises:
        UsageError: It isn't.

    """
    from engine.declaration.validate import suggest

    if name not in packages.versions:
        hint = suggest(name, [*packages.versions])
        raise UsageError(
            f"{address} doesn't contain the package `{name}`",
            hint=hint or "to find the venvs that contain it, run `converge who`",
        )


def _chains(
    declared: Iterable[tuple[Requirement, str]], packages: InstalledPackages, name: str
) -> Iterator[dict[str, Any]]:
    """Yield the shortest chain from each declared requirement to a package, if there is one.

    Args:
        declared: The declared requirements, each with its place.
        packages: The installed packages.
        name: The normalized name of the package.

    Yields:
        The chains, in the form that `--json` prints.

    """
    for requirement, place in declared:
        steps = packages.chain(requirement, name)
        if steps is not None:
            yield {
                "declared": str(requirement),
                "place": place,
                "steps": [dict(as_items(step)) for step in steps],
            }


def _declared(
    spec: Venv, packages: InstalledPackages, environment: Mapping[str, str]
) -> Iterator[tuple[Requirement, str]]:
    """Yield the requirements that the venv starts from, each with its place.

    A lockfile doesn't specify which packages were requested. A file behind a URL isn't fetched.
    The packages that no other one requires stand for their requirements.

    Args:
        spec: The declared venv.
        packages: The installed packages.
        environment: The environment in which markers are evaluated.

    Yields:
        The requirements that apply.

    """
    from packaging.requirements import Requirement

    from states.venv.resolve.references import is_url
    from states.venv.resolve.requirements import local_requirements, marker_applies

    unread = spec.lock
    for line in () if spec.lock else local_requirements(spec):
        if is_url(line.file):
            unread = unread or line.file
        elif line.requirement is not None and marker_applies(line.requirement, [environment]):
            yield line.requirement, f"{line.file}:{line.number}" if line.number else "packages"
    for name in packages.unrequired() if unread else ():
        yield Requirement(name), unread


COMMAND = Command(
    "why",
    "Show which requirements brought a package into a venv",
    _add_arguments,
    _why,
    group="Inspection",
    is_read_only=True,
    description="""\
Prints the shortest chain from each declared requirement to the package, from the metadata of the
live generation. With a lockfile, the chains begin at the packages that no other one requires.""",
    examples=("converge why site.toml web urllib3",),
)
