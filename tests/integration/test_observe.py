"""Observing a venv runs none of its code, starts no program, and writes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.host import Host

CHANGES = (
    "execve,socket,connect,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,symlink,symlinkat"
    ",chmod,fchmod,fchmodat,fsync,syncfs,ftruncate"
)
"""System calls that start a program, use a network, or change a file."""


def plant_interpreter(host: Host, canary: Path) -> None:
    """Replace the interpreter by a script that creates the canary."""
    interpreter = host.generation / "bin/python"
    interpreter.unlink()
    interpreter.write_text(f"#!/bin/sh\ntouch {canary}\n")
    interpreter.chmod(0o755)


CANARY: dict[str, Callable[[Host, Path], object]] = {
    "a .pth": lambda host, canary: (host.site / "aaa.pth").write_text(
        f"import os; open({str(canary)!r}, 'w')\n"
    ),
    "sitecustomize": lambda host, canary: (host.site / "sitecustomize.py").write_text(
        f"open({str(canary)!r}, 'w')\n"
    ),
    "the startup hook": lambda host, canary: (host.site / "_converge_startup.py").write_text(
        f"open({str(canary)!r}, 'w')\n"
    ),
    "a package": lambda host, canary: (host.site / "alpha/__init__.py").write_text(
        f"open({str(canary)!r}, 'w')\n"
    ),
    "the interpreter": plant_interpreter,
}


@pytest.mark.parametrize("plant", CANARY.values(), ids=CANARY)
def test_check_and_repair_run_no_planted_code(
    applied_host: Host, plant: Callable[[Host, Path], object]
) -> None:
    canary = applied_host.directory / "canary"
    plant(applied_host, canary)

    applied_host.assert_converges()

    assert not canary.exists()


def test_no_op_apply_starts_no_program_and_writes_nothing(applied_host: Host) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace isn't installed")
    log = applied_host.directory / "calls"
    calls = f"{CHANGES},fork,vfork,clone,clone3"
    strace = ["strace", "-f", "-qq", "-e", f"trace={calls}", "-e", "signal=none", "-o", str(log)]

    assert applied_host.apply(prefix=strace).code == 0

    (only,) = log.read_text().splitlines()
    assert "execve(" in only


def test_no_op_apply_stats_every_file(applied_host: Host) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace isn't installed")
    log = applied_host.directory / "stats"
    strace = ["strace", "-f", "-qq", "-e", "trace=%file", "-o", str(log)]

    assert applied_host.apply(prefix=strace).code == 0

    calls = log.read_text()
    for path in applied_host.generation.rglob("*"):
        if ".converge" not in path.parts:
            in_site = path.is_relative_to(applied_host.site) and path != applied_host.site
            parent = applied_host.site if in_site else applied_host.generation
            assert f'"{path.relative_to(parent)}"' in calls, path


def test_no_op_apply_imports_no_library(applied_host: Host) -> None:
    program = applied_host.write(
        "import sys\n"
        "from states.__main__ import main\n"
        "sys.argv = ['converge', 'apply', 'converge.toml']\n"
        "assert main() == 0\n"
        "print(sorted(sys.modules), file=sys.stderr)\n",
        "probe.py",
    )
    done = applied_host.run(prefix=[*applied_host.argv()[:1], str(program), "--"])

    assert "no changes" in done.out
    for module in ("pydantic", "networkx", "virtualenv", "subprocess", "asyncio", "packaging"):
        assert f"'{module}'" not in done.err
