"""The generated reference pages match the code."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import tomli

from tests.docs.generator import pages
from tests.docs.pages import ROOT

GENERATED = pages()


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_generated_page_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == GENERATED[path], "run `python -m docs.generate`"


def test_schema_accepts_the_example_and_rejects_a_typo() -> None:
    schema = json.loads((ROOT / "docs/reference/converge.schema.json").read_text())
    declaration = tomli.loads((ROOT / "examples/quickstart.toml").read_text())
    jsonschema.validate(declaration, schema, jsonschema.Draft7Validator)
    declaration["venv"]["site"]["requirments"] = ["x"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(declaration, schema, jsonschema.Draft7Validator)
