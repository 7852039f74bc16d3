"""The text of a declaration for existing venvs, with a comment for each thing to look at."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import tomli_w

from engine.declaration.parse import table_header
from engine.frozen import frozen
from engine.output.text import printable
from states.commands.declarations.create import SCHEMA
from states.venv.interpreter_links import lost_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from states.system.path_references import Reference
    from states.venv.adoption.distributions import Distribution
    from states.venv.adoption.existing import ExistingVenv
    from states.venv.adoption.findings import Finding

_WIDTH = 98
"""Characters in a line of a comment."""
_KINDS_TO_KNOW = ("persistent", "role", "seed", "requested")
"""Findings that need no decision."""
_HEADER = f"""\
#:schema ./{SCHEMA}
#
# `converge import` wrote this declaration for existing venvs.
# Each comment that begins with REVIEW needs a decision. Then run `converge plan`.

"""
_ADOPT = """\
# The first `converge apply` replaces each directory, and keeps it as a backup for
# `converge rollback`. Remove this line afterward.
adopt = true
"""


@frozen
class ImportedVenv:
    """One venv of a declaration."""

    name: str
    existing: ExistingVenv
    findings: tuple[Finding, ...]
    references: tuple[Reference, ...]
    """The files and symlinks of the host that name its path."""
    pinned_by: Mapping[str, Any]
    """The keys that select exact versions: `lock`, or `requirements` with `no-deps`."""

    @property
    def address(self) -> str:
        """The address of the resource."""
        return f"venv.{self.name}"

    def packages(self) -> list[str]:
        """Return the requirements of `packages`."""
        roots = self.existing.roots
        names = {*roots.requested, *roots.unrequired, *roots.seeds}
        return [
            _requirement(package, roots.requested.get(package.name, ()))
            for package in self.existing.declarable()
            if package.name in names
        ]

    def keys(self) -> dict[str, Any]:
        """Return the keys of the table. Those with default values are left out."""
        existing = self.existing
        keys: dict[str, Any] = {
            "path": existing.path,
            "python": existing.base.request,
            "packages": self.packages(),
            **self.pinned_by,
            "system-site-packages": existing.base.system_site_packages,
            "system-packages": list(existing.links.modules),
            "persistent": list(existing.persistent),
            "owner": existing.access.owner,
            "group": existing.access.group,
            "mode": existing.access.mode,
        }
        return {key: value for key, value in keys.items() if value or key == "packages"}

    def links(self) -> dict[str, str]:
        """Return the targets of symlinks that the kind `link` would create in the same way."""
        prefix = f"{self.existing.path}/"
        targets = {
            reference.file: reference.target.removeprefix(prefix)
            for reference in self.references
            if reference.target.startswith(prefix)
        }
        return {
            file: f"{self.address}:{inside}"
            for file, inside in targets.items()
            if inside and file.isprintable() and not lost_environment(inside, inside)
        }

    def units(self) -> list[str]:
        """Return the systemd units that name the path."""
        return sorted({reference.unit for reference in self.references if reference.unit})


def _requirement(package: Distribution, extras: Sequence[str]) -> str:
    name = f"{package.name}[{','.join(extras)}]" if extras else package.name
    return f"{name} @ {package.url}" if package.url else name


def format_declaration(venvs: Iterable[ImportedVenv], defaults: Mapping[str, Any]) -> str:
    """Return the text of a declaration.

    Args:
        venvs: The venvs.
        defaults: More keys of `[defaults]`.

    Returns:
        TOML.

    """
    parts = [f"{_HEADER}[defaults]\n{tomli_w.dumps(defaults)}{_ADOPT}"]
    for venv in venvs:
        parts.append("".join(_venv_lines(venv)))
        parts += (
            f"{table_header('link', file)}\n{tomli_w.dumps({'to': to})}"
            for file, to in venv.links().items()
        )
        parts += (_command(venv, unit) for unit in venv.units() if unit.endswith(".service"))
    return "\n".join(parts)


def _venv_lines(venv: ImportedVenv) -> Iterator[str]:
    yield f"{table_header('venv', venv.name)}\n"
    yield tomli_w.dumps(venv.keys())
    for finding in venv.findings:
        word = "INFO" if finding.kind in _KINDS_TO_KNOW else "REVIEW"
        yield from _comment(f"{word}: {finding.message}", finding.paths)
    links = venv.links()
    others = [r for r in venv.references if r.file not in links]
    files = [r.file if r.target else f"{r.file} (line {r.line})" for r in others]
    if files:
        message = "these files name the path, which stays the same; restart the services after"
        yield from _comment(f"INFO: {message} `apply`", files)


def _comment(message: str, paths: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a comment: a sentence, and a line for each path."""
    text = printable(message) + (":" if paths else ".")
    for line in textwrap.wrap(
        text, _WIDTH, initial_indent="# ", subsequent_indent="#   ", break_long_words=False
    ):
        yield f"{line}\n"
    for path in paths:
        yield f"#     {printable(path)}\n"


def _command(venv: ImportedVenv, unit: str) -> str:
    """Return a table that restarts a unit. It is a comment: a person decides."""
    name = f"restart-{unit.removesuffix('.service')}"
    argv = {"argv": ["systemctl", "restart", unit], "on-change": [venv.address]}
    text = f"{table_header('command', name)}\n{tomli_w.dumps(argv)}"
    lines = ["To restart the unit after each change, remove the comment signs:", *text.splitlines()]
    return "".join(f"# {line}\n" for line in lines)
