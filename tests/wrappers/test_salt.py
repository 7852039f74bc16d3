"""The Salt modules: requisites, loading, failures, and `cmd.run` without the modules."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from tests.support.wheels import make_wheel
from tests.wrappers.callers.caller import Workspace
from tests.wrappers.callers.salt import Salt
from tests.wrappers.sources import PYTHON, Sources

States = dict[str, Any]


@pytest.fixture
def salt(make_workspace: Callable[[str], Workspace], tool: Callable[[str], Path]) -> Salt:
    """A minion without a master."""
    return Salt(make_workspace("salt"), tool("salt"))


def _venv(salt: Salt, sources: Sources, name: str, *packages: str) -> States:
    common = {"python": PYTHON, "find-links": [str(sources.wheels)], "no-index": True}
    return common | {"path": str(salt.workspace.directory / name), "packages": list(packages)}


def _applied(salt: Salt, sources: Sources, **venvs: list[str]) -> list[States]:
    tables = {name: _venv(salt, sources, name, *packages) for name, packages in venvs.items()}
    return [{"declaration": {"venv": tables}}, {"executable": str(salt.workspace.executable)}]


def _logging_states(salt: Salt, *requisites: str) -> tuple[States, Callable[[], list[str]]]:
    """Return states that log a line when their requisite fires, and a function to read the log."""
    log = salt.workspace.directory / "fired"
    states = {
        requisite: {
            "cmd.run": [{"name": f"echo {requisite} >> {log}"}, {requisite: [{"converge": "envs"}]}]
        }
        for requisite in requisites
    }
    return states, lambda: sorted(log.read_text().split()) if log.exists() else []


def test_onchanges_fires_only_after_a_change(salt: Salt, sources: Sources) -> None:
    """The requisite fires after the first run, but not after a dry run or a no-op."""
    logging, fired = _logging_states(salt, "onchanges")
    states = {"envs": {"converge.applied": _applied(salt, sources, web=["alpha"])}} | logging
    dry = salt.apply(states, dry=True)
    assert dry["envs converge.applied"]["result"] is None
    assert dry["onchanges cmd.run"]["result"] is None
    assert fired() == []
    for _ in range(2):
        results = salt.apply(states)
        assert results["onchanges cmd.run"]["result"] is True
    assert fired() == ["onchanges"]


@pytest.mark.extended
def test_watch_fires_only_after_a_change(salt: Salt, sources: Sources) -> None:
    """`cmd.wait` has a mod_watch, the function that restarts a service."""
    log = salt.workspace.directory / "fired"
    wait = {"cmd.wait": [{"name": f"echo watch >> {log}"}, {"watch": [{"converge": "envs"}]}]}
    for _ in range(2):
        salt.apply(
            {"envs": {"converge.applied": _applied(salt, sources, web=["alpha"])}, "wait": wait}
        )
    assert log.read_text() == "watch\n"


@pytest.mark.extended
def test_prereq_runs_before_the_change(salt: Salt, sources: Sources) -> None:
    """A `prereq` state runs because of a planned change, while the disk is still unchanged."""
    log = salt.workspace.directory / "fired"
    seen = (
        f"test -e {salt.workspace.directory / 'web'} && echo late >> {log} || echo early >> {log}"
    )
    before = {"cmd.run": [{"name": seen}, {"prereq": [{"converge": "envs"}]}]}
    envs = {"converge.applied": _applied(salt, sources, web=["alpha"])}
    for _ in range(2):
        salt.apply({"before": before, "envs": envs})
    assert log.read_text() == "early\n"


@pytest.mark.extended
def test_watched_file_triggers_mod_watch(salt: Salt, sources: Sources) -> None:
    """`watch` on a file isn't reduced to `require`: mod_watch runs and reports like the state."""
    touched = salt.workspace.directory / "touched"
    envs = [*_applied(salt, sources, web=["alpha"]), {"watch": [{"file": str(touched)}]}]
    states = {
        str(touched): {"file.managed": [{"contents": "1"}]},
        "envs": {"converge.applied": envs},
    }
    salt.apply({"envs": {"converge.applied": envs[:-1]}})
    results = salt.apply(states)
    assert results["envs converge.applied"]["result"] is True
    assert results["envs converge.applied"]["changes"] == {}


def test_state_reports_each_venv_separately(salt: Salt, sources: Sources) -> None:
    """With two venvs of which one changes, the state returns two results, one with changes."""
    salt.apply(
        {"envs": {"converge.applied": _applied(salt, sources, web=["alpha"], api=["gamma"])}}
    )
    both = _applied(salt, sources, web=["alpha==1.0"], api=["gamma"])
    results = salt.apply({"envs": {"converge.applied": both}}, dry=True)
    assert results["venv.web converge.applied"]["result"] is None
    assert results["venv.web converge.applied"]["changes"]["alpha"] == {
        "old": "2.1.0+cpu",
        "new": "1.0",
    }
    assert results["venv.api converge.applied"]["result"] is True
    assert results["venv.api converge.applied"]["changes"] == {}


@pytest.mark.extended
def test_states_can_run_in_parallel(salt: Salt, sources: Sources) -> None:
    """Two parallel states of the same venv wait for each other's lock."""
    options = _applied(salt, sources, web=["alpha"])
    states = {name: {"converge.applied": [*options, {"parallel": True}]} for name in ("a", "b")}
    results = salt.apply(states)
    assert [results[f"{name} converge.applied"]["result"] for name in "ab"] == [True, True]
    assert sum(bool(results[f"{name} converge.applied"]["changes"]) for name in "ab") == 1


@pytest.mark.parametrize("dry", [True, False])
def test_state_failure_is_a_result_without_traceback(
    salt: Salt, sources: Sources, dry: bool
) -> None:
    """Each failure returns a False result with its reason."""
    executable = {"executable": str(salt.workspace.executable)}
    states = {
        "missing": {
            "converge.applied": [
                *_applied(salt, sources, web=["alpha"])[:1],
                {"executable": "/nowhere/c"},
            ]
        },
        "nothing": {"converge.applied": _applied(salt, sources, web=["nothing-like-it"])},
        "/nowhere/x.toml": {"converge.applied": [executable]},
        "typo": {"converge.applied": [executable, {"fils": "x.toml"}]},
        "both": {
            "converge.applied": [
                executable,
                {"files": "x"},
                {"declaration": {"venv": {}}},
                {"only": "a"},
            ]
        },
        "number": {
            "converge.applied": [*_applied(salt, sources, web=["alpha"]), {"secrets": {"W": 5}}]
        },
        "listed": {
            "converge.applied": [*_applied(salt, sources, web=["alpha"]), {"secrets": ["W"]}]
        },
        "unknown": {
            "converge.applied": [executable, {"declaration": {"venv": {"web": {"packges": []}}}}]
        },
    }
    messages = {
        "missing": "Install venv-converge",
        "nothing": "nothing-like-it",
        "/nowhere/x.toml": "/nowhere/x.toml",
        "typo": "fils",
        "both": "either `files` or `declaration`",
        "number": "secret W not found at 5",
        "listed": "`secrets` must map each name",
        "unknown": "<stdin>: unknown key `packges` in [venv.web] at venv.web.packges\ndid you mean",
    }
    results = salt.apply(states, dry=dry)
    for name, message in messages.items():
        result = results[f"{name} converge.applied"]
        assert result["result"] is False
        assert message in str(result["comment"])
        assert "Traceback" not in str(result["comment"])
        assert len(set(result["comment"].splitlines())) == len(result["comment"].splitlines())


@pytest.mark.extended
def test_state_rejects_an_empty_declaration(salt: Salt) -> None:
    """An empty declaration isn't a missing one, and the state's name isn't used as a file."""
    options = [{"declaration": {}}, {"executable": str(salt.workspace.executable)}]
    results = salt.apply({"nothing": {"converge.applied": options}})
    assert results["nothing converge.applied"]["result"] is False
    assert "declares nothing" in results["nothing converge.applied"]["comment"]


@pytest.mark.extended
def test_notice_is_in_the_state_comment(salt: Salt, sources: Sources) -> None:
    """If a venv is no longer declared, the comment reports it and the venv stays."""
    declared = salt.workspace.directory / "web.toml"
    tables = [_toml(_venv(salt, sources, name)).replace("web", name) for name in ("web", "api")]
    options = [{"executable": str(salt.workspace.executable)}]
    declared.write_text("".join(tables))
    salt.apply({str(declared): {"converge.applied": options}})
    declared.write_text(tables[0])
    results = salt.apply({str(declared): {"converge.applied": options}})
    assert "`venv.api` was removed from" in results[f"{declared} converge.applied"]["comment"]


@pytest.mark.extended
def test_state_reports_all_packages_and_no_digests(salt: Salt, sources: Sources) -> None:
    """A package can have the same name as an attribute of the venv."""
    make_wheel(sources.wheels, "path", "1.0")
    results = salt.apply(
        {"envs": {"converge.applied": _applied(salt, sources, web=["path", "gamma"])}}
    )
    changes = results["envs converge.applied"]["changes"]["venv.web"]
    assert changes["path"]["new"] == str(salt.workspace.directory / "web")
    assert changes["package.path"] == {"old": "", "new": "1.0"}
    assert changes["gamma"] == {"old": "", "new": "1.0"}
    assert not changes.keys() & {"artifacts", "settings"}


def test_execution_module_failure_sets_the_return_code(salt: Salt) -> None:
    """If `converge.apply` fails, the job fails too."""
    arguments = (
        str(salt.workspace.directory / "nowhere.toml"),
        f"executable={salt.workspace.executable}",
        "jobs=1",
    )
    code, result, _ = salt.call("converge.apply", *arguments)
    assert result["failed"] is True
    assert code == result["exit"]["code"] != 0


@pytest.mark.extended
def test_execution_module_returns_the_json_report(salt: Salt, sources: Sources) -> None:
    """`converge.plan`, `converge.check`, and `converge.apply` return the report of the command."""
    declared = salt.workspace.directory / "web.json"
    declared.write_text(json.dumps({"venv": {"web": _venv(salt, sources, "web", "alpha")}}))
    toml = salt.workspace.directory / "web.toml"
    toml.write_text(_toml(json.loads(declared.read_text())["venv"]["web"]))
    executable = f"executable={salt.workspace.executable}"
    assert salt.call("converge.plan", str(toml), executable)[1]["changed"] is True
    for arguments in ((), ("jobs=2", "prune=True", "upgrade=True")):
        assert (
            salt.call("converge.check", str(toml), executable, *arguments)[1]["exit"]["code"] == 2
        )
    assert salt.call("converge.apply", str(toml), executable, "only=venv.web")[1]["changed"] is True
    assert salt.call("converge.check", str(toml), executable)[1]["exit"]["code"] == 0
    version = salt.workspace.run([salt.workspace.executable, "version", "--json"]).stdout
    assert salt.call("converge.version", executable)[1] == json.loads(version)["version"]


@pytest.mark.extended
@pytest.mark.parametrize("function", ["version", "plan /nowhere.toml"])
def test_execution_module_names_the_missing_package(salt: Salt, function: str) -> None:
    """If converge isn't installed, every function names the package to install."""
    code, returned, output = salt.call(
        *f"converge.{function}".split(), "executable=/nowhere/converge"
    )
    assert code != 0
    assert "Install venv-converge" in f"{returned}{output}"


def _toml(table: States) -> str:
    return "[venv.web]\n" + "".join(
        f"{key} = {json.dumps(value)}\n" for key, value in table.items()
    )


@pytest.mark.extended
def test_package_is_loaded_through_its_entry_point(
    salt: Salt, wrappers: Path, tool: Callable[[str], Path]
) -> None:
    """Salt finds the modules if `saltext.converge` is installed and `_states` is missing."""
    packages = salt.workspace.directory / "packages"
    arguments = [find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--target", str(packages)]
    copy = salt.workspace.directory / "source"
    subprocess.run(["cp", "-r", str(wrappers / "salt" / "saltext.converge"), str(copy)], check=True)
    subprocess.run([*arguments, "--python", str(salt.bin / "python"), str(copy)], check=True)
    for kind in ("_states", "_modules"):
        subprocess.run(["rm", "-r", str(salt.tree / kind)], check=True)
    salt.call("saltutil.sync_all")
    assert salt.call("sys.list_functions", "converge")[1] == []
    workspace = salt.workspace
    salt.workspace = Workspace(
        directory=workspace.directory,
        executable=workspace.executable,
        wrapper=workspace.wrapper,
        environ={**workspace.environ, "PYTHONPATH": str(packages)},
    )
    functions = salt.call("sys.list_functions", "converge")[1]
    assert functions == ["converge.apply", "converge.check", "converge.plan", "converge.version"]
    assert salt.call("sys.list_state_functions", "converge")[1] == [
        "converge.applied",
        "converge.mod_watch",
    ]


@pytest.mark.extended
def test_cmd_run_stateful_reports_changes(salt: Salt, sources: Sources) -> None:
    """Without the modules, `cmd.run` returns None in a dry run, then changes, then no changes."""
    declared = salt.workspace.directory / "web.toml"
    declared.write_text(_toml(_venv(salt, sources, "web", "alpha")))
    executable, options = salt.workspace.executable, f"{declared} --json --quiet"
    stateful = [{"test_name": f"{executable} plan {options}"}]
    run = {"cmd.run": [{"name": f"{executable} apply {options}"}, {"stateful": stateful}]}
    assert salt.apply({"web": run}, dry=True)["web cmd.run"]["result"] is None
    first = salt.apply({"web": run})["web cmd.run"]
    assert first["result"] is True
    assert first["changes"]["changed"] is True
    again = salt.apply({"web": run})["web cmd.run"]
    assert (again["result"], again["changes"]) == (True, {})
    assert salt.apply({"web": run}, dry=True)["web cmd.run"]["result"] is True
