"""The Salt modules beyond the table: requisites, loading, failures, and the way without code."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from tests.support.wheels import make_wheel
from tests.wrappers.callers.caller import Place
from tests.wrappers.callers.salt import Salt
from tests.wrappers.world import PYTHON, World

States = dict[str, Any]


@pytest.fixture
def salt(place: Callable[[str], Place], tool: Callable[[str], Path]) -> Salt:
    """A minion without a master."""
    return Salt(place("salt"), tool("salt"))


def _venv(salt: Salt, world: World, name: str, *packages: str) -> States:
    common = {"python": PYTHON, "find-links": [str(world.wheels)], "no-index": True}
    return common | {"path": str(salt.place.folder / name), "packages": list(packages)}


def _applied(salt: Salt, world: World, **venvs: list[str]) -> list[States]:
    tables = {name: _venv(salt, world, name, *packages) for name, packages in venvs.items()}
    return [{"declaration": {"venv": tables}}, {"executable": str(salt.place.engine)}]


def _marks(salt: Salt, *requisites: str) -> tuple[States, Callable[[], list[str]]]:
    """Return states that write a line when their requisite fires, and how to read the lines."""
    log = salt.place.folder / "fired"
    states = {
        requisite: {
            "cmd.run": [{"name": f"echo {requisite} >> {log}"}, {requisite: [{"converge": "envs"}]}]
        }
        for requisite in requisites
    }
    return states, lambda: sorted(log.read_text().split()) if log.exists() else []


def test_onchanges_fires_exactly_when_something_changed(salt: Salt, world: World) -> None:
    """Once for the first run; not for a dry one, nor for one that changes nothing."""
    marks, fired = _marks(salt, "onchanges")
    states = {"envs": {"converge.applied": _applied(salt, world, web=["alpha"])}} | marks
    dry = salt.apply(states, dry=True)
    assert dry["envs converge.applied"]["result"] is None
    assert dry["onchanges cmd.run"]["result"] is None
    assert fired() == []
    for _ in range(2):
        said = salt.apply(states)
        assert said["onchanges cmd.run"]["result"] is True
    assert fired() == ["onchanges"]


def test_watch_of_another_state_fires_exactly_when_something_changed(
    salt: Salt, world: World
) -> None:
    """`cmd.wait` has a mod_watch, which is what restarts a service."""
    log = salt.place.folder / "fired"
    wait = {"cmd.wait": [{"name": f"echo watch >> {log}"}, {"watch": [{"converge": "envs"}]}]}
    for _ in range(2):
        salt.apply(
            {"envs": {"converge.applied": _applied(salt, world, web=["alpha"])}, "wait": wait}
        )
    assert log.read_text() == "watch\n"


def test_prereq_runs_before_a_change_that_is_to_come(salt: Salt, world: World) -> None:
    """A state that must run before the switch sees the change foretold, and the old disk."""
    log = salt.place.folder / "fired"
    seen = f"test -e {salt.place.folder / 'web'} && echo late >> {log} || echo early >> {log}"
    before = {"cmd.run": [{"name": seen}, {"prereq": [{"converge": "envs"}]}]}
    envs = {"converge.applied": _applied(salt, world, web=["alpha"])}
    for _ in range(2):
        salt.apply({"before": before, "envs": envs})
    assert log.read_text() == "early\n"


def test_what_the_state_watches_makes_it_look_again(salt: Salt, world: World) -> None:
    """`watch` on a file is no degraded `require`: mod_watch runs and answers like the state."""
    touched = salt.place.folder / "touched"
    envs = [*_applied(salt, world, web=["alpha"]), {"watch": [{"file": str(touched)}]}]
    states = {
        str(touched): {"file.managed": [{"contents": "1"}]},
        "envs": {"converge.applied": envs},
    }
    salt.apply({"envs": {"converge.applied": envs[:-1]}})
    said = salt.apply(states)
    assert said["envs converge.applied"]["result"] is True
    assert said["envs converge.applied"]["changes"] == {}


def test_each_environment_of_a_declaration_has_a_line_of_its_own(salt: Salt, world: World) -> None:
    """Two environments, of which one changes: two lines, and only one with changes."""
    salt.apply({"envs": {"converge.applied": _applied(salt, world, web=["alpha"], api=["gamma"])}})
    both = _applied(salt, world, web=["alpha==1.0"], api=["gamma"])
    said = salt.apply({"envs": {"converge.applied": both}}, dry=True)
    assert said["venv.web converge.applied"]["result"] is None
    assert said["venv.web converge.applied"]["changes"]["alpha"] == {
        "old": "2.1.0+cpu",
        "new": "1.0",
    }
    assert said["venv.api converge.applied"]["result"] is True
    assert said["venv.api converge.applied"]["changes"] == {}


def test_states_may_run_in_parallel(salt: Salt, world: World) -> None:
    """Two states at once, even over one environment, wait for each other's lock."""
    one = _applied(salt, world, web=["alpha"])
    states = {name: {"converge.applied": [*one, {"parallel": True}]} for name in ("a", "b")}
    said = salt.apply(states)
    assert [said[f"{name} converge.applied"]["result"] for name in "ab"] == [True, True]
    assert sum(bool(said[f"{name} converge.applied"]["changes"]) for name in "ab") == 1


@pytest.mark.parametrize("dry", [True, False])
def test_a_failure_is_a_result_and_no_traceback(salt: Salt, world: World, dry: bool) -> None:
    """No engine, no such package, no such file, no such option: each is False with its reason."""
    engine = {"executable": str(salt.place.engine)}
    states = {
        "missing": {
            "converge.applied": [
                *_applied(salt, world, web=["alpha"])[:1],
                {"executable": "/nowhere/c"},
            ]
        },
        "nothing": {"converge.applied": _applied(salt, world, web=["nothing-like-it"])},
        "/nowhere/x.toml": {"converge.applied": [engine]},
        "typo": {"converge.applied": [engine, {"fils": "x.toml"}]},
        "both": {
            "converge.applied": [
                engine,
                {"files": "x"},
                {"declaration": {"venv": {}}},
                {"only": "a"},
            ]
        },
        "number": {
            "converge.applied": [*_applied(salt, world, web=["alpha"]), {"secrets": {"W": 5}}]
        },
        "listed": {"converge.applied": [*_applied(salt, world, web=["alpha"]), {"secrets": ["W"]}]},
        "unknown": {
            "converge.applied": [engine, {"declaration": {"venv": {"web": {"packges": []}}}}]
        },
    }
    words = {
        "missing": "Install venv-converge",
        "nothing": "nothing-like-it",
        "/nowhere/x.toml": "/nowhere/x.toml",
        "typo": "fils",
        "both": "either files or a declaration",
        "number": "The secret W is not to be found at 5",
        "listed": "`secrets` must be names",
        "unknown": "<stdin>: unknown key `packges` in [venv.web] at venv.web.packges\ndid you mean",
    }
    said = salt.apply(states, dry=dry)
    for name, word in words.items():
        answer = said[f"{name} converge.applied"]
        assert answer["result"] is False
        assert word in str(answer["comment"])
        assert "Traceback" not in str(answer["comment"])
        assert len(set(answer["comment"].splitlines())) == len(answer["comment"].splitlines())


def test_a_declaration_of_nothing_is_one(salt: Salt) -> None:
    """It is not taken for a missing one, nor the state's name for a file."""
    options = [{"declaration": {}}, {"executable": str(salt.place.engine)}]
    assert (
        salt.apply({"nothing": {"converge.applied": options}})["nothing converge.applied"]["result"]
        is True
    )


def test_what_the_engine_remarks_is_in_the_comment(salt: Salt, world: World) -> None:
    """A name that is no longer declared is not removed unasked, but told."""
    declared = salt.place.folder / "web.toml"
    tables = [_toml(_venv(salt, world, name)).replace("web", name) for name in ("web", "api")]
    for text in ("".join(tables), tables[0]):
        declared.write_text(text)
        said = salt.apply(
            {str(declared): {"converge.applied": [{"executable": str(salt.place.engine)}]}}
        )
    assert "`venv.api` is no longer declared" in said[f"{declared} converge.applied"]["comment"]


def test_no_package_is_lost_for_its_name_and_no_digest_is_told(salt: Salt, world: World) -> None:
    """A package may be called as an attribute of the environment."""
    make_wheel(world.wheels, "path", "1.0")
    said = salt.apply({"envs": {"converge.applied": _applied(salt, world, web=["path", "gamma"])}})
    changes = said["envs converge.applied"]["changes"]["venv.web"]
    assert changes["path"]["new"] == str(salt.place.folder / "web")
    assert changes["package.path"] == {"old": "", "new": "1.0"}
    assert changes["gamma"] == {"old": "", "new": "1.0"}
    assert not changes.keys() & {"artifacts", "settings"}


def test_the_execution_module_fails_by_its_return_code(salt: Salt) -> None:
    """`salt '*' converge.apply` of what cannot be applied is no success in any job."""
    words = (str(salt.place.folder / "nowhere.toml"), f"executable={salt.place.engine}", "jobs=1")
    code, answer, _ = salt.call("converge.apply", *words)
    assert answer["failed"] is True
    assert code == answer["exit"]["code"] != 0


def test_the_execution_module_answers_with_the_engines_document(salt: Salt, world: World) -> None:
    """`salt '*' converge.plan` and its fellows, for people and for other modules."""
    declared = salt.place.folder / "web.json"
    declared.write_text(json.dumps({"venv": {"web": _venv(salt, world, "web", "alpha")}}))
    toml = salt.place.folder / "web.toml"
    toml.write_text(_toml(json.loads(declared.read_text())["venv"]["web"]))
    engine = f"executable={salt.place.engine}"
    assert salt.call("converge.plan", str(toml), engine)[1]["changed"] is True
    for words in ((), ("jobs=2", "prune=True", "upgrade=True")):
        assert salt.call("converge.check", str(toml), engine, *words)[1]["exit"]["code"] == 2
    assert salt.call("converge.apply", str(toml), engine, "only=venv.web")[1]["changed"] is True
    assert salt.call("converge.check", str(toml), engine)[1]["exit"]["code"] == 0
    version = salt.place.run([salt.place.engine, "version", "--json"]).stdout
    assert salt.call("converge.version", engine)[1] == json.loads(version)["version"]


@pytest.mark.parametrize("function", ["version", "plan /nowhere.toml"])
def test_the_execution_module_says_what_to_install(salt: Salt, function: str) -> None:
    """Where the engine is not there, by whatever function it was asked for."""
    code, answer, said = salt.call(*f"converge.{function}".split(), "executable=/nowhere/converge")
    assert code != 0
    assert "Install venv-converge" in f"{answer}{said}"


def _toml(table: States) -> str:
    return "[venv.web]\n" + "".join(
        f"{key} = {json.dumps(value)}\n" for key, value in table.items()
    )


def test_the_package_is_loaded_by_its_entry_point(
    salt: Salt, wrappers: Path, tool: Callable[[str], Path]
) -> None:
    """Installed as `saltext.converge`, with no `_states` at all, the modules are there."""
    packages = salt.place.folder / "packages"
    words = [find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--target", str(packages)]
    copy = salt.place.folder / "source"
    subprocess.run(["cp", "-r", str(wrappers / "salt" / "saltext.converge"), str(copy)], check=True)
    subprocess.run([*words, "--python", str(salt.bin / "python"), str(copy)], check=True)
    for kind in ("_states", "_modules"):
        subprocess.run(["rm", "-r", str(salt.tree / kind)], check=True)
    salt.call("saltutil.sync_all")
    assert salt.call("sys.list_functions", "converge")[1] == []
    place = salt.place
    salt.place = Place(
        folder=place.folder,
        engine=place.engine,
        wrapper=place.wrapper,
        environ={**place.environ, "PYTHONPATH": str(packages)},
    )
    functions = salt.call("sys.list_functions", "converge")[1]
    assert functions == ["converge.apply", "converge.check", "converge.plan", "converge.version"]
    assert salt.call("sys.list_state_functions", "converge")[1] == [
        "converge.applied",
        "converge.mod_watch",
    ]


def test_cmd_run_alone_tells_the_truth_by_stateful(salt: Salt, world: World) -> None:
    """Without a line of our code on the minion: None, then changes, then nothing."""
    declared = salt.place.folder / "web.toml"
    declared.write_text(_toml(_venv(salt, world, "web", "alpha")))
    engine, options = salt.place.engine, f"{declared} --json --quiet"
    stateful = [{"test_name": f"{engine} plan {options}"}]
    run = {"cmd.run": [{"name": f"{engine} apply {options}"}, {"stateful": stateful}]}
    assert salt.apply({"web": run}, dry=True)["web cmd.run"]["result"] is None
    first = salt.apply({"web": run})["web cmd.run"]
    assert first["result"] is True
    assert first["changes"]["changed"] is True
    again = salt.apply({"web": run})["web cmd.run"]
    assert (again["result"], again["changes"]) == (True, {})
    assert salt.apply({"web": run}, dry=True)["web cmd.run"]["result"] is True
