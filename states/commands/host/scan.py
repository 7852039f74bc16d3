"""`converge scan`: find the packages that are installed outside of venvs. Reads only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import setup_progress
from engine.errors import UsageError
from states.commands.per_venv import print_result
from states.commands.text.scan import format_scan
from states.global_installs.applications import find_applications
from states.global_installs.declaration import unique_name, venv_table
from states.global_installs.references.search import find_references
from states.global_installs.scan import find_interpreters, scan_interpreter
from states.global_installs.unreadable import Unreadable
from states.global_installs.usage import scripts_of, uses_of
from states.global_installs.users import all_homes

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from engine.cli.command import BuildRegistry
    from states.global_installs.references.reference import Reference
    from states.global_installs.scan import Installed, InterpreterScan
    from states.global_installs.usage import Use


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "pythons",
        nargs="*",
        metavar="PYTHON",
        help="Absolute path of an interpreter (default: all interpreters of the host)",
    )
    parser.add_argument(
        "--declaration",
        action="store_true",
        help="Print only the declaration that moves the packages into venvs",
    )
    options.add_output_options(parser)


def _scan(arguments: Namespace, build_registry: BuildRegistry) -> int:
    for python in arguments.pythons:
        if not python.startswith("/"):
            raise UsageError(
                f"not an absolute path: `{python}`", hint="for example: `/usr/bin/python3`"
            )
    setup_progress(arguments)
    progress.start()
    unreadable, homes = Unreadable(), [*all_homes()]
    interpreters = find_interpreters(arguments.pythons, unreadable)
    scans = [scan_interpreter(p, layout, homes, unreadable) for p, layout in interpreters.items()]
    references = find_references(homes, unreadable)
    tables: list[str] = []
    document: dict[str, Any] = {
        "interpreters": [*_rows(scans, references, tables)],
        "declaration": "\n".join(tables),
        "unreadable": [{"path": p, "reason": r} for p, r in sorted(unreadable.reasons.items())],
    }
    progress.close()
    if arguments.declaration and not arguments.json:
        sys.stdout.write(document["declaration"])
    else:
        print_result(document, format_scan(document, verbose=arguments.verbose), arguments)
    return 0


def _rows(
    scans: Iterable[InterpreterScan], references: Sequence[Reference], tables: list[str]
) -> Iterator[dict[str, Any]]:
    """Yield each interpreter in the form that `--json` prints.

    Args:
        scans: The interpreters.
        references: The files that use programs or modules.
        tables: Receives the tables of the declaration.

    Yields:
        One object for each interpreter.

    """
    names: list[str] = []
    for scan in scans:
        uses = {_key(p): [*uses_of(p, scan, references)] for p in scan.outside()}
        by_package = dict.fromkeys(uses, "")
        for user in dict.fromkeys(package.user for package in scan.outside()):
            own = [package for package in scan.outside() if package.user == user]
            used = [package for package in own if uses[_key(package)] or scripts_of(package)]
            for application in find_applications(own, used, scan.layout.version):
                names.append(unique_name(application, names))
                members = application.members()
                relevant = {use: None for member in members for use in uses[_key(member)]}
                tables.append(venv_table(application, scan, relevant, names[-1]))
                for member in members:
                    by_package[_key(member)] = by_package[_key(member)] or tables[-1]
        yield {
            "python": scan.python,
            "executable": scan.layout.executable,
            "version": scan.layout.version,
            "externally_managed": scan.layout.externally_managed,
            "directories": [*scan.layout.sites],
            "packages": [_package_row(p, uses, by_package) for p in scan.packages],
            "stray": [*scan.stray],
        }


def _key(package: Installed) -> str:
    return package.distribution.metadata


def _package_row(
    package: Installed, uses: Mapping[str, Sequence[Use]], tables: Mapping[str, str]
) -> dict[str, Any]:
    distribution = package.distribution
    shadows = [
        {"module": s.module, "path": s.path, "name": s.name, "version": s.version, "owner": s.owner}
        for s in package.shadows
    ]
    used_by = [
        {"kind": use.kind, "path": use.path, "how": use.how, "names": [*use.names]}
        for use in uses.get(_key(package), ())
    ]
    return {
        "name": distribution.name,
        "version": distribution.version,
        "directory": distribution.site,
        "user": package.user or None,
        "owner": package.owner or None,
        "installer": distribution.installer or None,
        "requested": distribution.requested,
        "editable": distribution.project or None,
        "origin": distribution.origin or None,
        "modules": [*distribution.modules],
        "programs": scripts_of(package),
        "overwrites": [{"path": path, "owner": owner} for path, owner in package.shared],
        "shadows": shadows,
        "used_by": used_by,
        "declaration": tables.get(_key(package)) or None,
    }


def _empty_document(_: Namespace) -> dict[str, Any]:
    return {"interpreters": [], "declaration": "", "unreadable": []}


COMMAND = Command(
    "scan",
    "Find packages that are installed outside of venvs",
    _add_arguments,
    _scan,
    group="Inspection",
    is_read_only=True,
    description="""\
For each interpreter of the host, lists the packages that no package of the distribution owns,
the modules that they hide, and the units, crontabs, and scripts that use them. Starts no
interpreter, and runs no code of a package.""",
    empty_document=_empty_document,
    examples=(
        "converge scan",
        "converge scan /usr/bin/python3 --json",
        "converge scan --declaration > global.toml",
    ),
)
