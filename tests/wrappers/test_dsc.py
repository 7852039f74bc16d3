"""The DSC resource: its manifest by DSC's rules, and each method by the manifest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.wrappers.callers.caller import Place
from tests.wrappers.callers.dsc import Dsc
from tests.wrappers.meddling import delete_module
from tests.wrappers.world import PYTHON, World

Properties = dict[str, Any]
_REFERENCES = "https://aka.ms/dsc/schemas/v3/resource/properties/"


@pytest.fixture
def dsc(place: Callable[[str], Place]) -> Dsc:
    """The resource, called as `dsc` calls it."""
    return Dsc(place("dsc"))


@pytest.fixture
def properties(dsc: Dsc, world: World) -> Properties:
    """An environment with one package."""
    return {
        "path": str(dsc.place.folder / "web"),
        "python": PYTHON,
        "packages": ["alpha==1.0"],
        "findLinks": [str(world.wheels)],
        "noIndex": True,
    }


def _valid(dsc: Dsc, state: Properties) -> None:
    """Check a state against the embedded schema, whose two references are booleans."""
    schema = json.loads(json.dumps(dsc.manifest["schema"]["embedded"]))
    for name, value in schema["properties"].items():
        if "$ref" in value:
            schema["properties"][name] = {"type": "boolean"}
    schema["properties"]["_metadata"] = {"type": "object"}
    Draft202012Validator(schema).validate(state)


def test_the_manifest_keeps_the_rules_that_dsc_checks_before_anything_runs(dsc: Dsc) -> None:
    """Type, version, one input for each method, the canonical properties by reference."""
    manifest = dsc.manifest
    assert re.fullmatch(r"\w+(\.\w+){0,2}/\w+", manifest["type"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert manifest["$schema"].startswith("https://aka.ms/dsc/schemas/v3/")
    for method in ("get", "set", "test", "delete", "export", "whatIf"):
        assert manifest[method]["input"] == "stdin"
        assert (dsc.place.wrapper / manifest[method]["executable"]).stat().st_mode & 0o111
    known = manifest["schema"]["embedded"]["properties"]
    assert known["_exist"] == {"$ref": _REFERENCES + "exist.json"}
    assert known["_inDesiredState"] == {"$ref": _REFERENCES + "inDesiredState.json"}
    assert set(manifest["exitCodes"]) >= {"0", "1", "65", "69", "75", "77", "81"}


def test_every_property_is_a_key_of_the_declaration(dsc: Dsc, properties: Properties) -> None:
    """The engine accepts each name that the schema offers, so the two cannot drift apart."""
    about = {"path", "name", "_exist", "_inDesiredState", "installed"}
    samples = {"string": "x", "array": ["x"], "boolean": True}
    known = dsc.manifest["schema"]["embedded"]["properties"]
    for name in known.keys() - about:
        done, _ = dsc.call("whatIf", {**properties, name: samples[known[name]["type"]]})
        assert "unknown key" not in done.stderr.lower(), done.stderr


def test_what_if_writes_nothing_and_set_does_what_it_said(dsc: Dsc, properties: Properties) -> None:
    """whatIf and set answer with a state and the same list of names."""
    done, (state, differ) = dsc.call("whatIf", properties)
    assert (done.returncode, differ) == (0, ["_exist"])
    assert any("alpha" in text for text in state["_metadata"]["whatIf"])
    _valid(dsc, state)
    assert not Path(properties["path"]).exists()
    done, (state, differ) = dsc.call("set", properties)
    assert (done.returncode, differ) == (0, ["_exist"])
    assert state["_exist"] is True
    _valid(dsc, state)
    assert dsc.call("set", properties)[1][1] == []


def test_test_finds_drift_that_equality_of_properties_cannot(
    dsc: Dsc, properties: Properties
) -> None:
    """A deleted file is not in any property, and yet not the desired state."""
    dsc.call("set", properties)
    _, (state, differ) = dsc.call("test", properties)
    assert (state["_inDesiredState"], differ) == (True, [])
    delete_module(Path(properties["path"]))
    _, (state, differ) = dsc.call("test", properties)
    assert state["_inDesiredState"] is False
    assert differ != []
    _valid(dsc, state)


def test_get_says_whether_it_is_there(dsc: Dsc, properties: Properties) -> None:
    """Before and after, in one line that fits the schema."""
    for exists in (False, True):
        done, [state] = dsc.call("get", properties)
        assert (done.returncode, state["_exist"]) == (0, exists)
        _valid(dsc, state)
        dsc.call("set", properties)


def test_get_says_what_is_installed(dsc: Dsc, properties: Properties) -> None:
    """Versions as they are on the disk, not as they were asked for."""
    dsc.call("set", properties)
    _, [state] = dsc.call("get", properties)
    assert state["installed"] == {"alpha": "1.0"}


def test_delete_removes_it_and_says_nothing(dsc: Dsc, properties: Properties) -> None:
    """Twice, since what is gone is deleted too."""
    dsc.call("set", properties)
    for _ in range(2):
        done, lines = dsc.call("delete", {"path": properties["path"]})
        assert (done.returncode, lines) == (0, []), done.stderr
    assert not Path(properties["path"]).exists()


def test_export_lists_every_environment_that_is_declared(
    dsc: Dsc, properties: Properties, tmp_path: Path
) -> None:
    """One line for each, those that are not there yet too."""
    declared = tmp_path / "declared"
    declared.mkdir()
    for name in ("api", "web"):
        path = dsc.place.folder / name
        (declared / f"{name}.toml").write_text(f'[venv.{name}]\npath = "{path}"\npackages = []\nno-index = true\n')
    dsc.call("set", {**properties, "packages": []})
    done, lines = dsc.call("export", None, CONVERGE_DECLARATIONS=str(declared))
    assert done.returncode == 0, done.stderr
    assert [(state["name"], state["_exist"]) for state in lines] == [("api", False), ("web", True)]
    for state in lines:
        _valid(dsc, state)


def test_a_failure_is_lines_of_json_on_standard_error_and_a_code_of_the_manifest(
    dsc: Dsc, properties: Properties
) -> None:
    """No package of that name: an error line, no state, a listed exit code."""
    done, lines = dsc.call("set", {**properties, "packages": ["nothing-like-it"]})
    assert lines == []
    assert str(done.returncode) in dsc.manifest["exitCodes"]
    errors = [json.loads(line)["error"] for line in done.stderr.splitlines()]
    assert any("nothing-like-it" in text for text in errors)
