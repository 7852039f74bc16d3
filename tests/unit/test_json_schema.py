"""JSON Schemas say what the parser does, no more and no less."""

from __future__ import annotations

import json

import jsonschema
import pytest
import tomli

from tests.unit.desk import Desk


@pytest.fixture
def schema(desk: Desk) -> dict[str, object]:
    schema: dict[str, object] = json.loads(desk.say("schema").out)
    jsonschema.Draft7Validator.check_schema(schema)
    return schema


GIVEN = {
    '[note.a]\npath = "a"\n': True,
    '[defaults]\npages = 3\n[note.a]\npath = "a"\ntags = ["x"]\nread-from = "/dev/null"\n': True,
    "": True,
    '[note.a]\npath = "a"\nzzz = 1\n': False,
    '[note.a]\npath = "a"\nread_from = "/dev/null"\n': False,
    '[note.a]\npath = "a"\nabout = ""\n': False,
    '[note.a]\npath = "a"\npages = "3"\n': False,
    '[note.a]\npath = "a"\ncolour = "green"\n': False,
    '[note.a]\ntext = "a"\n': False,
    "[defaults]\nzzz = 3\n": False,
    "[zebra.a]\n": False,
    "note = 3\n": False,
    '[note]\npath = "a"\n': False,
}


@pytest.mark.parametrize("text", GIVEN)
def test_declaration_schema_agrees_with_the_parser(desk: Desk, schema, text: str) -> None:
    valid = jsonschema.Draft7Validator(schema).is_valid(tomli.loads(text))
    desk.declare(text)
    assert valid is GIVEN[text]
    assert desk.run("plan").code == (0 if valid else 65)


def test_declaration_schema_describes_every_key(schema) -> None:
    for name, definition in schema["definitions"].items():
        for key, content in definition["properties"].items():
            assert content.get("description"), f"{name}.{key}"


def test_output_schema_rejects_incomplete_reports(desk: Desk) -> None:
    schema = json.loads(desk.say("schema", "output").out)
    jsonschema.Draft7Validator.check_schema(schema)
    desk.notes("a")
    document = desk.run("plan", "--json").report
    checker = jsonschema.Draft7Validator(schema)
    assert checker.is_valid(document)
    for key in document:
        assert not checker.is_valid({name: document[name] for name in document if name != key}), key
    assert not checker.is_valid({**document, "resources": [{"address": "x"}]})
    document["resources"][0]["action"] = "destroy"
    assert not checker.is_valid(document)
