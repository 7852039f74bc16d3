"""Write the declaration that moves the packages outside of venvs into venvs."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from engine.output.text import printable
from states.global_installs.usage import scripts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from states.global_installs.applications import Application
    from states.global_installs.scan import Installed, InterpreterScan
    from states.global_installs.usage import Use

_VENVS = "/opt/venvs"


def venv_table(
    application: Application, scan: InterpreterScan, uses: Iterable[Use], name: str
) -> str:
    """Return the table of a venv for one application, and a comment for each thing to look at.

    Args:
        application: The application.
        scan: The interpreter that it is installed for.
        uses: The files that use it.
        name: The name of the venv.

    Returns:
        The table as TOML.

    """
    packages = [_requirement(package) for package in application.members()]
    lines = [
        *_comments(application, uses),
        f"[venv.{name}]",
        f"path = {_string(f'{_VENVS}/{name}')}",
        f"python = {_string(scan.layout.executable)}",
        "packages = [",
        *(f"    {_string(package)}," for package in packages),
        "]",
        *_link_comments(application.package, name),
    ]
    return "".join(f"{line}\n" for line in lines)


def unique_name(application: Application, taken: Sequence[str]) -> str:
    """Return a name for the venv of an application that no other venv has."""
    name = application.package.distribution.name
    candidates = (name, *(f"{name}-{number}" for number in range(2, len(taken) + 3)))
    return next(candidate for candidate in candidates if candidate not in taken)


def _requirement(package: Installed) -> str:
    """Return the requirement of the installed version (PEP 508)."""
    distribution = package.distribution
    if distribution.project:
        return f"{distribution.name} @ file://{distribution.project}"
    if distribution.origin:
        return f"{distribution.name} @ {distribution.origin}"
    return "==".join(filter(None, (distribution.name, distribution.version)))


def _comments(application: Application, uses: Iterable[Use]) -> Iterator[str]:
    package = application.package
    distribution = package.distribution
    by = f" by {distribution.installer}" if distribution.installer else ""
    suffix = f", for the user {package.user}" if package.user else ""
    yield _comment(f"Installed{by} in {distribution.site}{suffix}.")
    for member in application.members():
        if member.distribution.project:
            name = member.distribution.name
            yield _comment(f"{name} was editable. converge installs a copy of the project.")
        for shadow in member.shadows:
            owner = shadow.owner or f"{shadow.name} {shadow.version}".strip() or shadow.path
            yield _comment(f"The module {shadow.module} hid that of {owner}.")
    for use in uses:
        if use.how == "imports":
            yield _comment(f"Change the interpreter: {use.path} imports {', '.join(use.names)}.")
        else:
            yield _comment(f"Change the program: {use.path} starts {', '.join(use.names)}.")


def _link_comments(package: Installed, name: str) -> Iterator[str]:
    """Yield the links for the programs. They become possible when the programs are gone."""
    for path in scripts_of(package):
        yield "#"
        yield _comment(f"[link.{_string(path)}]")
        yield _comment(f"to = {_string(f'venv.{name}:bin/{os.path.basename(path)}')}")


def _comment(text: str) -> str:
    return f"# {printable(text)}"


def _string(text: str) -> str:
    """Return a basic string of TOML."""
    return json.dumps(text.encode(errors="replace").decode(), ensure_ascii=False)
