"""Commands that visit each venv: a failure in one doesn't stop or hide the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.system.lock import hold_lock
from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.snapshots import Snapshots
from tests.support.command import Completed

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
