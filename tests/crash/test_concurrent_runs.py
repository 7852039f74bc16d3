"""Concurrent runs, and children of killed runs, never change one venv at the same time."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from . import product
from .calls import SystemCall
from .checker import Checker
from .product import NEW, OLD
from .supervisor import Action, Continue, Outcome, ProcessTree, run

pytestmark = pytest.mark.usefixtures("needs_sandbox", "needs_converge")

LOCK_TIMEOUT = 75


@pytest.fixture
def outdated_host(workspace: Path) -> Path:
    """Return a host on which the old version is published and the new one is declared."""
    product.create_host(workspace)
    product.apply(workspace, OLD)
    product.declare(workspace, NEW)
    return workspace


def start(home: Path, *options: str, verb: str = "apply") -> subprocess.Popen[str]:
    """Start a run outside of the sandbox, parallel to others."""
    command = product.command(home, verb, *options)
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command.argv, cwd=home, env=dict(command.env), stdout=pipe, stderr=pipe, text=True
    )


@pytest.mark.parametrize("verb", ["apply", "gc"])
def test_second_run_fails_after_its_timeout_and_names_the_first(
    outdated_host: Path, verb: str
) -> None:
    results: list[tuple[int, str]] = []

    def decide(call: SystemCall, _tree: ProcessTree) -> Action:
        if "/generations/" in call.paths[-1] and not results:
            second = start(outdated_host, "--lock-timeout", "0", verb=verb)
            stdout, stderr = second.communicate()
            results.append((second.returncode, stderr + stdout))
        return Continue()

    command = product.command(outdated_host, "apply")
    outcome = run(command, roots=[outdated_host / "srv"], decide=decide)
    assert outcome.code == 0
    [(exit_code, output)] = results
    assert exit_code == LOCK_TIMEOUT
    assert "pid" in output
    assert not Checker()(outdated_host, outcome)


def test_child_of_a_killed_run_excludes_a_second_run(outdated_host: Path) -> None:
    exit_codes: list[int] = []

    def decide(call: SystemCall, tree: ProcessTree) -> Action:
        in_generation = "/generations/" in call.paths[-1]
        if in_generation and not exit_codes and tree.is_by_child(call):
            tree.signal_command(signal.SIGKILL)
            second = start(outdated_host, "--lock-timeout", "0")
            second.communicate()
            exit_codes.append(second.returncode)
        return Continue()

    command = product.command(outdated_host, "apply", wait_for_orphans=True)
    run(command, roots=[outdated_host / "srv"], decide=decide)
    assert exit_codes == [LOCK_TIMEOUT]
    assert not Checker()(outdated_host, Outcome(killed=True))


def test_gc_waits_for_an_apply_and_keeps_its_generation(outdated_host: Path) -> None:
    previous = product.published(outdated_host).resolve().name
    gc_runs: list[subprocess.Popen[str]] = []

    def decide(call: SystemCall, _tree: ProcessTree) -> Action:
        if "/generations/" in call.paths[-1] and not gc_runs:
            gc_runs.append(start(outdated_host, "--keep", "0", "--json", verb="gc"))
            assert gc_runs[0].stderr is not None
            assert "waiting for the lock" in gc_runs[0].stderr.readline()
        return Continue()

    command = product.command(outdated_host, "apply")
    outcome = run(command, roots=[outdated_host / "srv"], decide=decide)
    assert outcome.code == 0
    [gc] = gc_runs
    report = json.loads(gc.communicate()[0])
    assert gc.returncode == 0
    assert report["removed"] == {"venv.app": [previous]}
    live = product.published(outdated_host).resolve().name
    assert live != previous
    assert report["kept"] == {"venv.app": {live: "live"}}
    assert not Checker(generations=1)(outdated_host, outcome)


@pytest.mark.parametrize("number", [2, 8])
def test_concurrent_runs_all_succeed_and_one_makes_the_change(
    number: int, outdated_host: Path
) -> None:
    runs = [start(outdated_host, "--json") for _ in range(number)]
    outcomes = [
        Outcome(stdout=process.communicate()[0], code=process.returncode) for process in runs
    ]
    assert [outcome.code for outcome in outcomes] == [0] * number
    assert sum(product.reported_change(outcome) for outcome in outcomes) == 1
    assert not Checker()(outdated_host, Outcome(code=0))
