"""In a chroot in which nobody mounted `/proc`, as one in which an image is made may be."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from engine.lock import holding
from tests.integration.host import Host
from tests.integration.rooms import room, without_proc


@pytest.fixture
def inside(stocked: Host) -> Iterator[list[str]]:
    """The words that enter one."""
    root = stocked.folder.with_name(f"{stocked.folder.name}-root")
    with room(without_proc(root), stocked.folder) as words:
        yield [*words, "unshare", f"--root={root}", f"--wd={stocked.folder}"]


def test_a_venv_is_made_and_updated_and_what_is_of_no_more_use_is_removed(
    stocked: Host, inside: list[str]
) -> None:
    for version in ("1.0", "1.1"):
        stocked.declare([f"alpha=={version}"], keep=0)
        stocked.applied(prefix=inside)
    again = stocked.applied(prefix=inside)

    assert not again.report["changed"]
    assert len(stocked.generations()) == 1
    assert not list((stocked.cache / "uv-unflushed").iterdir())


def test_what_runs_from_a_generation_is_known_by_its_lease(
    stocked: Host, inside: list[str]
) -> None:
    stocked.declare(["alpha==1.0"], keep=0)
    stocked.applied()
    words = [stocked.venv / "bin/python", "-c", "print(flush=True); input()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        service.stdout.readline()
        stocked.declare(["alpha==1.1"], keep=0)
        stocked.applied(prefix=inside)

        assert len(stocked.generations()) == 2
        assert stocked.run("status", "converge.toml", prefix=inside).code == 0
        service.communicate()


def test_who_holds_the_lock_cannot_be_named(stocked: Host, inside: list[str]) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    with holding(lambda: str(stocked.store / "lock"), 1):
        refused = stocked.run("gc", "converge.toml", "--lock-timeout=0", prefix=inside)

    assert refused.code == 75
    assert "locked by a process that cannot be seen from here" in refused.err
