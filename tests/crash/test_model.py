"""Anything an operator may do, in any order, with crashes between: against a model of it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from . import disks, judge, product
from .cage import Command
from .faults import Fault
from .plan import Plan
from .product import NEW, NEXT, OLD
from .supervisor import Outcome, run
from .test_surroundings import SHIFTED, YEARS

pytestmark = pytest.mark.usefixtures("caged", "runnable")

VERSIONS = st.sampled_from([OLD, NEW, NEXT])


class Site(RuleBasedStateMachine):
    """One site with one venv; ``live`` and ``declared`` are the model."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="crash-model-", dir=disks.place()))
        product.lay_out(self.home)
        (self.home / "clock").mkdir()
        (self.home / "clock" / "sitecustomize.py").write_text(SHIFTED)
        self.canary = product.canary(self.home)
        self.shift = 0.0
        self.live = ""
        self.damaged = False
        self.held = False
        self.declared = OLD
        product.declare(self.home, OLD, venv="keep = 2")

    def command(self, verb: str, *options: str, of: str = "") -> Command:
        """With the clock as it is by now."""
        env = dict(product.environment(self.home))
        env["PYTHONPATH"] = f"{self.home / 'clock'}:{env['PYTHONPATH']}"
        env["CLOCK_SHIFT"] = str(self.shift)
        return product.command(self.home, verb, *options, of=of, env=env)

    def succeed(self, verb: str, *options: str, of: str = "") -> Outcome:
        """Run what must succeed."""
        outcome = run(self.command(verb, *options, of=of))
        assert outcome.code == 0, f"{verb}: {outcome.code}\n{outcome.stdout}{outcome.stderr}"
        return outcome

    @rule(version=VERSIONS)
    def edit(self, version: str) -> None:
        """Declare another version."""
        if version != self.declared:
            self.held = False
        self.declared = version
        product.declare(self.home, version, venv="keep = 2")

    @rule()
    def apply(self) -> None:
        """A plain apply brings about what is declared, unless a rollback holds it."""
        self.succeed("apply")
        found = product.version(self.home)
        assert found == self.declared or (self.held and found == self.live)
        self.live, self.damaged = found, False

    @rule(
        kind=st.sampled_from(["kill", "torn", "EIO", "ENOSPC", "SIGTERM"]), at=st.integers(0, 450)
    )
    def strike(self, kind: str, at: int) -> None:
        """An apply that something happens to: afterwards it is the old or the new."""
        fault = Fault(kind=kind, at=at)
        outcome = run(self.command("apply"), roots=[self.home], decide=fault, writes=True)
        found = product.version(self.home)
        if found == self.declared and found != self.live:
            self.damaged = False
        assert found in (self.live, self.declared) or self.damaged, (found, str(fault.struck))
        assert outcome.code != 0 or found == self.declared or self.held
        if outcome.code == 0:
            self.damaged = False
        self.live = found or self.live

    @precondition(lambda self: self.live)
    @rule(what=st.sampled_from(["change", "remove", "plant"]))
    def tamper(self, what: str) -> None:
        """A hand inside the live generation."""
        alpha = next(product.published(self.home).glob("lib/python*/site-packages/alpha"))
        victim = alpha / "part1.py"
        if what == "change" and victim.exists():
            victim.write_text("VALUE = 'hacked'\n")
        elif what == "remove":
            victim.unlink(missing_ok=True)
        else:
            (alpha / "planted.py").write_text("")
        self.damaged = True

    @precondition(lambda self: self.live)
    @rule(keep=st.integers(0, 2))
    def gc(self, keep: int) -> None:
        """Collecting takes nothing that is in use."""
        self.succeed("gc", "--keep", str(keep))

    @precondition(lambda self: self.live and not self.damaged)
    @rule()
    def rollback(self) -> None:
        """Back to some former generation, or a refusal that changes nothing."""
        outcome = run(self.command("rollback", of="app"))
        found = product.version(self.home)
        if outcome.code == 0:
            self.live, self.held = found, True
        assert found == self.live

    @precondition(lambda self: self.live)
    @rule()
    def pin(self) -> None:
        """The live one is kept."""
        self.succeed("pin", of="app")

    @rule(years=st.integers(-20, 20))
    def jump(self, years: int) -> None:
        """The wall clock is set."""
        self.shift = years * YEARS

    @invariant()
    def what_is_published_works(self) -> None:
        """The published path is what the model says, and nobody else's files were touched."""
        assert product.version(self.home) == self.live
        assert product.canary(self.home) == self.canary

    def teardown(self) -> None:
        """Whatever happened: one run, then nothing to do, nothing wrong, nothing left."""
        try:
            self.apply()
            assert judge.idle(self.home) == []
            self.succeed("verify")
            assert product.leftovers(self.home, generations=99) == []
        finally:
            shutil.rmtree(self.home)


def test_any_sequence_of_events_ends_as_declared(plan: Plan) -> None:
    chosen = settings(
        max_examples=60 if plan.full else 2,
        stateful_step_count=20 if plan.full else 9,
        derandomize=not plan.full,
        deadline=None,
        database=None,
        print_blob=plan.full,
        phases=[Phase.generate, Phase.shrink] if plan.full else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Site, settings=chosen)
