"""`verify` reads files in several processes, and reports the same as in one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.system.linux import cpu_count
from tests.integration.host import Host
from tests.support.wheels import make_wheel

FILES = 700
"""More than one process reads before it takes the next part (`states.venv.verify`)."""
pytestmark = pytest.mark.skipif(cpu_count() < 2, reason="one CPU: nothing is divided")


@pytest.fixture
def damaged_host(host_with_wheels: Host) -> Host:
    """Return a host whose venv has a difference of each kind, in different parts."""
    host = host_with_wheels
    files = {f"many/{number:03}.txt": f"{number:03}\n" for number in range(FILES)}
    make_wheel(host.wheels, "many", "1.0", files=files)
    host.declare(["many", "beta<2"])
    host.apply_ok()
    many = host.site / "many"
    (many / "001.txt").write_text("xxx\n")
    (many / "350.txt").write_text("longer\n")
    (many / "600.txt").unlink()
    (many / "699.txt").chmod(0o600)
    (many / "new.txt").touch()
    (next(host.site.glob("beta-*.dist-info")) / "RECORD").unlink()
    return host


def damage(host: Host, *options: str, prefix: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the flags of each difference by the last parts of its path."""
    done = host.run("verify", "converge.toml", "--json", *options, prefix=prefix)
    assert done.code == 2, done.err
    (report,) = json.loads(done.out)["generations"]
    return {"/".join(Path(row["path"]).parts[-2:]): row["flags"] for row in report["damage"]}


EXPECTED = {
    "beta-1.0.dist-info/RECORD": "missing",
    "many/001.txt": "..5.....",
    "many/350.txt": "S.5.....",
    "many/600.txt": "missing",
    "many/699.txt": ".M......",
    "many/new.txt": "unexpected",
}


def test_verify_reports_the_same_with_any_number_of_processes(damaged_host: Host) -> None:
    assert damage(damaged_host, "--jobs", "1") == EXPECTED
    assert damage(damaged_host, "--jobs", "2") == EXPECTED


def test_verify_reports_the_same_without_another_process(damaged_host: Host) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace isn't installed")
    log = damaged_host.directory / "calls"
    inject = "inject=clone,clone3,fork:error=EAGAIN"
    strace = ("strace", "-f", "-qq", "-e", "trace=clone,clone3,fork", "-e", inject, "-o", str(log))
    assert damage(damaged_host, prefix=strace) == EXPECTED
    assert "INJECTED" in log.read_text()


def test_verify_reports_the_same_if_its_children_are_killed(damaged_host: Host) -> None:
    argv: list[Any] = damaged_host.argv("verify", "converge.toml", "--json")
    with subprocess.Popen(
        argv, cwd=damaged_host.directory, env=damaged_host.environment(),
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        status = Path(f"/proc/{process.pid}/stat")
        while not children.read_text() and ") Z " not in status.read_text():
            pass
        killed = children.read_text().split()
        for child in killed:
            os.kill(int(child), signal.SIGKILL)
        assert process.stdout is not None
        output = process.stdout.read()
    assert killed
    (report,) = json.loads(output)["generations"]
    assert {row["path"].rpartition("/")[2] for row in report["damage"]} == {
        path.rpartition("/")[2] for path in EXPECTED
    }


def test_undamaged_venv_is_verified_with_any_number_of_processes(damaged_host: Host) -> None:
    damaged_host.apply_ok()
    for jobs in ("1", "2"):
        assert damaged_host.run("verify", "converge.toml", "--jobs", jobs).code == 0
