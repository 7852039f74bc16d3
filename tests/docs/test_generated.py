"""The reference pages say what the code says."""

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
def test_a_generated_page_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == GENERATED[path], "run `python -m docs.generate`"


def test_the_published_schema_takes_the_examples_and_refuses_a_wrong_key() -> None:
    schema = json.loads((ROOT / "docs/reference/converge.schema.json").read_text())
    declaration = tomli.loads((ROOT / "examples/quickstart.toml").read_text())
    jsonschema.validate(declaration, schema, jsonschema.Draft7Validator)
    declaration["venv"]["site"]["requirments"] = ["x"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(declaration, schema, jsonschema.Draft7Validator)
