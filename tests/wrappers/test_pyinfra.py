"""The pyinfra operation beyond the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.wrappers.callers.caller import Place
from tests.wrappers.callers.pyinfra import Pyinfra
from tests.wrappers.world import PYTHON, World


@pytest.fixture
def pyinfra(place: Callable[[str], Place], tool: Callable[[str], Path]) -> Pyinfra:
    """pyinfra on this machine."""
    return Pyinfra(place("pyinfra"), tool("pyinfra"))


def _declared(pyinfra: Pyinfra, world: World, *packages: str) -> dict[str, Any]:
    path = str(pyinfra.place.folder / "web")
    common = {"python": PYTHON, "find-links": [str(world.wheels)], "no-index": True}
    return {"venv": {"web": common | {"path": path, "packages": list(packages)}}}


def _deploy(pyinfra: Pyinfra, call: str, log: Path) -> str:
    return f"""
from pyinfra.api import HiddenValue
from pyinfra.operations import server
from pyinfra_converge import converge
web = converge.applied(name="web", {call})
server.shell(name="restart", commands=["echo restarted >> {log}"], _if=web.did_change)
"""


def test_an_operation_that_depends_on_it_runs_exactly_when_something_changed(
    pyinfra: Pyinfra, world: World
) -> None:
    """`_if=web.did_change`, as a restart is written."""
    log = pyinfra.place.folder / "restarts"
    call = f"declaration={_declared(pyinfra, world, 'alpha')!r}, executable={str(pyinfra.place.engine)!r}"
    for _ in range(2):
        code, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--yes")
        assert code == 0, output
    assert log.read_text() == "restarted\n"


def test_an_engine_that_is_not_there_yet_is_a_change_in_the_dry_run_and_an_error_in_the_real_one(
    pyinfra: Pyinfra, world: World
) -> None:
    """A deploy that installs the engine first can be foretold on an empty host."""
    call = f"declaration={_declared(pyinfra, world, 'alpha')!r}, executable='/nowhere/converge'"
    text = _deploy(pyinfra, call, pyinfra.place.folder / "restarts")
    code, document, output = pyinfra.deploy(text, "--dry")
    assert code == 0, output
    assert document["plan"][0]["hosts_with_change"] == ["@local"]
    code, _, output = pyinfra.deploy(text, "--yes")
    assert code != 0
    assert "/nowhere/converge is not on this host. Install venv-converge" in output


def test_a_newer_answer_is_refused(pyinfra: Pyinfra, world: World) -> None:
    """The host fails, with what to update."""
    other = pyinfra.place.folder / "converge"
    other.write_text('#!/bin/sh\ncat >/dev/null\necho \'{"format_version": "2.0"}\'\n')
    other.chmod(0o755)
    call = f"declaration={_declared(pyinfra, world, 'alpha')!r}, executable={str(other)!r}"
    code, _, output = pyinfra.deploy(_deploy(pyinfra, call, other.with_name("r")), "--yes")
    assert code != 0
    assert "answers in format 2.0" in output


def test_a_secret_that_is_not_hidden_is_refused_before_pyinfra_can_print_it(
    pyinfra: Pyinfra, world: World
) -> None:
    """A plain string would stand in the operation's name."""
    call = f"declaration={_declared(pyinfra, world)!r}, secrets={{'A': 'b'}}"
    code, _, output = pyinfra.deploy(_deploy(pyinfra, call, Path("r")), "--dry")
    assert code != 0
    assert "must be a HiddenValue" in output


def test_the_fact_is_the_engines_plan(pyinfra: Pyinfra, world: World) -> None:
    """Other operations may decide by it."""
    declared = pyinfra.place.folder / "web.toml"
    table = _declared(pyinfra, world, "alpha")["venv"]["web"]
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    declared.write_text("\n".join(["[venv.web]", *lines, ""]))
    out = pyinfra.place.folder / "fact.json"
    text = f"""
import json
from pathlib import Path
from pyinfra import host
from pyinfra_converge import Plan
plan = host.get_fact(Plan, files=[{str(declared)!r}], executable={str(pyinfra.place.engine)!r})
Path({str(out)!r}).write_text(json.dumps(plan))
"""
    code, _, output = pyinfra.deploy(text, "--dry")
    assert code == 0, output
    assert json.loads(out.read_text())["resources"][0]["address"] == "venv.web"


def _declaration_file(pyinfra: Pyinfra, world: World, *tables: tuple[str, ...]) -> Path:
    """Write a declaration: for each environment its name and its packages."""
    declared = pyinfra.place.folder / "envs.toml"
    lines: list[str] = []
    for name, *packages in tables:
        table = _declared(pyinfra, world, *packages)["venv"]["web"] | {
            "path": str(pyinfra.place.folder / name)
        }
        lines += [
            f"[venv.{name}]",
            *(f"{key} = {json.dumps(value)}" for key, value in table.items()),
        ]
    declared.write_text("\n".join([*lines, ""]))
    return declared


def test_one_may_be_given_where_several_may_be(pyinfra: Pyinfra, world: World) -> None:
    """A path for files, a plain string for addresses and for packages."""
    log = pyinfra.place.folder / "restarts"
    rest = f"executable={str(pyinfra.place.engine)!r}, jobs=1"
    declared = _declaration_file(pyinfra, world, ("web", "alpha==1.0"), ("api", "alpha==1.0"))
    call = f"files=__import__('pathlib').Path({str(declared)!r}), only='venv.web', {rest}"
    code, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--yes")
    assert code == 0, output
    assert (pyinfra.place.folder / "web").exists()
    assert not (pyinfra.place.folder / "api").exists()
    _declaration_file(pyinfra, world, ("web", "alpha<=2.0,>=1.0"))
    call = f"files={str(declared)!r}, upgrade='alpha', {rest}"
    code, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--dry")
    assert "venv.web: alpha 1.0 -> 2.0" in output


def test_remarks_and_suggestions_of_the_engine_are_told_and_digests_are_not(
    pyinfra: Pyinfra, world: World
) -> None:
    """What is no longer declared, what was perhaps meant, and no word twice."""
    log = pyinfra.place.folder / "restarts"
    call = f"files={str(pyinfra.place.folder / 'envs.toml')!r}, executable={str(pyinfra.place.engine)!r}"
    declared = _declaration_file(pyinfra, world, ("web", "alpha"), ("api",))
    _, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--yes")
    assert "artifacts" not in output
    assert "settings" not in output
    _declaration_file(pyinfra, world, ("web", "alpha"))
    _, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--dry")
    assert output.count("`venv.api` is no longer declared") == 1
    _, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--yes")
    assert output.count("`venv.api` is no longer declared") == 1
    declared.write_text(declared.read_text().replace("packages", "packges"))
    _, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--dry")
    assert "did you mean `packages`?" in output
    assert output.count("1 problem in the declaration") == 1
    call = call.replace(
        f"files={str(declared)!r}", "declaration={'venv': {'web': {'packges': []}}}"
    )
    _, _, output = pyinfra.deploy(_deploy(pyinfra, call, log), "--dry")
    assert "<stdin>: unknown key `packges`" in output


@pytest.mark.parametrize(("value", "refused"), [("a\nb", True), ("a\n", False)])
def test_a_secret_is_one_line(pyinfra: Pyinfra, world: World, value: str, refused: bool) -> None:
    """What followed would be taken for the declaration; the end of a file's last line does no harm."""
    call = f"declaration={_declared(pyinfra, world)!r}, secrets={{'PIN': HiddenValue({value!r})}}"
    call += f", executable={str(pyinfra.place.engine)!r}"
    code, _, output = pyinfra.deploy(_deploy(pyinfra, call, Path("r")), "--dry")
    assert (code != 0) == refused, output
    assert ("A secret must be one line, and is not: PIN" in output) == refused
