"""The JSON Schemas accept exactly what the parser accepts and the command prints."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import tomli

from tests.unit.cli_runner import CliRunner


@pytest.fixture
def schema(cli: CliRunner) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(cli.invoke("schema").out)
    jsonschema.Draft7Validator.check_schema(schema)
    return schema


VALIDITY = {
    '[widget.a]\npath = "a"\n': True,
    '[defaults]\nsize = 3\n[widget.a]\npath = "a"\ntags = ["x"]\nread-from = "/dev/null"\n': True,
    "": True,
    '[widget.a]\npath = "a"\nzzz = 1\n': False,
    '[widget.a]\npath = "a"\nread_from = "/dev/null"\n': False,
    '[widget.a]\npath = "a"\nabout = ""\n': False,
    '[widget.a]\npath = "a"\nsize = "3"\n': False,
    '[widget.a]\npath = "a"\ncolor = "green"\n': False,
    '[widget.a]\ntext = "a"\n': False,
    "[defaults]\nzzz = 3\n": False,
    "[zebra.a]\n": False,
    "widget = 3\n": False,
    '[widget]\npath = "a"\n': False,
}


@pytest.mark.parametrize("declaration", VALIDITY)
def test_declaration_schema_agrees_with_the_parser(
    cli: CliRunner, schema: dict[str, Any], declaration: str
) -> None:
    valid = jsonschema.Draft7Validator(schema).is_valid(tomli.loads(declaration))
    cli.declare(declaration)
    assert valid is VALIDITY[declaration]
    assert cli.run("plan", "--allow-empty").code == (0 if valid else 65)


def test_declaration_schema_describes_every_key(schema: dict[str, Any]) -> None:
    for name, definition in schema["definitions"].items():
        for key, content in definition["properties"].items():
            assert content.get("description"), f"{name}.{key}"


def test_output_schema_rejects_incomplete_reports(cli: CliRunner) -> None:
    schema = json.loads(cli.invoke("schema", "output").out)
    jsonschema.Draft7Validator.check_schema(schema)
    cli.declare_widgets("a")
    document = cli.run("plan", "--json").report
    checker = jsonschema.Draft7Validator(schema)
    assert checker.is_valid(document)
    for key in document:
        assert not checker.is_valid({name: document[name] for name in document if name != key}), key
    assert not checker.is_valid({**document, "resources": [{"address": "x"}]})
    document["resources"][0]["action"] = "destroy"
    assert not checker.is_valid(document)
