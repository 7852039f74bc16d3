"""The umask, the locale, the clock, a read-only disk, and a closed pipe don't change the result."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from . import product
from .calls import SystemCall
from .checker import Checker
from .faults import Fault
from .product import NEW, OLD
from .supervisor import Outcome, run

pytestmark = pytest.mark.usefixtures("needs_sandbox", "needs_converge")

SITECUSTOMIZE_SHIFTED_CLOCK = """
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
"""A `sitecustomize` module that shifts the command's wall clock by `CLOCK_SHIFT` seconds."""

SECONDS_PER_YEAR = 365 * 24 * 3600.0


def generation_content(home: Path) -> dict[str, str]:
    """Return the modes and digests of the live generation, without its id and its metadata."""
    root = product.published(home).resolve()
    generation_id = root.name.encode()
    content = {}
    for path in sorted(root.rglob("*")):
        relative = str(path.relative_to(root))
        if relative.split("/")[0] != product.METADATA_DIR and "__pycache__" not in relative:
            status = path.lstat()
            data = os.readlink(path).encode() if path.is_symlink() else b""
            if path.is_file() and not path.is_symlink():
                # RECORD contains digests of scripts, and scripts contain the generation's id.
                lines = path.read_bytes().splitlines()
                data = b"\n".join(line for line in lines if not line.startswith(b"../"))
            digest = hashlib.sha256(data.replace(generation_id, b"ID")).hexdigest()[:12]
            content[relative] = f"{status.st_mode:o} {digest}"
    return content


def create(home: Path, umask: int = 0o022, *options: str, **env: str) -> dict[str, str]:
    """Run a first apply, and return the content of the new generation.

    Args:
        home: Directory of the host. A directory `wheels` next to it replaces the host's wheels.
        umask: Umask of the run.
        *options: Options of the apply.
        **env: Environment variables to set.
    """
    home.mkdir()
    product.create_host(home)
    shared_wheels = home.parent / "wheels"
    if shared_wheels.exists():
        shutil.rmtree(home / "wheels")
        shared_wheels.rename(home / "wheels")
    product.declare(home, NEW)
    base = product.command(home, "apply", *options)
    environment: Mapping[str, str] = {**base.env, **env}
    outcome = run(product.command(home, "apply", *options, env=environment, umask=umask))
    assert outcome.code == 0, product.last_output(outcome)
    assert not Checker(generations=1)(home, outcome)
    return generation_content(home)


def test_generation_content_does_not_depend_on_the_environment(workspace: Path) -> None:
    # Scripts contain the path, so every run uses the same one.
    home = workspace / "home"
    contents = []
    for umask, options, env in (
        (0o022, (), {}),
        (0o000, (), {"LC_ALL": "C", "PYTHONHASHSEED": "1"}),
        (0o077, ("--jobs", "1"), {"LC_ALL": "C", "LANG": "C", "TZ": "Asia/Kathmandu"}),
        (0o027, ("--jobs", "8"), {"PYTHONHASHSEED": "2", "PYTHONUTF8": "0"}),
    ):
        contents.append(create(home, umask, *options, **env))
        home.rename(workspace / "previous")
        # Use the same wheel files again. An installer may record their timestamps.
        (workspace / "previous" / "wheels").rename(workspace / "wheels")
        shutil.rmtree(workspace / "previous")
    assert contents[0]
    for content in contents[1:]:
        assert content == contents[0]


@pytest.mark.parametrize("shifts", [(10, 0), (-10, 0), (0, 10), (0, -10)])
def test_apply_works_when_the_clock_jumps_by_years(
    shifts: tuple[int, int], workspace: Path
) -> None:
    (workspace / "clock").mkdir()
    (workspace / "clock" / "sitecustomize.py").write_text(SITECUSTOMIZE_SHIFTED_CLOCK)
    product.create_host(workspace)
    for years, version in zip(shifts, (OLD, NEW), strict=True):
        product.declare(workspace, version)
        env = dict(product.environment(workspace))
        env["PYTHONPATH"] = f"{workspace / 'clock'}:{env['PYTHONPATH']}"
        env["CLOCK_SHIFT"] = str(years * SECONDS_PER_YEAR)
        outcome = run(product.command(workspace, "apply", env=env))
        assert outcome.code == 0, product.last_output(outcome)
    assert not Checker()(workspace, Outcome(code=0))


@pytest.mark.parametrize("verb", ["plan", "check", "status", "verify"])
@pytest.mark.parametrize("state", ["converged", "drifted", "interrupted"])
def test_read_only_commands_work_on_a_read_only_disk(
    verb: str, state: str, workspace: Path
) -> None:
    create_host_in_state(workspace, state)
    # Resolving uses a cache. Nothing is resolved if the venv has converged.
    writable = [workspace / "cache", workspace / "tmp"] if state != "converged" else []
    # `verify` records its time for `status`. No promise depends on that record.
    writable += [workspace / "state" / "verified"] if verb == "verify" else []
    logged = run(product.command(workspace, verb), roots=[workspace], writes=True)
    unexpected = [call for call in logged.calls if not is_below(call, writable)]
    assert [str(call) for call in unexpected if call.effect != product.NO_EFFECT] == []
    existing = [directory for directory in writable if directory.exists()]
    read_only = run(product.command(workspace, verb, writable=existing))
    expected = (logged.code, logged.stdout)
    assert (read_only.code, read_only.stdout) == expected, product.last_output(read_only)
    assert logged.code in (0, 2), product.last_output(logged)


def is_below(call: SystemCall, directories: Sequence[Path]) -> bool:
    """Return whether every path of the call is below one of the directories."""
    return all(
        any(Path(path).is_relative_to(directory) for directory in directories)
        for path in call.paths
    )


def create_host_in_state(home: Path, state: str) -> None:
    """Create a host that has converged, has drifted, or whose last run was killed."""
    product.create_host(home)
    product.apply(home, OLD)
    if state != "converged":
        product.declare(home, NEW)
    if state == "interrupted":
        fault = Fault(kind="kill", at=100)
        run(product.command(home, "apply"), roots=[home], decide=fault, writes=True)
        assert fault.hit_call


def test_apply_completes_when_its_output_pipe_is_closed(workspace: Path) -> None:
    product.create_host(workspace)
    product.declare(workspace, NEW)
    read_end, write_end = os.pipe()
    os.close(read_end)
    outcome = run(product.command(workspace, "apply", stdout=write_end, stderr=write_end))
    os.close(write_end)
    assert product.published_error(workspace, [NEW]) is None
    assert not Checker(generations=1)(workspace, Outcome(code=outcome.code))
