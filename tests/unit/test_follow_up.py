"""The last line of a report names the command to run next, if there is one."""

from __future__ import annotations

from typing import Any

import pytest

from engine.resource import Resource
from states.command_line import describe
from states.venv.rollback.undo import undo_command
from states.venv.spec import Venv
from tests.unit.cli_runner import CliRunner
from tests.unit.widget_kind import widget_registry


def last_line(cli: CliRunner, *arguments: str) -> str:
    """Return the last line that a command prints."""
    return cli.invoke(*arguments).out.splitlines()[-1]


def test_plan_names_the_apply_with_the_same_selection(cli: CliRunner) -> None:
    file = str(cli.declare_widgets("a", "b"))
    saved = str(cli.directory / "a plan")

    assert last_line(cli, "plan", file) == f"Next: converge apply {file}"
    assert last_line(cli, "apply", "--dry-run", file) == f"Next: converge apply {file}"
    options = ("--only", "widget.*", "--upgrade-package", "x", "--prune")
    assert last_line(cli, "plan", *options[:4], file) == (
        f"Next: converge apply --only 'widget.*' --upgrade-package=x {file}"
    )
    assert last_line(cli, "plan", "--out", saved, file) == (
        f"Next: converge apply --plan '{saved}' {file}"
    )


def test_follow_up_is_omitted_where_it_has_no_use(cli: CliRunner) -> None:
    """Standard input can't be read again, JSON is for programs, and a plan may have no changes."""
    content = cli.declare_widgets("a").read_text()
    assert "Next:" not in cli.invoke("plan", "-", stdin=content).out
    assert "Next:" not in cli.run("plan", "--json").out
    assert "Next:" not in cli.run("plan", "--quiet").out
    assert "Next:" not in cli.run("check").out
    cli.run("apply")
    assert "Next:" not in cli.run("plan").out


def test_apply_prints_the_command_that_the_kinds_return(cli: CliRunner) -> None:
    registry = widget_registry()
    object.__setattr__(registry, "undo", lambda _declared, _reports: ("back", "a b"))
    cli.registry = lambda: registry
    file = str(cli.declare_widgets("a"))

    assert last_line(cli, "apply", file) == f"Undo: converge back {file} 'a b'"
    assert "Undo:" not in cli.run("apply").out


def report(name: str, action: str = "update", outcome: str = "changed") -> Any:
    """Return the report of a venv, as far as it counts."""
    address = f"venv.{name}"
    return {"kind": "venv", "name": name, "address": address, "action": action, "outcome": outcome}


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([report("a")], ("rollback", "a")),
        ([report("a"), report("b", outcome="unchanged")], ("rollback", "a")),
        ([report("a"), report("b", "replace")], ("rollback", "--last-run")),
        ([report("a"), report("b"), report("c", "create")], ("rollback", "a", "b")),
        ([report("a"), report("discarded")], ("rollback", "a")),
        ([report("a", "create")], ()),
        ([report("a", "repair")], ()),
        ([report("a", "delete")], ()),
        ([report("a", outcome="failed")], ()),
        ([report("discarded")], ()),
    ],
)
def test_undo_names_venvs_with_a_kept_predecessor(reports: list[Any], expected: Any) -> None:
    declared = [
        Resource(kind="venv", name=name, spec=Venv(path=f"/{name}", keep=name != "discarded"))
        for name in ("a", "b", "c", "discarded")
    ]
    assert undo_command(declared, reports) == expected


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["systemctl", "restart", "web"], "systemctl restart web"),
        (["sh", "-c", "exit 3"], "sh -c 'exit 3'"),
        (["mysql", "--password=hunter2", "-e", "x"], "mysql --password=**** -e x"),
        (["tool", "--api-token", "hunter2", "run"], "tool --api-token **** run"),
        (["tool", "--token", "--token", "run"], "tool --token **** run"),
        (["env", "DB_PASSWORD=hunter2", "x"], "env DB_PASSWORD=**** x"),
        (["curl", "-H", "Authorization: Bearer hunter2"], "curl -H 'Authorization: ****'"),
        (["curl", "https://me:hunter2@host/x"], "curl https://****@host/x"),
        (["passwordless", "secretary=1"], "passwordless secretary=1"),
        (["echo", "x" * 100], f"echo {'x' * 54}…"),
    ],
)
def test_command_line_is_quoted_and_has_no_secrets(argv: list[str], shown: str) -> None:
    assert describe(argv) == shown
