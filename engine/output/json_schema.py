"""The JSON Schema of the document that `--json` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declaration.json_schema import DRAFT

if TYPE_CHECKING:
    from typing import Any


def output_schema() -> dict[str, Any]:
    """Return the JSON Schema of the document that `--json` prints."""
    from pydantic import TypeAdapter  # here: it takes longer to import than a no-op run

    from engine.output.report_schema import Report

    schema = TypeAdapter(Report).json_schema(ref_template="#/definitions/{model}")
    definitions = schema.pop("$defs", {})
    return {"$schema": DRAFT, **schema, "title": "converge report", "definitions": definitions}
