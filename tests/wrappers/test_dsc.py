"""The DSC resource: the manifest follows DSC's rules, and each method follows the manifest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.declaration.diagnostics import DeclarationError
from engine.errors import ConvergeError, StalePlan
from engine.frozen import fields
from states.venv.spec import Venv
from tests.wrappers.callers.caller import Workspace
from tests.wrappers.callers.dsc import Dsc
from tests.wrappers.drift import delete_module
from tests.wrappers.sources import PYTHON, Sources

Properties = dict[str, Any]
_REFERENCES = "https://aka.ms/dsc/schemas/v3/resource/properties/"


@pytest.fixture
def dsc(make_workspace: Callable[[str], Workspace]) -> Dsc:
    """The resource, called in the same way as `dsc` calls it."""
    return Dsc(make_workspace("dsc"))


@pytest.fixture
def properties(dsc: Dsc, sources: Sources) -> Properties:
    """A venv with one package."""
    return {
        "path": str(dsc.workspace.directory / "web"),
        "python": PYTHON,
        "packages": ["alpha==1.0"],
        "findLinks": [str(sources.wheels)],
        "noIndex": True,
    }


def _validate(dsc: Dsc, state: Properties) -> None:
    """Validate a state against the embedded schema, whose two references are booleans."""
    schema = json.loads(json.dumps(dsc.manifest["schema"]["embedded"]))
    for name, value in schema["properties"].items():
        if "$ref" in value:
            schema["properties"][name] = {"type": "boolean"}
    Draft202012Validator(schema).validate(state)


def test_manifest_follows_the_dsc_rules(dsc: Dsc) -> None:
    """DSC checks the type, version, inputs, and canonical properties before it runs a method."""
    manifest = dsc.manifest
    assert re.fullmatch(r"\w+(\.\w+){0,2}/\w+", manifest["type"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert manifest["$schema"].startswith("https://aka.ms/dsc/schemas/v3/")
    for method in ("get", "set", "test", "delete", "export", "whatIf"):
        assert manifest[method]["input"] == "stdin"
        assert (dsc.workspace.wrapper / manifest[method]["executable"]).stat().st_mode & 0o111
    schema_properties = manifest["schema"]["embedded"]["properties"]
    assert schema_properties["_exist"] == {"$ref": _REFERENCES + "exist.json"}
    assert schema_properties["_inDesiredState"] == {"$ref": _REFERENCES + "inDesiredState.json"}


def test_manifest_lists_every_exit_code(dsc: Dsc) -> None:
    """The manifest lists all exit codes of converge and the adapter, except that of a stale plan."""
    executable = {DeclarationError.code, *(kind.code for kind in known_errors(ConvergeError))}
    executable -= {StalePlan.code}
    stopped = {128 + number for number in (SIGHUP, SIGINT, SIGTERM)}
    assert dsc.manifest["exitCodes"].keys() == {
        str(code) for code in {0, 127} | executable | stopped
    }


def known_errors(kind: type[ConvergeError]) -> Iterator[type[ConvergeError]]:
    """Yield an error class and its subclasses, if engine.errors defines them."""
    if kind.__module__ == "engine.errors":
        yield kind
    for subclass in kind.__subclasses__():
        yield from known_errors(subclass)


@pytest.mark.extended
def test_manifest_property_is_a_declaration_key(dsc: Dsc, properties: Properties) -> None:
    """converge accepts every property name in the schema as a key."""
    not_keys = {"path", "name", "_exist", "_inDesiredState", "_metadata", "installed"}
    samples = {
        "string": "x",
        "array": ["x"],
        "boolean": True,
        "integer": 1,
        "object": {"alpha": "x"},
    }
    schema_properties = dsc.manifest["schema"]["embedded"]["properties"]
    for name in schema_properties.keys() - not_keys:
        completed, _ = dsc.call(
            "whatIf", {**properties, name: samples[schema_properties[name]["type"]]}
        )
        assert "unknown key" not in completed.stderr.lower(), completed.stderr


def test_manifest_has_a_property_for_every_key(dsc: Dsc) -> None:
    """The exceptions have their own form in DSC: dependencies, and whether the venv exists."""
    keys = {
        re.sub("_([a-z])", lambda match: match[1].upper(), key)
        for key, field in fields(Venv).items()
        if not field.computed
    }
    schema_properties = dsc.manifest["schema"]["embedded"]["properties"]
    assert keys - {"needs", "state"} <= schema_properties.keys()


def test_whatif_writes_nothing_and_matches_set(dsc: Dsc, properties: Properties) -> None:
    """whatIf and set return a state and the same list of names."""
    completed, (state, differ) = dsc.call("whatIf", properties)
    assert (completed.returncode, differ) == (0, ["_exist"])
    assert any("alpha" in text for text in state["_metadata"]["whatIf"])
    _validate(dsc, state)
    assert not Path(properties["path"]).exists()
    completed, (state, differ) = dsc.call("set", properties)
    assert (completed.returncode, differ) == (0, ["_exist"])
    assert state["_exist"] is True
    _validate(dsc, state)
    assert dsc.call("set", properties)[1][1] == []


def test_test_detects_a_deleted_file(dsc: Dsc, properties: Properties) -> None:
    """No property describes a deleted file, but the venv isn't in the desired state."""
    dsc.call("set", properties)
    _, (state, differ) = dsc.call("test", properties)
    assert (state["_inDesiredState"], differ) == (True, [])
    delete_module(Path(properties["path"]))
    _, (state, differ) = dsc.call("test", properties)
    assert state["_inDesiredState"] is False
    assert differ != []
    _validate(dsc, state)


def test_get_reports_whether_the_venv_exists(dsc: Dsc, properties: Properties) -> None:
    """get prints one line that matches the schema, before and after the venv is created."""
    for exists in (False, True):
        completed, [state] = dsc.call("get", properties)
        assert (completed.returncode, state["_exist"]) == (0, exists)
        _validate(dsc, state)
        dsc.call("set", properties)


def test_get_reports_installed_versions(dsc: Dsc, properties: Properties) -> None:
    """get reports the versions on the disk, not the requested ones."""
    dsc.call("set", properties)
    _, [state] = dsc.call("get", properties)
    assert state["installed"] == {"alpha": "1.0"}


@pytest.mark.extended
@pytest.mark.parametrize("given", ["all properties", "only the path"])
def test_get_result_is_in_the_desired_state(
    dsc: Dsc, properties: Properties, sources: Sources, given: str
) -> None:
    """The result of get changes nothing, whether or not the input listed the packages."""
    direct = next(sources.wheels.glob("gamma-*"))
    dsc.call(
        "set",
        {
            **properties,
            "packages": ["alpha==1.0", f"gamma @ file://{direct}"],
            "persistent": ["data"],
        },
    )
    without_packages = {name: properties[name] for name in ("path", "findLinks", "noIndex")} | {
        "persistent": ["data"]
    }
    everything = properties | without_packages
    _, [state] = dsc.call("get", everything if given == "all properties" else without_packages)
    _validate(dsc, state)
    assert state["python"] == PYTHON
    assert state["packages"] == ["alpha==1.0", f"gamma @ file://{direct}"]
    completed, (after, differ) = dsc.call("test", state)
    assert (after["_inDesiredState"], differ) == (True, []), completed.stderr


@pytest.mark.extended
def test_get_needs_only_the_path(dsc: Dsc, properties: Properties) -> None:
    """get reads the disk even if the packages and files of the input don't exist."""
    dsc.call("set", properties)
    wrong = {"packages": ["nothing-like-it"], "requirements": ["/nowhere.txt"], "python": "2.7"}
    completed, [state] = dsc.call("get", properties | wrong)
    assert (completed.returncode, state["installed"]) == (0, {"alpha": "1.0"}), completed.stderr


@pytest.mark.extended
def test_get_uses_the_lockfile(dsc: Dsc, properties: Properties) -> None:
    """A lockfile pins every file, so get returns no packages, which would need another resolution."""
    lock = dsc.workspace.directory / "pylock.web.toml"
    table = {
        "path": "x",
        "python": PYTHON,
        "packages": ["alpha==1.0"],
        "find-links": properties["findLinks"],
        "no-index": True,
    }
    declared = dsc.workspace.directory / "web.toml"
    declared.write_text(
        "[venv.web]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    )
    completed = dsc.workspace.run([dsc.workspace.executable, "lock", declared])
    assert completed.returncode == 0, completed.stderr
    locked = {"path": properties["path"], "python": PYTHON, "lock": str(lock)}
    completed, _ = dsc.call("set", locked)
    assert completed.returncode == 0, completed.stderr
    _, [state] = dsc.call("get", locked)
    assert "packages" not in state
    assert dsc.call("test", state)[1][0]["_inDesiredState"] is True


def test_delete_removes_the_venv_and_prints_nothing(dsc: Dsc, properties: Properties) -> None:
    """delete succeeds again if the venv doesn't exist."""
    dsc.call("set", properties)
    for _ in range(2):
        completed, lines = dsc.call("delete", {"path": properties["path"]})
        assert (completed.returncode, lines) == (0, []), completed.stderr
    assert not Path(properties["path"]).exists()


def _export(dsc: Dsc, declared: Path, **tables: str) -> list[Properties]:
    declared.mkdir(exist_ok=True)
    for name, lines in tables.items():
        path = dsc.workspace.directory / name
        (declared / f"{name}.toml").write_text(f'[venv.{name}]\npath = "{path}"\n{lines}\n')
    completed, states = dsc.call("export", None, CONVERGE_DECLARATIONS=str(declared))
    assert completed.returncode == 0, completed.stderr
    for state in states:
        _validate(dsc, state)
    return states


@pytest.mark.extended
def test_export_lists_every_declared_venv(dsc: Dsc, properties: Properties, tmp_path: Path) -> None:
    """export prints one line for each declared venv, whether or not it exists or can be built."""
    dsc.call("set", {**properties, "packages": []})
    empty = "packages = []\nno-index = true"
    absent = 'state = "absent"'
    states = _export(
        dsc, tmp_path / "d", api='packages = ["nothing-like-it"]', old=absent, web=empty
    )
    assert [(state["name"], state["_exist"]) for state in states] == [("api", False), ("web", True)]


@pytest.mark.extended
def test_exported_states_are_in_the_desired_state(
    dsc: Dsc, properties: Properties, sources: Sources, tmp_path: Path
) -> None:
    """Each exported state passes test unchanged, for existing and missing venvs."""
    links = (
        f'find-links = ["{sources.wheels}"]\nno-index = true\npersistent = ["data"]\nmode = "0750"'
    )
    dsc.call("set", properties | {"persistent": ["data"], "mode": "0750"})
    states = _export(
        dsc, tmp_path / "d", web=f'packages = ["alpha<2"]\n{links}', api="packages = []"
    )
    for state in states:
        completed, (after, differ) = dsc.call("test", state)
        assert (after["_inDesiredState"], differ) == (True, []), completed.stderr
    assert states[1]["packages"] == ["alpha==1.0"]


def test_export_omits_passwords(dsc: Dsc, properties: Properties, tmp_path: Path) -> None:
    """export keeps the index URL, and removes its password."""
    dsc.call("set", properties | {"packages": []})
    url = "https://deploy:c4nary@wheels.example/simple"
    [state] = _export(
        dsc, tmp_path / "d", web=f'packages = []\nindex-url = "{url}"\nextra-index-url = ["{url}"]'
    )
    assert "wheels.example" in state["indexUrl"]
    assert "c4nary" not in json.dumps(state)


def test_failure_prints_json_errors_and_a_listed_exit_code(
    dsc: Dsc, properties: Properties
) -> None:
    """A failed set prints error lines and no state, and its exit code is in the manifest."""
    completed, lines = dsc.call("set", {**properties, "packages": ["nothing-like-it"]})
    assert lines == []
    assert str(completed.returncode) in dsc.manifest["exitCodes"]
    errors = [json.loads(line)["error"] for line in completed.stderr.splitlines()]
    assert any("nothing-like-it" in text for text in errors)
    completed, lines = dsc.call("set", {**properties, "mode": "0775"})
    assert lines == []
    assert json.loads(completed.stderr.splitlines()[0])["error"].startswith(
        "<stdin>: mode `0775` lets other users"
    )


@pytest.mark.parametrize("text", ["", "{}", "[]", "7", "not JSON"])
def test_input_without_a_path_is_an_error_line(dsc: Dsc, text: str) -> None:
    """Invalid input has the exit code of a usage error."""
    completed = dsc.workspace.run([dsc.workspace.wrapper / "converge-dsc", "get"], stdin=text)
    assert (completed.returncode, completed.stdout) == (64, "")
    [line] = completed.stderr.splitlines()
    assert "path" in json.loads(line)["error"]


@pytest.mark.parametrize("arguments", [(), ("tset",), ("get", "set"), ("--help",)])
def test_unknown_method_error_lists_the_methods(
    dsc: Dsc, properties: Properties, arguments: tuple[str, ...]
) -> None:
    """The adapter rejects an unknown method before it reads its input."""
    command: list[str | Path] = [dsc.workspace.wrapper / "converge-dsc", *arguments]
    completed = dsc.workspace.run(command, stdin=json.dumps(properties))
    assert (completed.returncode, completed.stdout) == (64, "")
    [line] = completed.stderr.splitlines()
    assert "get|test|set" in json.loads(line)["error"]


@pytest.mark.extended
@pytest.mark.parametrize("report", ["[]", "null", "usage: converge", '{"format_version": 1}'])
def test_unreadable_report_is_an_error_line(dsc: Dsc, properties: Properties, report: str) -> None:
    """The error line contains a hint."""
    other = dsc.workspace.directory / "other"
    other.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{report}'\n")
    other.chmod(0o755)
    completed, _ = dsc.call("get", properties, CONVERGE_EXECUTABLE=str(other))
    [line] = completed.stderr.splitlines()
    assert (completed.returncode, "Install venv-converge" in json.loads(line)["error"]) == (
        127,
        True,
    )


@pytest.mark.extended
@pytest.mark.parametrize("directory", [".venv", "my web", "wëb", "…", "web-1.0"])
def test_path_yields_a_valid_venv_name(dsc: Dsc, properties: Properties, directory: str) -> None:
    """If the input has no name, the adapter derives a valid one from any path."""
    completed, _ = dsc.call("test", properties | {"path": str(dsc.workspace.directory / directory)})
    assert completed.returncode == 0, completed.stderr


def test_test_names_differing_properties(dsc: Dsc, properties: Properties) -> None:
    """test lists properties of the resource, not attributes of converge."""
    dsc.call("set", properties)
    schema_properties = dsc.manifest["schema"]["embedded"]["properties"].keys()
    changed_properties: list[tuple[Properties, set[str]]] = [
        ({"packages": ["alpha==2.0"]}, {"packages"}),
        ({"mode": "0750"}, {"mode"}),
        ({"systemSitePackages": True}, {"systemSitePackages"}),
        ({"persistent": ["data"]}, {"persistent"}),
    ]
    for changes, expected in changed_properties:
        _, (_, differ) = dsc.call("test", properties | changes)
        assert expected <= set(differ) <= schema_properties
    delete_module(Path(properties["path"]))
    assert dsc.call("test", properties)[1][1] == ["installed"]


@pytest.mark.extended
def test_notice_is_a_warning_line(dsc: Dsc, properties: Properties) -> None:
    """A notice is a warning line, and an error line contains the suggestion."""
    for packages in (["alpha==1.0"], ["alpha==2.0"]):
        dsc.call("set", properties | {"packages": packages})
    table = {
        "path": properties["path"],
        "python": PYTHON,
        "packages": ["alpha==2.0"],
        "find-links": properties["findLinks"],
        "no-index": True,
    }
    completed = dsc.workspace.run(
        [dsc.workspace.executable, "rollback", "-", "web"],
        stdin=json.dumps({"venv": {"web": table}}),
    )
    assert completed.returncode == 0, completed.stderr
    completed, _ = dsc.call("test", properties | {"packages": ["alpha==2.0"]})
    assert "rollback" in json.loads(completed.stderr.splitlines()[0])["warn"]
    completed, _ = dsc.call("test", properties | {"packges": []})
    assert "did you mean `packages`?" in json.loads(completed.stderr.splitlines()[0])["error"]
