"""`converge who`: print which generations of this host contain a package. Hashes nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.cli import options
from engine.cli.command import Command
from engine.errors import UsageError
from states.commands.host.venvs import venvs_of_host
from states.commands.per_venv import address_error, print_results
from states.commands.text.who import format_matches
from states.venv.generations.gc import is_pinned, is_quarantined
from states.venv.generations.hold import effective_hold
from states.venv.generations.store import generation_names, is_finished, live_id
from states.venv.integrity.dist_info import dist_infos, metadata_name, normalize_name
from states.venv.integrity.receipt import Package, read_receipt
from states.venv.layout import store_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from packaging.requirements import Requirement

    from engine.cli.command import BuildRegistry
    from engine.errors import ConvergeError
    from states.commands.host.venvs import VenvEntry
    from states.venv.layout import Store


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "requirements",
        nargs="+",
        metavar="PACKAGE",
        help="Name of a package, with or without versions, such as 'litellm>=1.82.7'",
    )
    parser.add_argument(
        "--file",
        dest="files",
        action="append",
        default=[],
        metavar="FILE",
        help="Search only the venvs of this file. Can be repeated "
        "(default: all files that were applied on this host)",
    )
    parser.set_defaults(default_file=False)
    options.add_allow_empty_option(parser)
    options.add_document_options(parser)


def _find(arguments: Namespace, build_registry: BuildRegistry) -> int:
    wanted = [_parse(text) for text in arguments.requirements]
    search = _Search(wanted)
    for entry in venvs_of_host(arguments, build_registry):
        search.add(entry)
    document = {"searched": search.searched, "matches": search.matches}
    return print_results(document, format_matches(document), search.errors, arguments)


def _parse(text: str) -> Requirement:
    """Return a requirement that consists of a name and versions.

    Raises:
        UsageError: It isn't one.

    """
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise UsageError(
            f"not a package: `{text}`",
            hint="write a name with or without versions, such as 'litellm>=1.82.7,<1.83'",
        ) from error
    if requirement.url or requirement.extras or requirement.marker:
        raise UsageError(
            f"an extra, a marker, or a URL can't be searched for: `{text}`",
            hint=f"write only name and versions: '{requirement.name}{requirement.specifier}'",
        )
    return requirement


class _Search:
    """A search for packages in the receipts of all generations.

    A generation whose receipt is damaged is searched by the metadata that its packages left.

    Attributes:
        matches: A row for each package that was found, in the form that `--json` prints.
        searched: The number of venvs and of generations that were searched.
        errors: The errors of venvs and generations that couldn't be read, by path.

    """

    def __init__(self, requirements: Sequence[Requirement]) -> None:
        self._requirements = requirements
        self.matches: list[dict[str, Any]] = []
        self.searched = {"venvs": 0, "generations": 0}
        self.errors: dict[str, ConvergeError] = {}

    def add(self, entry: VenvEntry) -> None:
        """Search the generations of a venv, the live one first."""
        path, address = entry.venv.spec.path, entry.venv.address
        try:
            store = store_of(path)
            live = live_id(store)
            hold = effective_hold(store)
            names = [name for name in generation_names(store) if name != live]
        except OSError as error:
            self.errors[path] = address_error(address, error)
            return
        self.searched["venvs"] += 1
        held = hold.generation if hold else None
        for name in (*([live] if live else []), *reversed(names)):
            try:
                if name != live and not is_finished(store, name):
                    continue
                states = _states(store, name, is_live=name == live, is_held=name == held)
                self._add_generation(entry, store.generation(name), states)
            except OSError as error:
                self.errors[store.generation(name)] = address_error(address, error)

    def _add_generation(self, entry: VenvEntry, root: str, states: Iterable[str]) -> None:
        receipt = read_receipt(root)
        packages = _installed(root) if receipt is None else receipt.packages
        states = [*states, *([] if receipt else ["damaged"])]
        self.searched["generations"] += 1
        for package in packages:
            if any(_matches(requirement, package) for requirement in self._requirements):
                self.matches.append(
                    {
                        "package": package.name,
                        "version": package.version,
                        "origin": package.origin,
                        "address": entry.venv.address,
                        "path": entry.venv.spec.path,
                        "file": entry.venv.file,
                        "generation": os.path.basename(root),
                        "states": states,
                    }
                )


def _installed(root: str) -> Iterator[Package]:
    """Yield the packages whose metadata is in a generation without a valid receipt."""
    for dist_info in dist_infos(root):
        name, version = metadata_name(f"{root}/{dist_info}/METADATA")
        yield Package(name, version)


def _states(store: Store, name: str, *, is_live: bool, is_held: bool) -> Iterator[str]:
    if is_live:
        yield "live"
    if is_held:
        yield "held"
    if is_pinned(store, name):
        yield "pinned"
    if is_quarantined(store, name):
        yield "quarantined"


def _matches(requirement: Requirement, package: Package) -> bool:
    """Return whether a package can be one of the wanted versions.

    A version that isn't a valid one can't be compared, so it counts as wanted.
    """
    from packaging.version import InvalidVersion

    if normalize_name(requirement.name) != package.name:
        return False
    try:
        return requirement.specifier.contains(package.version, prereleases=True)
    except InvalidVersion:
        return True


COMMAND = Command(
    "who",
    "Find which generations on this host contain a package",
    _add_arguments,
    _find,
    group="Inspection",
    is_read_only=True,
    empty_document=lambda _: {"searched": {"venvs": 0, "generations": 0}, "matches": []},
    description="""\
Searches the live generation and every previous one of each venv that the current user applied,
from their receipts. Needs no network, and hashes nothing. Exits with 0 whether or not anything
was found.""",
    examples=("converge who 'litellm>=1.82.7'", "converge who litellm telnyx==4.87.1 --json"),
)
