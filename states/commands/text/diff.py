"""The report of `converge diff` as text: packages, and the number of files of each package."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from engine.output.text import count

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from states.commands.text.table import Line

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def format_diff(document: dict[str, Any], *, every_file: bool) -> Iterator[Line]:
    """Yield the lines of text for two generations.

    Args:
        document: The comparison, in the form that `--json` prints.
        every_file: Whether to list every file. Otherwise, those of packages are only counted.

    """
    yield [
        ("bold", document["address"]),
        ("", f"  {document['before']} → {document['after']}"),
    ]
    for change in document["changes"]:
        yield [(change[:1], f"  {change}")]
    files = document["files"]
    if not files:
        yield [("", "  no files differ")]
        return
    yield [("", f"  {count(len(files), 'file')} {'differs' if len(files) == 1 else 'differ'}:")]
    if not every_file:
        yield from _format_packages([change for change in files if change["package"]])
        files = [change for change in files if not change["package"]]
    for change in files:
        yield from _format_file(change)


def _format_packages(changes: list[dict[str, Any]]) -> Iterator[Line]:
    """Yield one line for each package: how many of its files differ, and how."""
    packages: dict[str, Counter[str]] = {}
    for change in changes:
        packages.setdefault(change["package"], Counter())[change["change"]] += 1
    for package, counts in sorted(packages.items()):
        numbers = ", ".join(f"{counts[name]} {name}" for name in _SIGNS if counts[name])
        yield [("", f"    {package}: {numbers}")]


def _format_file(change: dict[str, Any]) -> Iterator[Line]:
    sign = _SIGNS[change["change"]]
    attributes = f"  ({', '.join(change['attributes'])})" if change["attributes"] else ""
    yield [(sign, f"    {sign} {change['path']}"), ("dim", attributes)]
