"""converge works in a chroot without `/proc`, such as one used to build an image."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from engine.lock import holding
from tests.integration.host import Host
from tests.integration.rooms import room, without_proc


@pytest.fixture
def in_chroot(stocked: Host) -> Iterator[list[str]]:
    """Yield the command prefix that runs a program in the chroot."""
    root = stocked.folder.with_name(f"{stocked.folder.name}-root")
    with room(without_proc(root), stocked.folder) as in_namespace:
        yield [*in_namespace, "unshare", f"--root={root}", f"--wd={stocked.folder}"]


def test_apply_without_proc_updates_and_collects_garbage(
    stocked: Host, in_chroot: list[str]
) -> None:
    for version in ("1.0", "1.1"):
        stocked.declare([f"alpha=={version}"], keep=0)
        stocked.applied(prefix=in_chroot)
    again = stocked.applied(prefix=in_chroot)

    assert not again.report["changed"]
    assert len(stocked.generations()) == 1
    assert not list((stocked.cache / "uv-unflushed").iterdir())


def test_generation_in_use_is_detected_by_its_lease(stocked: Host, in_chroot: list[str]) -> None:
    stocked.declare(["alpha==1.0"], keep=0)
    stocked.applied()
    argv = [stocked.venv / "bin/python", "-c", "print(flush=True); input()"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        service.stdout.readline()
        stocked.declare(["alpha==1.1"], keep=0)
        stocked.applied(prefix=in_chroot)

        assert len(stocked.generations()) == 2
        assert stocked.run("status", "converge.toml", prefix=in_chroot).code == 0
        service.communicate()


def test_lock_holder_without_proc_is_unknown(stocked: Host, in_chroot: list[str]) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    with holding(lambda: str(stocked.store / "lock"), 1):
        refused = stocked.run("gc", "converge.toml", "--lock-timeout=0", prefix=in_chroot)

    assert refused.code == 75
    assert "locked by a process that cannot be seen from here" in refused.err
