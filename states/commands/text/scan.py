"""The report of `converge scan` as text: one table for each interpreter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.output.text import count
from states.commands.text.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from states.commands.text.table import Line

_INDENT = "  "
_HEADER = (f"{_INDENT}PACKAGE", "VERSION", "INSTALLER", "DIRECTORY")


def format_scan(document: Mapping[str, Any], *, verbose: bool) -> Iterator[Line]:
    """Yield the lines of text.

    Args:
        document: The result, in the form that `--json` prints.
        verbose: Whether to list the packages of the distribution as well.

    """
    outside = 0
    for row in document["interpreters"]:
        outside += sum(not package["owner"] for package in row["packages"])
        yield from _interpreter(row, verbose=verbose)
        yield [("", "")]
    if document["unreadable"]:
        yield [("warning", "Not readable:")]
        for entry in document["unreadable"]:
            yield [("", f"{_INDENT}{entry['path']}: {entry['reason']}")]
        yield [("", "")]
    places = count(len(document["interpreters"]), "interpreter")
    yield [("bold", f"{count(outside, 'package')} outside of venvs, for {places}.")]
    if document["declaration"]:
        yield [("", "Next: converge scan --declaration  (the declaration that moves them)")]


def _interpreter(row: Mapping[str, Any], *, verbose: bool) -> Iterator[Line]:
    managed = ", externally managed" if row["externally_managed"] else ""
    yield [("bold", row["python"]), ("dim", f"  Python {row['version']}{managed}")]
    table = Table(_HEADER)
    shown = [p for p in row["packages"] if verbose or not p["owner"]]
    for package in shown:
        cells = [
            _INDENT + package["name"],
            package["version"],
            package["owner"] or package["installer"] or "unknown",
            package["directory"],
        ]
        table.add(cells, [*_details(package)], roles={0: "" if package["owner"] else "warning"})
    yield from table.lines()
    owned = sum(bool(package["owner"]) for package in row["packages"])
    if owned and not verbose:
        yield [("dim", f"{_INDENT}{count(owned, 'package')} of the distribution")]
    if not row["packages"]:
        yield [("dim", f"{_INDENT}no packages")]
    for path in row["stray"]:
        yield [("warning", f"{_INDENT}belongs to no package: {path}")]


def _details(package: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines below a package."""
    if package["user"]:
        yield _detail(f"only for the user {package['user']}")
    if package["editable"]:
        yield _detail(f"editable: {package['editable']}")
    if package["origin"]:
        yield _detail(f"from {package['origin']}")
    for shadow in package["shadows"]:
        copy = " ".join(filter(None, (shadow["name"], shadow["version"])))
        owner = f" of {shadow['owner']}" if shadow["owner"] else ""
        yield _detail(f"hides {copy or shadow['module']}{owner} in {shadow['path']}", "warning")
    for file in package["overwrites"]:
        yield _detail(f"overwrote {file['path']} of {file['owner']}", "warning")
    for use in package["used_by"]:
        verb = "started" if use["how"] == "starts" else "imported"
        yield _detail(f"{verb} by the {use['kind']} {use['path']}")
    for program in package["programs"]:
        yield _detail(f"program {program}")


def _detail(text: str, role: str = "dim") -> Line:
    return [(role, f"{_INDENT * 3}{text}")]
