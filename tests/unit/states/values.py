"""Values that several tests of the venv kind need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.declaration.inputs import InputLog, TableInputs, file_digest
from states.interpreter.discovery import Python
from states.venv.integrity.receipt import Receipt
from states.venv.resolve.validate import validate
from states.venv.spec import Venv


def make_python(**fields: Any) -> Python:
    """Return an interpreter of CPython 3.11; no such file is read."""
    defaults: dict[str, Any] = {
        "executable": "/usr/bin/python3.11",
        "version": "3.11.7",
        "implementation": "CPython",
        "watched": {},
        "digest": "",
    }
    return Python(**{**defaults, **fields})


def make_receipt(**fields: Any) -> Receipt:
    """Return a receipt of a generation in `/srv/.web`."""
    defaults: dict[str, Any] = {
        "generation": "000001-aa",
        "path": "/srv/.web/generations/000001-aa",
        "created": "2026-01-01T00:00:00Z",
        "converge_version": "0.1.0",
        "declared": "site.toml venv.web",
        "inputs": "",
        "settings": "",
        "request": "3",
        "python": make_python(),
        "system_site_packages": False,
        "owner": "",
        "group": "",
        "mode": "0755",
        "packages": (),
        "lock": "",
        "manifest": "",
    }
    return Receipt(**{**defaults, **fields})


def validate_table(
    directory: Path, *, locking: bool = False, **fields: Any
) -> tuple[Venv, list[tuple[tuple[str | int, ...], str, str]]]:
    """Validate `[venv.web]` in a directory.

    Returns:
        The spec, and key, message, and hint of each diagnostic.

    """
    log = InputLog({"source-tree": file_digest, "local-file": lambda path: path})
    inputs = TableInputs(str(directory / "site.toml"), str(directory), ("venv", "web"), {}, log)
    spec = validate(Venv(**{"path": "web", **fields}), inputs, locking=locking)
    return spec, [(item.key[2:], item.message, item.hint) for item in log.diagnostics]
