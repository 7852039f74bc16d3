"""How a file system is tried, and with how many kills."""

from __future__ import annotations

import os
import subprocess

import pytest

from states.striking import spread
from tests.integration.host import Host
from tests.integration.rooms import NOBODY, room


@pytest.mark.parametrize(
    ("points", "chosen"),
    [(1, [9]), (2, [1, 9]), (3, [1, 5, 9]), (4, [1, 4, 7, 9]), (99, [*range(1, 10)])],
)
def test_as_many_points_are_chosen_as_were_asked_for(points: int, chosen: list[int]) -> None:
    assert spread(points, 9) == chosen


@pytest.mark.parametrize("points", ["0", "-3", "²", "many"])
def test_a_number_of_points_that_is_none_is_refused(host: Host, points: str) -> None:
    refused = host.run("selftest", "--dir", ".", f"--points={points}")

    assert refused.code == 64
    assert "--points" in refused.err


def test_a_file_system_that_keeps_the_promises_is_said_to(host: Host) -> None:
    done = host.run("selftest", "--dir", ".", "--points", "2")

    assert done.code == 0, done.out + done.err
    assert "kill 2 of 2" in done.err
    assert "2 kills of an update, each put right by the next run" in done.out
    assert "all promises hold here" in done.out
    assert not list(host.folder.glob("converge-selftest-*"))


def test_who_stops_it_finds_nothing_left(host: Host) -> None:
    words = host.command("selftest", "--dir", ".")
    process = subprocess.Popen(
        words, cwd=host.folder, env=host.environment(), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "kill 1 of" in process.stderr.readline()
    process.terminate()

    assert "stopped by SIGTERM" in process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert not list(host.folder.glob("converge-selftest-*"))


def test_a_recovery_that_fails_is_told_with_the_change_it_was_killed_at(host: Host) -> None:
    """A control: on a disk where nothing can be put aside, an unkilled update would do well."""
    host.write(
        "import os\n"
        "rename = os.rename\n"
        "def refuse(source, target, **more):\n"
        "    if 'trash-' in str(target):\n"
        "        raise OSError(5, os.strerror(5), source)\n"
        "    rename(source, target, **more)\n"
        "os.rename = refuse\n",
        "broken/sitecustomize.py",
    )
    python_path = f"{host.folder / 'broken'}:{host.environment()['PYTHONPATH']}"

    done = host.run("selftest", "--dir", ".", "--points", "4", env={"PYTHONPATH": python_path})

    assert done.code == 1, done.out + done.err
    assert "✗ killed before change" in done.out
    assert "the disk reports errors" in done.out
    assert "all promises hold" not in done.out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused what another user can replace")
def test_no_kill_is_claimed_where_not_even_an_undisturbed_run_ends_well(host: Host) -> None:
    (host.folder / "theirs").mkdir()
    os.chown(host.folder / "theirs", NOBODY, NOBODY)

    done = host.run("selftest", "--dir", "theirs")

    assert done.code == 1, done.out + done.err
    assert "not killed at all" in done.out
    assert f"belongs to uid {NOBODY}" in done.out
    assert "put right" not in done.out


def test_a_file_system_from_which_no_program_runs_is_told_of(host: Host) -> None:
    (host.folder / "disk").mkdir()
    with room(f"mount -t tmpfs -o noexec none '{host.folder / 'disk'}'", host.folder) as prefix:
        done = host.run("selftest", "--dir", "disk", "--points", "1", prefix=prefix)

    assert done.code == 1, done.out + done.err
    assert "✗ a program can be run from there: Permission denied" in done.out
