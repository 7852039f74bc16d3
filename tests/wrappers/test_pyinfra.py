"""The pyinfra operation: output, failures, and options that the scenarios don't cover."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.wrappers.callers.caller import Workspace
from tests.wrappers.callers.pyinfra import Pyinfra
from tests.wrappers.sources import PYTHON, Sources


@pytest.fixture
def pyinfra(make_workspace: Callable[[str], Workspace], tool: Callable[[str], Path]) -> Pyinfra:
    """pyinfra on this machine."""
    return Pyinfra(make_workspace("pyinfra"), tool("pyinfra"))


def _declared(pyinfra: Pyinfra, sources: Sources, *packages: str) -> dict[str, Any]:
    path = str(pyinfra.workspace.directory / "web")
    common = {"python": PYTHON, "find-links": [str(sources.wheels)], "no-index": True}
    return {"venv": {"web": common | {"path": path, "packages": list(packages)}}}


def _deploy(pyinfra: Pyinfra, call: str, log: Path) -> str:
    return f"""
from pyinfra.api import HiddenValue
from pyinfra.operations import server
from pyinfra_converge import converge
web = converge.applied(name="web", {call})
server.shell(name="restart", commands=["echo restarted >> {log}"], _if=web.did_change)
"""


def test_dependent_operation_runs_only_after_a_change(pyinfra: Pyinfra, sources: Sources) -> None:
    """A restart with `_if=web.did_change` runs only after a change."""
    log = pyinfra.workspace.directory / "restarts"
    call = f"declaration={_declared(pyinfra, sources, 'alpha')!r}, executable={str(pyinfra.workspace.executable)!r}"
    for _ in range(2):
        code, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--yes")
        assert code == 0, output
    assert log.read_text() == "restarted\n"


def test_missing_executable_fails_only_outside_dry_run(pyinfra: Pyinfra, sources: Sources) -> None:
    """A dry run works on a new host, for a deploy that installs converge first."""
    call = f"declaration={_declared(pyinfra, sources, 'alpha')!r}, executable='/nowhere/converge'"
    text = _deploy(pyinfra, call, pyinfra.workspace.directory / "restarts")
    code, document, output = pyinfra.deploy(text, "--dry")
    assert code == 0, output
    assert document["plan"][0]["hosts_with_change"] == ["@local"]
    code, _, output = pyinfra.deploy(text, "--yes")
    assert code != 0
    assert "`/nowhere/converge` isn't installed on this host. Install venv-converge" in output


def test_operation_rejects_a_newer_report_format(pyinfra: Pyinfra, sources: Sources) -> None:
    """The host fails, and the message names what to update."""
    other = pyinfra.workspace.directory / "converge"
    other.write_text('#!/bin/sh\ncat >/dev/null\necho \'{"format_version": "2.0"}\'\n')
    other.chmod(0o755)
    call = f"declaration={_declared(pyinfra, sources, 'alpha')!r}, executable={str(other)!r}"
    code, _, output = pyinfra.deploy(_deploy(pyinfra, call, other.with_name("r")), "--yes")
    assert code != 0
    assert "unsupported report format 2.0" in output


def test_secret_must_be_a_hidden_value(pyinfra: Pyinfra, sources: Sources) -> None:
    """pyinfra prints a plain string in the name of the operation, so the operation rejects it."""
    call = f"declaration={_declared(pyinfra, sources)!r}, secrets={{'A': 'b'}}"
    code, _, output = pyinfra.deploy(_deploy(pyinfra, call, Path("r")), "--dry")
    assert code != 0
    assert "must be a `HiddenValue`" in output


@pytest.mark.extended
def test_fact_returns_the_plan(pyinfra: Pyinfra, sources: Sources) -> None:
    """The fact returns the plan, which other operations can read."""
    declared = pyinfra.workspace.directory / "web.toml"
    table = _declared(pyinfra, sources, "alpha")["venv"]["web"]
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    declared.write_text("\n".join(["[venv.web]", *lines, ""]))
    out = pyinfra.workspace.directory / "fact.json"
    text = f"""
import json
from pathlib import Path
from pyinfra import host
from pyinfra_converge import Plan
plan = host.get_fact(Plan, files=[{str(declared)!r}], executable={str(pyinfra.workspace.executable)!r})
Path({str(out)!r}).write_text(json.dumps(plan))
"""
    code, _, output = pyinfra.deploy(text, "--dry")
    assert code == 0, output
    assert json.loads(out.read_text())["resources"][0]["address"] == "venv.web"


def _declaration_file(pyinfra: Pyinfra, sources: Sources, *tables: tuple[str, ...]) -> Path:
    """Write a declaration; each table is the name of a venv and its packages."""
    declared = pyinfra.workspace.directory / "envs.toml"
    lines: list[str] = []
    for name, *packages in tables:
        table = _declared(pyinfra, sources, *packages)["venv"]["web"] | {
            "path": str(pyinfra.workspace.directory / name)
        }
        lines += [
            f"[venv.{name}]",
            *(f"{key} = {json.dumps(value)}" for key, value in table.items()),
        ]
    declared.write_text("\n".join([*lines, ""]))
    return declared


@pytest.mark.extended
def test_options_accept_a_single_value(pyinfra: Pyinfra, sources: Sources) -> None:
    """`files` accepts one path; `only` and `upgrade` accept one string."""
    log = pyinfra.workspace.directory / "restarts"
    rest = f"executable={str(pyinfra.workspace.executable)!r}, jobs=1"
    declared = _declaration_file(pyinfra, sources, ("web", "alpha==1.0"), ("api", "alpha==1.0"))
    call = f"files=__import__('pathlib').Path({str(declared)!r}), only='venv.web', {rest}"
    code, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--yes")
    assert code == 0, output
    assert (pyinfra.workspace.directory / "web").exists()
    assert not (pyinfra.workspace.directory / "api").exists()
    _declaration_file(pyinfra, sources, ("web", "alpha<=2.0,>=1.0"))
    call = f"files={str(declared)!r}, upgrade='alpha', {rest}"
    code, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--dry")
    assert "venv.web: alpha 1.0 -> 2.0" in output


@pytest.mark.extended
def test_log_shows_notices_and_hints_but_no_digests(pyinfra: Pyinfra, sources: Sources) -> None:
    """The log names undeclared venvs and suggests corrections, each only once."""
    log = pyinfra.workspace.directory / "restarts"
    call = f"files={str(pyinfra.workspace.directory / 'envs.toml')!r}, executable={str(pyinfra.workspace.executable)!r}"
    declared = _declaration_file(pyinfra, sources, ("web", "alpha"), ("api",))
    _, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--yes")
    assert "artifacts" not in output
    assert "settings" not in output
    _declaration_file(pyinfra, sources, ("web", "alpha"))
    _, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--dry")
    assert output.count("`venv.api` was removed from") == 1
    _, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--yes")
    assert output.count("`venv.api` was removed from") == 1
    declared.write_text(declared.read_text().replace("packages", "packges"))
    _, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--dry")
    assert "did you mean `packages`?" in output
    assert output.count("1 error in the declaration") == 1
    call = call.replace(
        f"files={str(declared)!r}", "declaration={'venv': {'web': {'packges': []}}}"
    )
    _, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--dry")
    assert "<stdin>: unknown key `packges`" in output


@pytest.mark.parametrize(("value", "rejected"), [("a\nb", True), ("a\n", False)])
def test_secret_must_be_one_line(
    pyinfra: Pyinfra, sources: Sources, value: str, rejected: bool
) -> None:
    """A second line would be read as the declaration. A trailing newline is accepted."""
    call = f"declaration={_declared(pyinfra, sources)!r}, secrets={{'PIN': HiddenValue({value!r})}}"
    call += f", executable={str(pyinfra.workspace.executable)!r}"
    code, _, output = pyinfra.deploy(_deploy(pyinfra, call, Path("r")), "--dry")
    assert (code != 0) == rejected, output
    assert ("secret has more than one line: PIN" in output) == rejected
