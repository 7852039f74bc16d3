"""Looking at an environment runs nothing of it, starts nothing, and writes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.host import Host

CANARY: dict[str, Callable[[Host, Path], object]] = {
    "a .pth": lambda host, canary: (host.site / "aaa.pth").write_text(
        f"import os; open({str(canary)!r}, 'w')\n"
    ),
    "sitecustomize": lambda host, canary: (host.site / "sitecustomize.py").write_text(
        f"open({str(canary)!r}, 'w')\n"
    ),
    "the pin": lambda host, canary: (host.site / "_converge_pin.py").write_text(
        f"open({str(canary)!r}, 'w')\n"
    ),
    "a package": lambda host, canary: (host.site / "alpha/__init__.py").write_text(
        f"open({str(canary)!r}, 'w')\n"
    ),
    "the interpreter": lambda host, canary: (
        (host.generation / "bin/python").unlink(),
        (host.generation / "bin/python").write_text(f"#!/bin/sh\ntouch {canary}\n"),
        (host.generation / "bin/python").chmod(0o755),
    ),
}


@pytest.mark.parametrize("plant", CANARY.values(), ids=CANARY)
def test_nothing_planted_is_run_by_looking_or_by_repairing(
    live: Host, plant: Callable[[Host, Path], object]
) -> None:
    canary = live.folder / "canary"
    plant(live, canary)

    live.converges()

    assert not canary.exists()


def test_a_run_with_nothing_to_do_starts_nothing_and_writes_nothing(live: Host) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is not here")
    log = live.folder / "calls"
    calls = "execve,fork,vfork,clone,clone3,socket,connect,mkdir,mkdirat,rename,renameat,renameat2"
    calls += ",unlink,unlinkat,symlink,symlinkat,chmod,fchmod,fchmodat,fsync,syncfs,ftruncate"
    strace = ["strace", "-f", "-qq", "-e", f"trace={calls}", "-e", "signal=none", "-o", str(log)]

    assert live.apply(prefix=strace).code == 0

    (only,) = log.read_text().splitlines()
    assert "execve(" in only


def test_a_run_with_nothing_to_do_looks_at_every_sealed_file(live: Host) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is not here")
    log = live.folder / "stats"
    strace = ["strace", "-f", "-qq", "-e", "trace=%file", "-o", str(log)]

    assert live.apply(prefix=strace).code == 0

    looked = log.read_text()
    for one in live.generation.rglob("*"):
        if ".converge" not in one.parts:
            inside = one.is_relative_to(live.site) and one != live.site
            assert f'"{one.relative_to(live.site if inside else live.generation)}"' in looked, one


def test_a_run_with_nothing_to_do_imports_no_library(live: Host) -> None:
    program = live.write(
        "import sys\n"
        "from states.__main__ import main\n"
        "sys.argv = ['converge', 'apply', 'converge.toml', '--quiet']\n"
        "assert main() == 0\n"
        "print(sorted(sys.modules), file=sys.stderr)\n",
        "probe.py",
    )
    done = live.run(prefix=[*live.command()[:1], str(program), "--"])

    assert "nothing to do" in done.out
    for heavy in ("pydantic", "networkx", "virtualenv", "subprocess", "asyncio", "packaging"):
        assert f"'{heavy}'" not in done.err
