"""The DSC resource: its manifest by DSC's rules, and each method by the manifest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.errors import ConvergeError, StalePlan
from engine.problems import DeclarationError
from engine.value import fields
from states.venv.spec import Venv
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


def test_the_manifest_says_what_each_exit_code_means(dsc: Dsc) -> None:
    """All of the engine's, but that of a saved plan, which no method has; and the adapter's own."""
    engine = {DeclarationError.code, *(kind.code for kind in known_errors(ConvergeError))}
    engine -= {StalePlan.code}
    stopped = {128 + number for number in (SIGHUP, SIGINT, SIGTERM)}
    assert dsc.manifest["exitCodes"].keys() == {str(code) for code in {0, 127} | engine | stopped}


def known_errors(kind: type[ConvergeError]) -> Iterator[type[ConvergeError]]:
    """Yield a class of errors and all below it that the engine itself has."""
    if kind.__module__ == "engine.errors":
        yield kind
    for one in kind.__subclasses__():
        yield from known_errors(one)


def test_every_property_is_a_key_of_the_declaration(dsc: Dsc, properties: Properties) -> None:
    """The engine accepts each name that the schema offers, so the two cannot drift apart."""
    about = {"path", "name", "_exist", "_inDesiredState", "_metadata", "installed"}
    samples = {"string": "x", "array": ["x"], "boolean": True, "integer": 1}
    known = dsc.manifest["schema"]["embedded"]["properties"]
    for name in known.keys() - about:
        done, _ = dsc.call("whatIf", {**properties, name: samples[known[name]["type"]]})
        assert "unknown key" not in done.stderr.lower(), done.stderr


def test_every_key_of_the_declaration_is_a_property(dsc: Dsc) -> None:
    """But what stands for itself in DSC: dependencies and whether it is there."""
    keys = {
        re.sub("_([a-z])", lambda found: found[1].upper(), key)
        for key, one in fields(Venv).items()
        if not one.derived
    }
    known = dsc.manifest["schema"]["embedded"]["properties"]
    assert keys - {"needs", "state"} <= known.keys()


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


@pytest.mark.parametrize("said", ["everything", "the path"])
def test_what_get_says_is_what_set_would_make(
    dsc: Dsc, properties: Properties, world: World, said: str
) -> None:
    """Nothing would change by it, whether or not the asker named the packages."""
    direct = next(world.wheels.glob("gamma-*"))
    dsc.call(
        "set",
        {
            **properties,
            "packages": ["alpha==1.0", f"gamma @ file://{direct}"],
            "persistent": ["data"],
        },
    )
    sources = {name: properties[name] for name in ("path", "findLinks", "noIndex")} | {
        "persistent": ["data"]
    }
    _, [state] = dsc.call("get", properties | sources if said == "everything" else sources)
    _valid(dsc, state)
    assert state["python"] == PYTHON
    assert state["packages"] == ["alpha==1.0", f"gamma @ file://{direct}"]
    done, (after, differ) = dsc.call("test", state)
    assert (after["_inDesiredState"], differ) == (True, []), done.stderr


def test_get_needs_nothing_but_the_path(dsc: Dsc, properties: Properties) -> None:
    """No package must be found, no file of the declaration be there, to say what is on the disk."""
    dsc.call("set", properties)
    wrong = {"packages": ["nothing-like-it"], "requirements": ["/nowhere.txt"], "python": "2.7"}
    done, [state] = dsc.call("get", properties | wrong)
    assert (done.returncode, state["installed"]) == (0, {"alpha": "1.0"}), done.stderr


def test_get_keeps_to_the_lock(dsc: Dsc, properties: Properties) -> None:
    """A lock names each version and file, so versions beside it would only ask an index once more."""
    lock = dsc.place.folder / "web.pylock.toml"
    table = {
        "path": "x",
        "python": PYTHON,
        "packages": ["alpha==1.0"],
        "find-links": properties["findLinks"],
        "no-index": True,
    }
    declared = dsc.place.folder / "web.toml"
    declared.write_text(
        "[venv.web]\n" + "".join(f"{key} = {json.dumps(one)}\n" for key, one in table.items())
    )
    done = dsc.place.run([dsc.place.engine, "lock", declared])
    assert done.returncode == 0, done.stderr
    locked = {"path": properties["path"], "python": PYTHON, "lock": str(lock)}
    done, _ = dsc.call("set", locked)
    assert done.returncode == 0, done.stderr
    _, [state] = dsc.call("get", locked)
    assert "packages" not in state
    assert dsc.call("test", state)[1][0]["_inDesiredState"] is True


def test_delete_removes_it_and_says_nothing(dsc: Dsc, properties: Properties) -> None:
    """Twice, since what is gone is deleted too."""
    dsc.call("set", properties)
    for _ in range(2):
        done, lines = dsc.call("delete", {"path": properties["path"]})
        assert (done.returncode, lines) == (0, []), done.stderr
    assert not Path(properties["path"]).exists()


def _export(dsc: Dsc, declared: Path, **tables: str) -> list[Properties]:
    declared.mkdir(exist_ok=True)
    for name, lines in tables.items():
        path = dsc.place.folder / name
        (declared / f"{name}.toml").write_text(f'[venv.{name}]\npath = "{path}"\n{lines}\n')
    done, states = dsc.call("export", None, CONVERGE_DECLARATIONS=str(declared))
    assert done.returncode == 0, done.stderr
    for state in states:
        _valid(dsc, state)
    return states


def test_export_lists_every_environment_that_is_declared(
    dsc: Dsc, properties: Properties, tmp_path: Path
) -> None:
    """One line for each that shall be there, be it there or not, and whether or not it could be made."""
    dsc.call("set", {**properties, "packages": []})
    empty = "packages = []\nno-index = true"
    absent = 'state = "absent"'
    states = _export(
        dsc, tmp_path / "d", api='packages = ["nothing-like-it"]', old=absent, web=empty
    )
    assert [(state["name"], state["_exist"]) for state in states] == [("api", False), ("web", True)]


def test_what_was_exported_is_what_set_would_make(
    dsc: Dsc, properties: Properties, world: World, tmp_path: Path
) -> None:
    """Each line as it stands, given back to the resource, is in its desired state: there and not there."""
    links = (
        f'find-links = ["{world.wheels}"]\nno-index = true\npersistent = ["data"]\nmode = "0750"'
    )
    dsc.call("set", properties | {"persistent": ["data"], "mode": "0750"})
    states = _export(
        dsc, tmp_path / "d", web=f'packages = ["alpha<2"]\n{links}', api="packages = []"
    )
    for state in states:
        done, (after, differ) = dsc.call("test", state)
        assert (after["_inDesiredState"], differ) == (True, []), done.stderr
    assert states[1]["packages"] == ["alpha==1.0"]


def test_a_password_in_a_declaration_is_not_exported(
    dsc: Dsc, properties: Properties, tmp_path: Path
) -> None:
    """What is declared is handed on, a password in a URL is not."""
    dsc.call("set", properties | {"packages": []})
    url = "https://deploy:c4nary@wheels.example/simple"
    [state] = _export(
        dsc, tmp_path / "d", web=f'packages = []\nindex-url = "{url}"\nextra-index-url = ["{url}"]'
    )
    assert "wheels.example" in state["indexUrl"]
    assert "c4nary" not in json.dumps(state)


def test_a_failure_is_lines_of_json_on_standard_error_and_a_code_of_the_manifest(
    dsc: Dsc, properties: Properties
) -> None:
    """No package of that name: an error line, no state, a listed exit code."""
    done, lines = dsc.call("set", {**properties, "packages": ["nothing-like-it"]})
    assert lines == []
    assert str(done.returncode) in dsc.manifest["exitCodes"]
    errors = [json.loads(line)["error"] for line in done.stderr.splitlines()]
    assert any("nothing-like-it" in text for text in errors)
    done, lines = dsc.call("set", {**properties, "mode": "0775"})
    assert lines == []
    assert json.loads(done.stderr.splitlines()[0])["error"].startswith("<stdin>: `0775` would let")


@pytest.mark.parametrize("given", ["", "{}", "[]", "7", "not JSON"])
def test_input_that_holds_no_path_is_an_error_line(dsc: Dsc, given: str) -> None:
    """And a wrong use of the command, by its exit code."""
    done = dsc.place.run([dsc.place.wrapper / "converge-dsc", "get"], give=given)
    assert (done.returncode, done.stdout) == (64, "")
    [line] = done.stderr.splitlines()
    assert "path" in json.loads(line)["error"]


@pytest.mark.parametrize("words", [(), ("tset",), ("get", "set"), ("--help",)])
def test_what_is_no_method_is_an_error_line_that_names_them(
    dsc: Dsc, properties: Properties, words: tuple[str, ...]
) -> None:
    """Before anything is read or done."""
    command = [dsc.place.wrapper / "converge-dsc", *words]
    done = dsc.place.run(command, give=json.dumps(properties))
    assert (done.returncode, done.stdout) == (64, "")
    [line] = done.stderr.splitlines()
    assert "get|test|set" in json.loads(line)["error"]


@pytest.mark.parametrize("answer", ["[]", "null", "usage: converge", '{"format_version": 1}'])
def test_an_engine_that_answers_anything_else_is_an_error_line(
    dsc: Dsc, properties: Properties, answer: str
) -> None:
    """With its remedy."""
    other = dsc.place.folder / "other"
    other.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{answer}'\n")
    other.chmod(0o755)
    done, _ = dsc.call("get", properties, CONVERGE_EXECUTABLE=str(other))
    [line] = done.stderr.splitlines()
    assert (done.returncode, "Install venv-converge" in json.loads(line)["error"]) == (127, True)


@pytest.mark.parametrize("folder", [".venv", "my web", "wëb", "…", "web-1.0"])
def test_a_path_of_any_name_gives_a_name(dsc: Dsc, properties: Properties, folder: str) -> None:
    """Nobody gave one, so nobody is told that it is wrong."""
    done, _ = dsc.call("test", properties | {"path": str(dsc.place.folder / folder)})
    assert done.returncode == 0, done.stderr


def test_what_differs_is_named_by_properties_of_the_resource(
    dsc: Dsc, properties: Properties
) -> None:
    """Not by the engine's own words."""
    dsc.call("set", properties)
    known = dsc.manifest["schema"]["embedded"]["properties"].keys()
    others: list[tuple[Properties, set[str]]] = [
        ({"packages": ["alpha==2.0"]}, {"packages"}),
        ({"mode": "0750"}, {"mode"}),
        ({"systemSitePackages": True}, {"systemSitePackages"}),
        ({"persistent": ["data"]}, {"persistent"}),
    ]
    for other, expected in others:
        _, (_, differ) = dsc.call("test", properties | other)
        assert expected <= set(differ) <= known
    delete_module(Path(properties["path"]))
    assert dsc.call("test", properties)[1][1] == ["installed"]


def test_what_the_engine_remarks_is_a_line_of_warning(dsc: Dsc, properties: Properties) -> None:
    """And what it suggests stands beside what is wrong."""
    for packages in (["alpha==1.0"], ["alpha==2.0"]):
        dsc.call("set", properties | {"packages": packages})
    table = {
        "path": properties["path"],
        "python": PYTHON,
        "packages": ["alpha==2.0"],
        "find-links": properties["findLinks"],
        "no-index": True,
    }
    done = dsc.place.run(
        [dsc.place.engine, "rollback", "-", "web"], give=json.dumps({"venv": {"web": table}})
    )
    assert done.returncode == 0, done.stderr
    done, _ = dsc.call("test", properties | {"packages": ["alpha==2.0"]})
    assert "rollback" in json.loads(done.stderr.splitlines()[0])["warn"]
    done, _ = dsc.call("test", properties | {"packges": []})
    assert "did you mean `packages`?" in json.loads(done.stderr.splitlines()[0])["error"]
