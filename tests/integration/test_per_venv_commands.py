"""Commands that visit each venv: a failure in one doesn't stop or hide the others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.system.lock import hold_lock
from states.venv.generations.generation import load_generation
from states.venv.generations.hold import release_hold
from states.venv.generations.store import list_generations, publish
from states.venv.layout import store_of
from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.snapshots import Snapshots
from tests.laws.kill_before_change import KILLED
from tests.support.command import Completed
from tests.support.forked import run_forked

NAMES = ("a", "b", "c")


def store(host: Host, name: str) -> Path:
    """Return the store of an environment."""
    return host.directory / f"venvs/.{name}"


def declare(host: Host, packages: str, **exceptions: str) -> None:
    """Declare three environments with these packages, except for those in `exceptions`."""
    defaults = f'python = "{host.python}"\nno-index = true\nfind-links = ["wheels"]\n'
    host.write(
        f"[defaults]\n{defaults}"
        + "".join(
            f'[venv.{name}]\npath = "venvs/{name}"\npackages = {exceptions.get(name, packages)}\n'
            for name in NAMES
        )
    )


@pytest.fixture
def three_venv_host(snapshots: Snapshots) -> Host:
    """Return a host with three environments, each with a previous generation."""

    def prepare(host: Host) -> None:
        make_wheels(host.wheels)
        for packages in ('["beta<2"]', '["beta==2.0"]'):
            declare(host, packages)
            host.apply_ok()

    return snapshots.host("three venvs", prepare)


def make_unreadable(host: Host) -> None:
    """Replace the store of `b` with a symlink to itself."""
    store(host, "b").rename(host.directory / "relocated")
    store(host, "b").symlink_to(".b")


def parse_report(run: Completed) -> dict[str, Any]:
    """Return the JSON document that a command printed."""
    report: dict[str, Any] = json.loads(run.out)
    return report


def test_gc_exit_code_is_specific_when_stderr_is_full(three_venv_host: Host) -> None:
    arguments = ("gc", "converge.toml", "--keep=0", "--lock-timeout=0.1", "--json")
    with hold_lock(lambda: str(store(three_venv_host, "b") / "lock"), 1):
        result = three_venv_host.run(*arguments, prefix=["sh", "-c", 'exec "$@" 2>/dev/full', "sh"])

    assert result.code == 75
    assert {name for name, deleted in parse_report(result)["removed"].items() if deleted} == {
        "venv.a",
        "venv.c",
    }


def test_gc_reports_its_deletions_when_one_venv_is_locked(three_venv_host: Host) -> None:
    arguments = ("gc", "converge.toml", "--keep=0", "--lock-timeout=0.1")
    with hold_lock(lambda: str(store(three_venv_host, "b") / "lock"), 1):
        result = three_venv_host.run(*arguments)
        again = three_venv_host.run(*arguments, "--json")

    assert result.code == 75
    deleted = [line.split()[1] for line in result.out.splitlines() if line.startswith("- ")]
    assert deleted == ["venv.a", "venv.c"]
    assert "error: venv.b: " in result.err
    assert parse_report(again)["errors"]["venv.b"]["code"] == 75
    assert parse_report(again)["error"]["message"].startswith("venv.b: ")
    assert parse_report(again)["exit"] == {"code": 75, "class": "busy", "retryable": True}
    assert three_venv_host.run(*arguments).out.count("- venv.b ") == 1


def test_lock_writes_other_lockfiles_when_one_venv_fails(host_with_wheels: Host) -> None:
    declare(host_with_wheels, '["beta"]', b='["beta>9"]')

    result = host_with_wheels.run("lock", "converge.toml")
    again = host_with_wheels.run("lock", "converge.toml", "--json")

    assert result.code == again.code == 1
    assert "error: venv.b: resolving versions: " in result.err
    assert "venv.a" in result.out
    assert "venv.c" in result.out
    assert [lock["address"] for lock in parse_report(again)["locks"]] == ["venv.a", "venv.c"]
    assert list(parse_report(again)["errors"]) == ["venv.b"]
    assert (host_with_wheels.directory / "pylock.c.toml").exists()


STOP_ON_OPEN = """
import os, signal, sys
def stop(event, values, sent=[]):
    if event == "open" and "{marker}" in str(values[0]) and not sent:
        sent.append(os.kill(os.getpid(), signal.SIGTERM))
sys.addaudithook(stop)
"""
"""Sends SIGTERM to the command when it first opens a file whose path contains `marker`."""


@pytest.mark.parametrize("command", ["status", "gc", "lock"])
def test_stop_request_finishes_one_venv_and_reports_the_others(
    three_venv_host: Host, command: str
) -> None:
    marker = "pylock.a.toml" if command == "lock" else "/.a/"
    three_venv_host.write(STOP_ON_OPEN.format(marker=marker), "hook/sitecustomize.py")
    env = {
        "PYTHONPATH": f"{three_venv_host.directory / 'hook'}:{three_venv_host.environment()['PYTHONPATH']}"
    }
    arguments = (command, "converge.toml", *(["--keep=0"] if command == "gc" else []))

    result = three_venv_host.run(*arguments, env=env)
    again = three_venv_host.run(*arguments, "--json", env=env)

    assert result.code == again.code == parse_report(again)["exit"]["code"] == 143
    assert "venv.a" in result.out
    assert "venv.b" not in result.out
    for name in ("b", "c"):
        assert (
            f"error: venv.{name}: interrupted by SIGTERM; to continue, run the command again"
            in result.err
        )


def test_stop_request_ends_verify_within_a_venv(three_venv_host: Host) -> None:
    """It changes nothing, and a venv can have very many files."""
    three_venv_host.write(STOP_ON_OPEN.format(marker="/.a/"), "hook/sitecustomize.py")
    path = three_venv_host.environment()["PYTHONPATH"]
    env = {"PYTHONPATH": f"{three_venv_host.directory / 'hook'}:{path}"}

    result = three_venv_host.run("verify", "converge.toml", env=env)

    assert (result.code, result.out) == (143, "")
    for name in ("a", "b", "c"):
        assert f"error: venv.{name}: interrupted by SIGTERM" in result.err


def test_gc_failures_of_several_classes_exit_with_1(three_venv_host: Host) -> None:
    (store(three_venv_host, "c") / "lock").unlink()
    (store(three_venv_host, "c") / "lock").mkdir()
    with hold_lock(lambda: str(store(three_venv_host, "b") / "lock"), 1):
        result = three_venv_host.run(
            "gc", "converge.toml", "--keep=0", "--lock-timeout=0.1", "--json"
        )

    assert result.code == 1
    assert list(parse_report(result)["removed"]) == ["venv.a"]
    assert list(parse_report(result)["errors"]) == ["venv.b", "venv.c"]
    assert parse_report(result)["exit"]["class"] == "failed"


@pytest.mark.parametrize("command", ["status", "verify"])
def test_unreadable_venv_does_not_hide_the_others(three_venv_host: Host, command: str) -> None:
    make_unreadable(three_venv_host)

    result = three_venv_host.run(command, "converge.toml")

    assert result.code == 1
    assert "error: venv.b: " in result.err
    assert "venv.a " in result.out
    assert "venv.c " in result.out


def test_name_of_a_venv_can_also_be_a_directory(three_venv_host: Host) -> None:
    """A venv is often published in the current directory under its own name."""
    (three_venv_host.directory / "a").mkdir()

    assert three_venv_host.run("history", "a").code == 0
    swapped = three_venv_host.run("history", "a", "converge.toml")
    assert (swapped.code, "use `converge.toml a`" in swapped.err) == (64, True)

    (three_venv_host.directory / "a/site.toml").write_text("[venv.x]\npath = 1\n")
    assert "a/site.toml:2" in three_venv_host.run("history", "a").err


def test_unreadable_venv_is_an_error_in_json(three_venv_host: Host) -> None:
    make_unreadable(three_venv_host)

    status = parse_report(three_venv_host.run("status", "converge.toml", "--json"))
    verify = parse_report(three_venv_host.run("verify", "converge.toml", "--json"))

    assert [row["address"] for row in status["venvs"]] == ["venv.a", "venv.c"]
    assert list(status["errors"]) == ["venv.b"]
    (failed,) = [row for row in verify["generations"] if row["error"]]
    assert (failed["address"], failed["generation"]) == ("venv.b", None)
    assert all(row.keys() == failed.keys() for row in verify["generations"])
    assert verify["exit"] == {"code": 1, "class": "failed", "retryable": False}


def run_here(host: Host, *arguments: str, kill_before_change: int = 0) -> Completed:
    """Run a command in a fork of this process."""
    return run_forked(
        *arguments,
        env=host.environment(),
        cwd=host.directory,
        kill_before_change=kill_before_change,
    )


def live(host: Host) -> dict[str, str]:
    """Return the number of the live generation of each environment."""
    return {name: (host.directory / "venvs" / name).readlink().name[:6] for name in NAMES}


def go_forward(host: Host) -> None:
    """Publish the second generation of each environment again, without a hold."""
    for name in NAMES:
        paths = store_of(str(host.directory / "venvs" / name))
        release_hold(paths)
        generation = load_generation(paths, list_generations(paths)[1])
        assert generation is not None
        publish(paths, generation)


FIRST = dict.fromkeys(NAMES, "000001")
SECOND = dict.fromkeys(NAMES, "000002")


def test_rollback_of_several_venvs_is_done_once(three_venv_host: Host) -> None:
    """Repeated after an interruption, it doesn't take those further back that it had finished."""
    assert run_here(three_venv_host, "rollback", "a").code == 0

    result = run_here(three_venv_host, "rollback", "converge.toml", "venv.a", "c", "--json")
    report = parse_report(result)

    assert live(three_venv_host) == FIRST | {"b": "000002"}
    assert [(row["address"], row["changed"]) for row in report["venvs"]] == [
        ("venv.a", False),
        ("venv.c", True),
    ]
    assert all(row["held"] for row in report["venvs"])

    again = parse_report(run_here(three_venv_host, "rollback", "a", "c", "--json"))
    assert not any(row["changed"] for row in again["venvs"])

    released = run_here(three_venv_host, "rollback", "a", "c", "--release")
    assert released.out.count("no longer held") == 2
    assert released.out.endswith("Rollback: 2 released.\n")


@pytest.mark.parametrize("selection", [NAMES, ("--last-run",)], ids=["names", "run"])
def test_rollback_changes_no_venv_if_one_has_no_predecessor(
    three_venv_host: Host, selection: tuple[str, ...]
) -> None:
    for name in ("a", "c"):
        previous = store(three_venv_host, name) / "generations"
        shutil.rmtree(next(path for path in previous.iterdir() if path.name < "000002"))

    result = run_here(three_venv_host, "rollback", *selection)

    assert result.code == 1
    assert live(three_venv_host) == SECOND
    assert "error: venv.a: " in result.err
    assert "error: venv.b: " not in result.err
    assert "error: venv.c: " in result.err
    assert "2 failed; nothing was changed." in result.out


def test_rollback_of_the_last_run_takes_only_its_venvs_back(three_venv_host: Host) -> None:
    """Even if its earlier generation is the newer one, and with any number of repetitions."""
    declare(three_venv_host, '["beta==2.0"]', b='["beta<2"]')
    three_venv_host.apply_ok()
    assert live(three_venv_host) == SECOND | {"b": "000001"}

    preview = run_here(three_venv_host, "rollback", "--last-run", "--dry-run")
    assert "venv.b: would switch to 000002" in preview.out
    assert live(three_venv_host)["b"] == "000001"

    for changed in (True, False, False):
        report = parse_report(run_here(three_venv_host, "rollback", "--last-run", "--json"))
        assert [(row["address"], row["changed"]) for row in report["venvs"]] == [
            ("venv.b", changed)
        ]
        assert report["run"].startswith("000003-")
        assert live(three_venv_host) == SECOND


def test_rollback_of_several_venvs_holds_all_locks_or_none(three_venv_host: Host) -> None:
    with hold_lock(lambda: str(store(three_venv_host, "c") / "lock"), 1):
        result = run_here(three_venv_host, "rollback", "--last-run", "--lock-timeout=0.1")

    assert result.code == 75
    assert live(three_venv_host) == SECOND


@pytest.mark.parametrize(
    ("selection", "distance"), [(NAMES, 7), (("--last-run",), 4)], ids=["names", "run"]
)
def test_killed_rollback_of_several_venvs_can_be_repeated(
    three_venv_host: Host, selection: tuple[str, ...], distance: int
) -> None:
    interrupted: set[str] = set()
    for change in range(distance, 20, distance):
        killed = run_here(three_venv_host, "rollback", *selection, kill_before_change=change)
        assert killed.code == KILLED
        interrupted = set(live(three_venv_host).values())
        assert interrupted <= {"000001", "000002"}

        assert run_here(three_venv_host, "rollback", *selection).code == 0
        assert live(three_venv_host) == FIRST
        again = parse_report(run_here(three_venv_host, "rollback", *selection, "--json"))
        assert not any(row["changed"] for row in again["venvs"])
        go_forward(three_venv_host)
    assert len(interrupted) == 2, "the last kill must be between two switches"
