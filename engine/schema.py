"""JSON Schemas, made from the very types that parse the input and make up the output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.validation import adapter

if TYPE_CHECKING:
    from engine.loading import Composition

_DRAFT = "http://json-schema.org/draft-07/schema#"
"""Editors of TOML files (taplo) know this draft; it is what both schemas keep to."""


def of_declaration(composition: Composition) -> dict[str, Any]:
    """Return the schema of a declaration."""
    properties: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for name, kind in composition.kinds.items():
        shape = adapter(kind.spec).json_schema(ref_template="#/definitions/{model}")
        definitions.update(shape.pop("$defs", {}))
        definitions[name] = shape
        properties[name] = {
            "type": "object",
            "description": f"Resources of the kind `{name}`, by name.",
            "additionalProperties": {"$ref": f"#/definitions/{name}"},
        }
    default = dict(definitions[composition.default])
    default.pop("required", None)
    default["description"] = f"Any key of `[{composition.default}.*]`; its own key wins."
    properties["defaults"] = default
    return {
        "$schema": _DRAFT,
        "title": "converge declaration",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "definitions": definitions,
    }


def of_output() -> dict[str, Any]:
    """Return the schema of the document that `--json` prints."""
    from engine.report import Report

    shape = adapter(Report).json_schema(ref_template="#/definitions/{model}")
    definitions = shape.pop("$defs", {})
    exit_ = definitions["ExitReport"]
    # `class` is a word of Python's own, so the field has another name.
    exit_["properties"]["class"] = exit_["properties"].pop("klass")
    exit_["required"] = ["class" if name == "klass" else name for name in exit_["required"]]
    return {"$schema": _DRAFT, **shape, "title": "converge report", "definitions": definitions}
