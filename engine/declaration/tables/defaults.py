"""The tables `[defaults]`: values for each table of one kind that doesn't set them itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declaration.diagnostics import Diagnostic
from engine.declaration.tables.unknown_keys import unknown_key
from engine.declaration.validate import keys_of

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from engine.declaration.inputs import InputLog, Origin
    from engine.declaration.source_file import SourceFile
    from engine.registry import KindRegistry

    Documents: TypeAlias = list[tuple[SourceFile, dict[str, Any]]]
    """Each file with its parsed content."""
    Defaults: TypeAlias = dict[str, tuple[Any, Origin]]
    """For each key, the default value and the location of its table."""

DEFAULTS = "defaults"


def collect_defaults(
    documents: Documents, registry: KindRegistry, log: InputLog
) -> dict[str, Defaults]:
    """Merge the `[defaults]` tables of each directory.

    Defaults apply to all files of one directory, so that a relative path in them has one meaning.

    Args:
        documents: The parsed files.
        registry: The kinds. `defaults_kind` determines the valid keys.
        log: Extended by the errors.

    Returns:
        The defaults by directory.

    """
    defaults: dict[str, Defaults] = {}
    keys = keys_of(registry.kinds[registry.defaults_kind])
    for source, document in documents:
        table = document.get(DEFAULTS, {})
        if not isinstance(table, dict):
            message = f"`{DEFAULTS}` must be a table: `[{DEFAULTS}]`"
            log.add(Diagnostic(source.file, message, key=(DEFAULTS,), marks_key=True))
            continue
        for key, value in table.items():
            location = (DEFAULTS, key)
            if key not in keys:
                log.add(unknown_key(source.file, location, keys, registry))
                continue
            merged = defaults.setdefault(source.directory, {})
            first, (file, _) = merged.setdefault(key, (value, (source.file, (DEFAULTS,))))
            if first != value:
                message = f"`{key}` has two default values"
                hint = f"remove one; `{file}` sets the other for the same directory"
                log.add(Diagnostic(source.file, message, hint, location))
    return defaults
