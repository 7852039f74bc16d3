"""The result of `converge import`, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.output.text import count, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from states.commands.declarations.table import ImportedVenv

_MAX_PATHS = 5
"""Paths of a finding that the text shows. The declaration has all of them."""


def describe(venv: ImportedVenv) -> dict[str, Any]:
    """Return the form of a venv in JSON."""
    existing = venv.existing
    roots = existing.roots
    return {
        "address": venv.address,
        "path": existing.path,
        "python": existing.base.executable or None,
        "python_version": existing.base.version or None,
        "system_site_packages": existing.base.system_site_packages,
        "system_packages": list(existing.links.modules),
        "persistent": list(existing.persistent),
        "packages": [
            {
                "name": package.name,
                "version": package.version or None,
                "requested": package.name in roots.requested,
                "origin": package.url or None,
                "editable": bool(package.origin and package.origin.is_editable),
            }
            for package in existing.packages
        ],
        "edited": [file.path for file in existing.content.edited],
        "missing": [file.path for file in existing.content.missing],
        "unowned": [*existing.unowned(), *existing.carried()],
        "lock": venv.pinned_by.get("lock"),
        "requirements": next(iter(venv.pinned_by.get("requirements", ())), None),
        "references": [
            {
                "file": reference.file,
                "line": reference.line or None,
                "target": reference.target or None,
                "unit": reference.unit or None,
            }
            for reference in venv.references
        ],
        "findings": [
            {"kind": finding.kind, "message": finding.message, "paths": list(finding.paths)}
            for finding in venv.findings
        ],
    }


def format_summary(venv: ImportedVenv) -> Iterator[str]:
    """Yield the lines of text for a venv."""
    existing = venv.existing
    python = f"Python {existing.base.version or 'of an unknown version'}"
    packages = f"{count(len(existing.packages), 'package')}, {len(venv.packages())} in `packages`"
    yield f"+ {venv.address}  {existing.path}"
    yield f"    {packages}; {python} {existing.base.executable}".rstrip()
    for finding in venv.findings:
        yield f"    {finding.kind}: {finding.message}"
        yield from (f"        {printable(path)}" for path in finding.paths[:_MAX_PATHS])
        if len(finding.paths) > _MAX_PATHS:
            yield f"        and {len(finding.paths) - _MAX_PATHS} more"
