"""JSON Schemas, made from the very types that parse the input and make up the output."""

from __future__ import annotations

from engine.declaration.validate import table_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.registry import KindRegistry

_DRAFT = "http://json-schema.org/draft-07/schema#"
"""Editors of TOML files (taplo) know this draft; it is what both schemas keep to."""


def declaration_schema(composition: KindRegistry) -> dict[str, Any]:
    """Return the schema of a declaration."""
    properties: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for name, kind in composition.kinds.items():
        definitions[name] = table_of(kind.spec).model_json_schema()
        properties[name] = {
            "type": "object",
            "description": f"Resources of the kind `{name}`, by name.",
            "additionalProperties": {"$ref": f"#/definitions/{name}"},
        }
    default = dict(definitions[composition.defaults_kind])
    default.pop("required", None)
    default["description"] = f"Any key of `[{composition.defaults_kind}.*]`; its own key wins."
    properties["defaults"] = default
    return {
        "$schema": _DRAFT,
        "title": "converge declaration",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "definitions": definitions,
    }


def output_schema() -> dict[str, Any]:
    """Return the schema of the document that `--json` prints."""
    from pydantic import TypeAdapter

    from engine.output.report_schema import Report

    shape = TypeAdapter(Report).json_schema(ref_template="#/definitions/{model}")
    definitions = shape.pop("$defs", {})
    return {"$schema": _DRAFT, **shape, "title": "converge report", "definitions": definitions}
