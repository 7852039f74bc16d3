"""A process that uses the published path during a run sees only complete versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import product, scenarios
from .calls import SystemCall
from .checker import Checker
from .faults import Fault
from .product import NEW, OLD
from .reader import Reader
from .rows import Row, Violation
from .sampling import Sampling
from .scenario import Scenario
from .supervisor import Action, Continue, Outcome, ProcessTree, run

pytestmark = pytest.mark.usefixtures("needs_sandbox", "needs_converge")

ALWAYS_CHECKED = 12
"""The sample checks the path before each of this many first calls. Some runs make few more."""


@pytest.fixture
def applied_host(workspace: Path) -> Path:
    """Return a host on which the old version is published."""
    product.create_host(workspace)
    product.apply(workspace, OLD)
    return workspace


def published_reader(home: Path) -> Reader:
    """Return a reader that runs a command of the venv, as a service does at its start."""
    path = product.published(home)
    return Reader(path, [str(path / "bin" / "alpha")], [OLD, NEW])


def test_reader_sees_no_error_during_updates(applied_host: Path) -> None:
    with published_reader(applied_host) as reader:
        for version in (NEW, OLD, NEW):
            product.apply(applied_host, version)
    assert reader.checks > 10 and reader.program_runs > 2
    assert not reader.errors


def test_reader_sees_no_error_while_runs_are_killed(applied_host: Path) -> None:
    with published_reader(applied_host) as reader:
        for version, at in ((NEW, 50), (OLD, 150), (NEW, 250), (OLD, 350)):
            product.declare(applied_host, version)
            fault = Fault(kind="kill", at=at)
            command = product.command(applied_host, "apply")
            run(command, roots=[applied_host], decide=fault, writes=True)
    assert not reader.errors
    product.declare(applied_host, NEW)
    assert not Checker()(applied_host, Outcome(killed=True))


def test_reader_sees_no_error_during_a_repair(applied_host: Path) -> None:
    product.apply(applied_host, NEW)
    scenarios.damage(applied_host)
    with published_reader(applied_host) as reader:
        product.apply(applied_host)
    assert reader.checks > 10
    assert not reader.errors


@pytest.mark.parametrize("scenario", scenarios.OBSERVED, ids=lambda scenario: scenario.name)
def test_published_path_works_before_every_system_call(
    scenario: Scenario, workspace: Path, results: list[Row], sampling: Sampling
) -> None:
    scenario.setup(workspace)
    violations: list[Violation] = []
    row = Row(scenario=scenario.name, fault="path check before each call", total=0)
    previous_path = ""
    stride = 1 if sampling.full else 40

    def decide(call: SystemCall, _tree: ProcessTree) -> Action:
        nonlocal previous_path
        published = str(product.published(workspace))
        affects_link = published in (*call.paths, previous_path)
        # Only a change of the link, or inside the venv, can change the result of the check.
        if call.effect in ("change", "write") or affects_link:
            row.total += 1
            if affects_link or row.total <= ALWAYS_CHECKED or row.total % stride == 0:
                row.run += 1
                error = scenario.published_error(workspace)
                if error:
                    violations.append(Violation(point=call.number, call=str(call), text=error))
        previous_path = call.paths[-1] if call.paths else ""
        return Continue()

    outcome = run(scenario.command(workspace), roots=[workspace], decide=decide, writes=True)
    row.violations = violations
    results.append(row)
    assert outcome.code == 0, product.last_output(outcome)
    assert row.run > 3
    assert not row.violations, str(row)
