"""Keys that their table doesn't have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declaration.diagnostics import Diagnostic
from engine.declaration.parse import table_header
from engine.declaration.validate import keys_of, suggest

if TYPE_CHECKING:
    from engine.registry import KindRegistry
    from engine.table import Key


def unknown_key(file: str, location: Key, keys: list[str], registry: KindRegistry) -> Diagnostic:
    """Describe a key that its table doesn't have.

    Args:
        file: The declaring file.
        location: The location of the key.
        keys: The valid keys of its table.
        registry: The kinds. The key may belong to another one.

    Returns:
        The diagnostic, with a suggestion.

    """
    key = str(location[-1])
    header = table_header(*map(str, location[:-1]))
    others = [kind for kind in registry.kinds if key in keys_of(registry.kinds[kind])]
    hint = suggest(key, keys)
    if not hint and others:
        hint = f"`{key}` is a key of " + " and ".join(f"`[{kind}.NAME]`" for kind in others)
    return Diagnostic(
        file=file,
        key=location,
        message=f"unknown key `{key}` in {header}",
        hint=hint or f"valid keys: {', '.join(keys)}",
        marks_key=True,
    )
