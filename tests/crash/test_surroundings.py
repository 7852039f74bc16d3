"""The umask, the locale, the clock, a read-only disk, a reader that went away: no matter."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from . import product
from .calls import Call
from .faults import Fault
from .judge import Judge
from .product import NEW, OLD
from .supervisor import Outcome, run

pytestmark = pytest.mark.usefixtures("caged", "runnable")

SHIFTED = """
import datetime, os, time

_shift = float(os.environ["CLOCK_SHIFT"])
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + _shift
time.time_ns = lambda: _time_ns() + int(_shift * 1e9)


class _Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)


datetime.datetime = _Shifted
"""
"""What is imported first: the wall clock of the command, some years off."""

YEARS = 365 * 24 * 3600.0


def content(home: Path) -> dict[str, str]:
    """The live generation, with its own name and its notes taken out."""
    root = product.published(home).resolve()
    name = root.name.encode()
    found = {}
    for path in sorted(root.rglob("*")):
        relative = str(path.relative_to(root))
        if relative.split("/")[0] != product.NOTES and "__pycache__" not in relative:
            status = path.lstat()
            data = os.readlink(path).encode() if path.is_symlink() else b""
            if path.is_file() and not path.is_symlink():
                # RECORD's lines on scripts hold their digests, and scripts hold the name.
                lines = path.read_bytes().splitlines()
                data = b"\n".join(line for line in lines if not line.startswith(b"../"))
            digest = hashlib.sha256(data.replace(name, b"ID")).hexdigest()[:12]
            found[relative] = f"{status.st_mode:o} {digest}"
    return found


def created(home: Path, umask: int = 0o022, *options: str, **env: str) -> dict[str, str]:
    """A first apply in such surroundings: what came of it."""
    home.mkdir()
    product.lay_out(home)
    kept = home.parent / "wheels"
    if kept.exists():
        shutil.rmtree(home / "wheels")
        kept.rename(home / "wheels")
    product.declare(home, NEW)
    base = product.command(home, "apply", *options)
    changed: Mapping[str, str] = {**base.env, **env}
    outcome = run(product.command(home, "apply", *options, env=changed, umask=umask))
    assert outcome.code == 0, product.said(outcome)
    assert not Judge(generations=1)(home, outcome)
    return content(home)


def test_the_same_inputs_make_the_same_generation_in_any_surroundings(workspace: Path) -> None:
    # One path for all of them: scripts hold it.
    home = workspace / "home"
    made = []
    for umask, options, env in (
        (0o022, (), {}),
        (0o000, (), {"LC_ALL": "C", "PYTHONHASHSEED": "1"}),
        (0o077, ("--jobs", "1"), {"LC_ALL": "C", "LANG": "C", "TZ": "Asia/Kathmandu"}),
        (0o027, ("--jobs", "8"), {"PYTHONHASHSEED": "2", "PYTHONUTF8": "0"}),
    ):
        made.append(created(home, umask, *options, **env))
        home.rename(workspace / "was")
        # The very same files: an installer may note when they were made.
        (workspace / "was" / "wheels").rename(workspace / "wheels")
        shutil.rmtree(workspace / "was")
    assert made[0]
    for other in made[1:]:
        assert other == made[0]


@pytest.mark.parametrize("shifts", [(10, 0), (-10, 0), (0, 10), (0, -10)])
def test_a_clock_that_jumps_by_years_changes_nothing(
    shifts: tuple[int, int], workspace: Path
) -> None:
    (workspace / "clock").mkdir()
    (workspace / "clock" / "sitecustomize.py").write_text(SHIFTED)
    product.lay_out(workspace)
    for years, version in zip(shifts, (OLD, NEW), strict=True):
        product.declare(workspace, version)
        env = dict(product.environment(workspace))
        env["PYTHONPATH"] = f"{workspace / 'clock'}:{env['PYTHONPATH']}"
        env["CLOCK_SHIFT"] = str(years * YEARS)
        outcome = run(product.command(workspace, "apply", env=env))
        assert outcome.code == 0, product.said(outcome)
    assert not Judge()(workspace, Outcome(code=0))


@pytest.mark.parametrize("verb", ["plan", "check", "status", "verify"])
@pytest.mark.parametrize("state", ["converged", "drifted", "struck"])
def test_what_only_looks_writes_nothing_and_works_on_a_read_only_disk(
    verb: str, state: str, workspace: Path
) -> None:
    prepared(workspace, state)
    scratch = [workspace / "cache", workspace / "tmp"] if state != "converged" else []
    # When a venv was last verified is noted, for `status` to tell; no promise hangs on it.
    scratch += [workspace / "state" / "verified"] if verb == "verify" else []
    logged = run(product.command(workspace, verb), roots=[workspace], writes=True)
    outside = [call for call in logged.calls if not inside(call, scratch)]
    assert [str(call) for call in outside if call.effect != product.TOUCHES] == []
    seen = run(product.command(workspace, verb, writable=[one for one in scratch if one.exists()]))
    assert (seen.code, seen.stdout) == (logged.code, logged.stdout), product.said(seen)
    assert logged.code in (0, 2), product.said(logged)


def inside(call: Call, folders: Sequence[Path]) -> bool:
    """Choosing versions takes a cache; what is converged takes nothing at all."""
    return all(any(Path(p).is_relative_to(one) for one in folders) for p in call.paths)


def prepared(home: Path, state: str) -> None:
    """A site as declared, one that has drifted, or one where a run was killed."""
    product.lay_out(home)
    product.declare(home, OLD)
    product.apply(home)
    if state != "converged":
        product.declare(home, NEW)
    if state == "struck":
        fault = Fault(kind="kill", at=100)
        run(product.command(home, "apply"), roots=[home], decide=fault, writes=True)
        assert fault.struck


def test_a_reader_that_goes_away_stops_no_apply(workspace: Path) -> None:
    product.lay_out(workspace)
    product.declare(workspace, NEW)
    reading, writing = os.pipe()
    os.close(reading)
    outcome = run(product.command(workspace, "apply", stdout=writing, stderr=writing))
    os.close(writing)
    assert product.look(workspace, [NEW]) is None
    assert not Judge(generations=1)(workspace, Outcome(code=outcome.code))
