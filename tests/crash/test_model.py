"""Random sequences of commands, edits, crashes, and clock changes, compared with a model."""

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

from . import checker, disks, product
from .faults import Fault
from .product import NEW, NEXT, OLD
from .sampling import Sampling
from .sandbox import Command
from .supervisor import Outcome, run
from .test_environment import SECONDS_PER_YEAR, SITECUSTOMIZE_SHIFTED_CLOCK

pytestmark = pytest.mark.usefixtures("needs_sandbox", "needs_converge")

VERSIONS = st.sampled_from([OLD, NEW, NEXT])


class Host(RuleBasedStateMachine):
    """One host with one venv. `live`, `held`, and `declared` are the model."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="crash-model-", dir=disks.image_dir()))
        product.create_host(self.home)
        (self.home / "clock").mkdir()
        (self.home / "clock" / "sitecustomize.py").write_text(SITECUSTOMIZE_SHIFTED_CLOCK)
        self.canary_digest = product.canary_digest(self.home)
        self.clock_shift_s = 0.0
        self.live = ""
        self.damaged = False
        self.held = False
        self.declared = OLD
        product.declare(self.home, OLD, venv_options="keep = 2")

    def command(self, verb: str, *options: str, venv: str = "") -> Command:
        """Return a command that runs with the current clock shift."""
        env = dict(product.environment(self.home))
        env["PYTHONPATH"] = f"{self.home / 'clock'}:{env['PYTHONPATH']}"
        env["CLOCK_SHIFT"] = str(self.clock_shift_s)
        return product.command(self.home, verb, *options, venv=venv, env=env)

    def run_ok(self, verb: str, *options: str, venv: str = "") -> Outcome:
        """Run a command that must succeed."""
        outcome = run(self.command(verb, *options, venv=venv))
        assert outcome.code == 0, f"{verb}: {outcome.code}\n{outcome.stdout}{outcome.stderr}"
        return outcome

    @rule(version=VERSIONS)
    def edit(self, version: str) -> None:
        """Declare another version."""
        if version != self.declared:
            self.held = False
        self.declared = version
        product.declare(self.home, version, venv_options="keep = 2")

    @rule()
    def apply(self) -> None:
        """Apply the declaration. A rollback holds its version until the next edit."""
        self.run_ok("apply")
        version = product.published_version(self.home)
        assert version == self.declared or (self.held and version == self.live)
        self.live, self.damaged = version, False

    @rule(
        kind=st.sampled_from(["kill", "torn", "EIO", "ENOSPC", "SIGTERM"]), at=st.integers(0, 450)
    )
    def apply_with_fault(self, kind: str, at: int) -> None:
        """Inject a fault into an apply. The old or the new version is live after it."""
        fault = Fault(kind=kind, at=at)
        outcome = run(self.command("apply"), roots=[self.home], decide=fault, writes=True)
        version = product.published_version(self.home)
        if version == self.declared and version != self.live:
            self.damaged = False
        allowed = (self.live, self.declared)
        assert version in allowed or self.damaged, (version, str(fault.hit_call))
        assert outcome.code != 0 or version == self.declared or self.held
        if outcome.code == 0:
            self.damaged = False
        self.live = version or self.live

    @precondition(lambda self: self.live)
    @rule(change=st.sampled_from(["modify", "delete", "add"]))
    def tamper(self, change: str) -> None:
        """Change a file in the live generation."""
        alpha = next(product.published(self.home).glob("lib/python*/site-packages/alpha"))
        module = alpha / "part1.py"
        if change == "modify" and module.exists():
            module.write_text("VALUE = 'hacked'\n")
        elif change == "delete":
            module.unlink(missing_ok=True)
        else:
            (alpha / "planted.py").write_text("")
        self.damaged = True

    @precondition(lambda self: self.live)
    @rule(keep=st.integers(0, 2))
    def gc(self, keep: int) -> None:
        """Delete previous generations, but never one that is in use."""
        self.run_ok("gc", "--keep", str(keep))

    @precondition(lambda self: self.live and not self.damaged)
    @rule()
    def rollback(self) -> None:
        """Switch to a previous generation, or fail without a change."""
        outcome = run(self.command("rollback", venv="app"))
        version = product.published_version(self.home)
        if outcome.code == 0:
            self.live, self.held = version, True
        assert version == self.live

    @precondition(lambda self: self.live)
    @rule()
    def pin(self) -> None:
        """Pin the live generation."""
        self.run_ok("pin", venv="app")

    @rule(years=st.integers(-20, 20))
    def set_clock(self, years: int) -> None:
        """Set the wall clock."""
        self.clock_shift_s = years * SECONDS_PER_YEAR

    @invariant()
    def published_version_matches_the_model(self) -> None:
        """The published version is the model's, and no other file on the host has changed."""
        assert product.published_version(self.home) == self.live
        assert product.canary_digest(self.home) == self.canary_digest

    def teardown(self) -> None:
        """Apply once more. Then nothing remains to do, nothing is wrong, nothing is unfinished."""
        try:
            self.apply()
            assert checker.second_apply_changes(self.home) == []
            self.run_ok("verify")
            assert product.unfinished_files(self.home, generations=99) == []
        finally:
            shutil.rmtree(self.home)


def test_apply_reaches_the_declared_state_after_any_events(sampling: Sampling) -> None:
    profile = settings(
        max_examples=60 if sampling.full else 2,
        stateful_step_count=20 if sampling.full else 9,
        derandomize=not sampling.full,
        deadline=None,
        database=None,
        print_blob=sampling.full,
        phases=[Phase.generate, Phase.shrink] if sampling.full else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Host, settings=profile)
