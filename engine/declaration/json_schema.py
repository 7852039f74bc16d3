"""The JSON Schema of a declaration, generated from the types that validate it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declaration.validate import table_model

if TYPE_CHECKING:
    from typing import Any

    from engine.registry import KindRegistry

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that TOML editors (taplo) support."""


def declaration_schema(registry: KindRegistry) -> dict[str, Any]:
    """Return the JSON Schema of a declaration."""
    properties: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for name, kind in registry.kinds.items():
        definition = table_model(kind.spec).model_json_schema(ref_template="#/definitions/{model}")
        definitions.update(definition.pop("$defs", {}))
        definitions[name] = definition
        properties[name] = {
            "type": "object",
            "description": f"Resources of the kind `{name}`, by name.",
            "additionalProperties": {"$ref": f"#/definitions/{name}"},
        }
    defaults = dict(definitions[registry.defaults_kind])
    defaults.pop("required", None)
    defaults["description"] = (
        f"Default values for the keys of `[{registry.defaults_kind}.NAME]` tables."
    )
    properties["defaults"] = defaults
    return {
        "$schema": DRAFT,
        "title": "converge declaration",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "definitions": definitions,
    }
