"""Many runs at once under random kills and stops: `python -m tests.crash soak [--seconds N]`.

Several commands change one venv at the same time: apply with alternating declarations, gc,
rollback, pin, verify, and others. Meanwhile a reader uses the published path, and services run
from the generations. At random times, a run or its whole process group is killed, or stopped and
continued. At the end, at most two plain runs must reach the declared state.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from . import checker, product
from .product import NEW, NEXT, OLD
from .reader import Reader
from .supervisor import run

VERSIONS: Final = (OLD, NEW, NEXT)
_RUNS_AT_ONCE: Final = 4
_SERVICES: Final = 3
_TICK_S: Final = 0.05
_VERBS: Final[Sequence[tuple[str, ...]]] = (
    *[("apply", "--lock-timeout", "3")] * 6,
    ("gc", "--keep", "0", "--lock-timeout", "3"),
    ("gc", "--keep", "1", "--lock-timeout", "3"),
    ("rollback", "--lock-timeout", "3"),
    ("rollback", "--release", "--lock-timeout", "3"),
    ("pin", "--lock-timeout", "3"),
    ("adopt", "--lock-timeout", "3"),
    ("verify", "--all"),
    ("status",),
    ("check",),
    ("plan",),
)
_READ_ONLY: Final = ("verify", "status", "check", "plan")
_NEEDS_VENV: Final = ("rollback", "pin", "adopt")
_ID: Final = re.compile(r"\d{6}-[0-9a-f]{8}")
_SERVICE: Final = """\
import sys, alpha, beta
print(alpha.__version__, beta.__version__, flush=True)
for line in sys.stdin:
    import alpha.part1, alpha.part2, alpha.part3, beta.part3
    values = (alpha.part1, alpha.part2, alpha.part3, beta.part3)
    print(*{value.VALUE.rpartition(".")[0] for value in values}, flush=True)
    for name in ("alpha.part1", "alpha.part2", "alpha.part3", "beta.part3"):
        del sys.modules[name]
"""
"""A service that imports modules again at each request, as lazy imports do."""


@dataclass(slots=True, kw_only=True)
class Soak:
    """The host, what runs on it, and the results."""

    home: Path
    seed: int
    seconds: float
    random: random.Random = field(init=False)
    runs: list[_Run] = field(default_factory=list)
    services: list[_Service] = field(default_factory=list)
    exits: Counter[str] = field(default_factory=Counter)
    """How often each command ended with each exit code. A negative one is a signal."""
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    pins: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def __call__(self) -> list[str]:
        """Run the soak, and return the violations."""
        product.create_host(self.home)
        product.apply(self.home, OLD, venv_options="keep = 1")
        canary = product.canary_digest(self.home)
        python = [str(product.published(self.home) / "bin/python"), "-I", "-B", "-c"]
        allowed = [f"{version} {version}" for version in VERSIONS]
        with Reader(
            product.published(self.home), [*python, product.PRINT_VERSIONS], allowed
        ) as reader:
            self._disturb(time.monotonic() + self.seconds)
        self.faults["checks of the published path"] = reader.checks
        self.violations += [f"the published path failed: {error}" for error in reader.errors[:5]]
        for service in self.services:
            self._end_service(service)
        self._converge()
        if product.canary_digest(self.home) != canary:
            self.violations.append("a file outside of the declared paths has changed")
        return self.violations

    def _disturb(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if len(self.runs) < _RUNS_AT_ONCE:
                self.runs.append(self._start_run())
            self._inject()
            self._tend_services()
            time.sleep(_TICK_S)
            self._reap()
        for command_run in self.runs:
            command_run.signal(signal.SIGCONT)
        while self.runs:
            time.sleep(_TICK_S)
            self._reap()

    def _start_run(self) -> _Run:
        verb, *options = self.random.choice(_VERBS)
        if verb == "apply" and self.random.random() < 0.5:
            self._declare(self.random.choice(VERSIONS))
        command = product.command(
            self.home, verb, *options, venv="app" if verb in _NEEDS_VENV else ""
        )
        process = subprocess.Popen(
            command.argv,
            cwd=self.home,
            env=dict(command.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return _Run(" ".join((verb, *options)), process)

    def _declare(self, version: str) -> None:
        """Replace the declaration in one rename, as a configuration management tool does."""
        file = product.declaration(self.home)
        draft = file.with_name("draft")
        current = file.read_text()
        product.declare(self.home, version, venv_options=f"keep = {self.random.randint(0, 2)}")
        draft.write_text(file.read_text())
        file.write_text(current)
        draft.replace(file)

    def _inject(self) -> None:
        target = self.random.choice(self.runs)
        chance = self.random.random()
        if chance < 0.02:
            self.faults["kill of a run"] += 1
            target.process.kill()
            target.killed = True
        elif chance < 0.04:
            self.faults["kill of a run and its children"] += 1
            target.signal(signal.SIGKILL)
            target.killed = True
        elif chance < 0.07:
            self.faults["stop"] += 1
            target.signal(signal.SIGSTOP)
            target.stopped_until = time.monotonic() + self.random.uniform(0.05, 2)
        elif chance < 0.08:
            self.faults["terminate"] += 1
            target.process.terminate()
            target.killed = True

    def _reap(self) -> None:
        for command_run in tuple(self.runs):
            if command_run.stopped_until and time.monotonic() > command_run.stopped_until:
                command_run.signal(signal.SIGCONT)
                command_run.stopped_until = 0
            if command_run.process.poll() is None:
                continue
            # A child of a killed run may still work. It ends, or holds the lock until it does.
            command_run.signal(signal.SIGCONT)
            self.runs.remove(command_run)
            self._check_exit(command_run)

    def _check_exit(self, ended: _Run) -> None:
        code = ended.process.returncode
        self.exits[f"{ended.verb.split(' --lock')[0]}: {code}"] += 1
        assert ended.process.stdout is not None
        os.set_blocking(ended.process.stdout.fileno(), False)
        output = ended.process.stdout.read() or ""
        if code == 70 or "Traceback (most recent call last)" in output:
            self.violations.append(f"{ended.verb} ended with a traceback: {output[-600:]}")
        if ended.verb.startswith("apply") and code not in (0, 75) and not ended.killed:
            self.violations.append(f"{ended.verb} exited with {code}: {output[-600:]}")
        if ended.verb.split()[0] in _READ_ONLY and code not in (0, 2) and not ended.killed:
            self.violations.append(f"{ended.verb} exited with {code}: {output[-600:]}")
        if ended.verb.startswith("pin") and code == 0:
            self.pins.update(_ID.findall(output))

    def _tend_services(self) -> None:
        if len(self.services) < _SERVICES:
            argv = [str(product.published(self.home) / "bin/python"), "-B", "-c", _SERVICE]
            pipe = subprocess.PIPE
            process = subprocess.Popen(
                argv, cwd=self.home, stdin=pipe, stdout=pipe, stderr=pipe, text=True
            )
            assert process.stdout is not None
            self.services.append(_Service(process, process.stdout.readline().strip()))
        elif self.random.random() < 0.05:
            self._end_service(self.services.pop(self.random.randrange(_SERVICES)))

    def _end_service(self, service: _Service) -> None:
        """Have a service import modules from its generation once more, and end it."""
        output, errors = service.process.communicate("again\n")
        expected = service.versions.split(" ")[0]
        if f"{expected} {expected}" != service.versions or output.strip() != expected:
            self.violations.append(
                f"a service of {service.versions!r} printed {output!r} {errors[-400:]}"
            )

    def _converge(self) -> None:
        """Reach the declared state in at most two runs, and check every invariant."""
        run(product.command(self.home, "rollback", "--release", venv="app"))
        self._declare(NEW)
        codes = [run(product.command(self.home, "apply")).code for _ in range(2)]
        if codes[1] != 0:
            outcome = run(product.command(self.home, "apply"))
            self.violations.append(f"two runs exited with {codes}: {product.last_output(outcome)}")
        self.violations += checker.second_apply_changes(self.home)
        error = product.published_error(self.home, [NEW])
        self.violations += [f"at the end: {error}"] if error else []
        verify = run(product.command(self.home, "verify", "--all"))
        if verify.code != 0:
            self.violations.append(f"verify exited with {verify.code}: {verify.stdout[-600:]}")
        self.violations += product.unfinished_files(self.home, generations=10**6)
        exist = {path.name for path in (product.store(self.home) / "generations").iterdir()}
        if not self.pins <= exist:
            self.violations.append(f"pinned, but deleted: {sorted(self.pins - exist)}")

    def lines(self) -> list[str]:
        """Run the soak, and return its results as lines of text."""
        self()
        counts = [*sorted(self.faults.items()), *sorted(self.exits.items())]
        total = sum(self.exits.values())
        lines = [f"seed {self.seed}, {self.seconds:g} s, {total} runs, pins: {len(self.pins)}"]
        lines += [f"  {count:6} {name}" for name, count in counts]
        return [*lines, f"{len(self.violations)} violations", *self.violations]


@dataclass(slots=True)
class _Run:
    """One command that runs, in a process group of its own."""

    verb: str
    process: subprocess.Popen[str]
    killed: bool = False
    stopped_until: float = 0

    def signal(self, number: int) -> None:
        """Send a signal to the run and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


@dataclass(slots=True)
class _Service:
    """A process that was started from the published path, and what it printed first."""

    process: subprocess.Popen[str]
    versions: str
