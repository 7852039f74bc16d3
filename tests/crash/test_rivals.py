"""Engines beside each other, and children of killed ones, never interleave on one venv."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from . import product
from .calls import Call
from .judge import Judge
from .product import NEW, OLD
from .supervisor import Answer, Go, Outcome, Tree, run

pytestmark = pytest.mark.usefixtures("caged", "runnable")

LOCKED = 75


def site(home: Path) -> None:
    product.lay_out(home)
    product.declare(home, OLD)
    product.apply(home)
    product.declare(home, NEW)


def engine(home: Path, *options: str, verb: str = "apply") -> subprocess.Popen[str]:
    """An engine outside the cage, free to run beside others."""
    command = product.command(home, verb, *options)
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command.argv, cwd=home, env=dict(command.env), stdout=pipe, stderr=pipe, text=True
    )


@pytest.mark.parametrize("verb", ["apply", "gc"])
def test_a_second_engine_is_told_who_works_and_waits_no_longer_than_asked(
    workspace: Path, verb: str
) -> None:
    site(workspace)
    told: list[tuple[int, str]] = []

    def decide(call: Call, _tree: Tree) -> Answer:
        if "/generations/" in call.paths[-1] and not told:
            rival = engine(workspace, "--lock-timeout", "0", verb=verb)
            _out, err = rival.communicate()
            told.append((rival.returncode, err + _out))
        return Go()

    outcome = run(product.command(workspace, "apply"), roots=[workspace / "srv"], decide=decide)
    assert outcome.code == 0
    [(code, words)] = told
    assert code == LOCKED
    assert "pid" in words
    assert not Judge()(workspace, outcome)


def test_the_child_of_a_killed_engine_still_keeps_others_out(workspace: Path) -> None:
    site(workspace)
    codes: list[int] = []

    def decide(call: Call, tree: Tree) -> Answer:
        inside = "/generations/" in call.paths[-1]
        if inside and not codes and tree.by_child(call):
            tree.signal_main(signal.SIGKILL)
            rival = engine(workspace, "--lock-timeout", "0")
            rival.communicate()
            codes.append(rival.returncode)
        return Go()

    command = product.command(workspace, "apply", linger=True)
    run(command, roots=[workspace / "srv"], decide=decide)
    assert codes == [LOCKED]
    assert not Judge()(workspace, Outcome(killed=True))


def test_a_collector_beside_an_engine_waits_and_takes_nothing_of_what_it_makes(
    workspace: Path,
) -> None:
    site(workspace)
    collectors: list[subprocess.Popen[str]] = []

    def decide(call: Call, _tree: Tree) -> Answer:
        if "/generations/" in call.paths[-1] and not collectors:
            collectors.append(engine(workspace, "--keep", "0", verb="gc"))
            assert collectors[0].stderr is not None
            assert "waiting for the lock" in collectors[0].stderr.readline()
        return Go()

    outcome = run(product.command(workspace, "apply"), roots=[workspace / "srv"], decide=decide)
    assert outcome.code == 0
    (former,) = [line for line in collectors[0].communicate()[0].splitlines() if "-" in line]
    assert former.endswith(" removed")
    assert collectors[0].returncode == 0
    assert not Judge(generations=1)(workspace, outcome)


@pytest.mark.parametrize("number", [2, 8])
def test_engines_started_together_all_succeed_and_one_works(number: int, workspace: Path) -> None:
    site(workspace)
    engines = [engine(workspace, "--json") for _ in range(number)]
    told = [(one.communicate()[0], one.returncode) for one in engines]
    assert [code for _, code in told] == [0] * number
    works = [out for out, code in told if product.changed(Outcome(code=code, stdout=out))]
    assert len(works) == 1
    assert not Judge()(workspace, Outcome(code=0))
