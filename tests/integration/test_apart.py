"""What fails for one environment stops no other, and hides nothing that was done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.lock import holding
from tests.integration.host import Host, Run

NAMES = ("a", "b", "c")


def store(host: Host, name: str) -> Path:
    return host.folder / f"venvs/.{name}"


def declare(host: Host, packages: str, **more: str) -> None:
    table = f'python = "{host.python}"\nno-index = true\nfind-links = ["wheels"]\n'
    host.write(
        f"[defaults]\n{table}"
        + "".join(
            f'[venv.{name}]\npath = "venvs/{name}"\npackages = {more.get(name, packages)}\n'
            for name in NAMES
        )
    )


@pytest.fixture
def three(stocked: Host) -> Host:
    """A host with three environments, each of which has a former generation."""
    for packages in ('["beta<2"]', '["beta==2.0"]'):
        declare(stocked, packages)
        stocked.applied()
    return stocked


def unreadable(host: Host) -> None:
    """Let the store of `b` lead to itself."""
    store(host, "b").rename(host.folder / "elsewhere")
    store(host, "b").symlink_to(".b")


def document(done: Run) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(done.out)
    return told


def test_what_failed_has_its_own_code_though_nobody_can_be_told_of_it(three: Host) -> None:
    words = ("gc", "converge.toml", "--keep=0", "--lock-timeout=0.1", "--json")
    with holding(lambda: str(store(three, "b") / "lock"), 1):
        done = three.run(*words, prefix=["sh", "-c", 'exec "$@" 2>/dev/full', "sh"])

    assert done.code == 75
    assert {name for name, gone in document(done)["removed"].items() if gone} == {
        "venv.a",
        "venv.c",
    }


def test_what_was_collected_is_told_though_one_is_locked(three: Host) -> None:
    words = ("gc", "converge.toml", "--keep=0", "--lock-timeout=0.1")
    with holding(lambda: str(store(three, "b") / "lock"), 1):
        done = three.run(*words)
        again = three.run(*words, "--json")

    assert done.code == 75
    assert [line.split()[1] for line in done.out.splitlines()] == ["venv.a", "venv.c"]
    assert "error: venv.b: " in done.err
    assert document(again)["errors"]["venv.b"]["code"] == 75
    assert document(again)["error"]["message"].startswith("venv.b: ")
    assert document(again)["exit"] == {"code": 75, "class": "busy", "retryable": True}
    assert three.run(*words).out.split()[1] == "venv.b"


def test_locks_are_written_and_told_though_one_cannot_be(stocked: Host) -> None:
    declare(stocked, '["beta"]', b='["beta>9"]')

    done = stocked.run("lock", "converge.toml", "--quiet")
    again = stocked.run("lock", "converge.toml", "--json")

    assert done.code == again.code == 1
    assert "error: venv.b: choosing versions: " in done.err
    assert "venv.a" in done.out
    assert "venv.c" in done.out
    assert [one["address"] for one in document(again)["locks"]] == ["venv.a", "venv.c"]
    assert list(document(again)["errors"]) == ["venv.b"]
    assert (stocked.folder / "c.pylock.toml").exists()


STOPPED_AT = """
import os, signal, sys
def ask(event, arguments, asked=[]):
    if event == "open" and "{marker}" in str(arguments[0]) and not asked:
        asked.append(os.kill(os.getpid(), signal.SIGTERM))
sys.addaudithook(ask)
"""
"""Has the command asked to stop when it first opens such a file."""


@pytest.mark.parametrize("verb", ["status", "verify", "gc", "lock"])
def test_who_is_asked_to_stop_ends_with_the_one_at_hand_and_tells_of_all(
    three: Host, verb: str
) -> None:
    marker = "a.pylock.toml" if verb == "lock" else "/.a/"
    three.write(STOPPED_AT.format(marker=marker), "asked/sitecustomize.py")
    env = {"PYTHONPATH": f"{three.folder / 'asked'}:{three.environment()['PYTHONPATH']}"}
    words = (verb, "converge.toml", *(["--keep=0"] if verb == "gc" else []))

    done = three.run(*words, env=env)
    again = three.run(*words, "--json", env=env)

    assert done.code == again.code == document(again)["exit"]["code"] == 143
    assert "venv.a" in done.out
    assert "venv.b" not in done.out
    for name in ("b", "c"):
        assert f"error: venv.{name}: stopped by SIGTERM; just run it again" in done.err


def test_failures_of_several_classes_are_just_failures(three: Host) -> None:
    (store(three, "c") / "lock").unlink()
    (store(three, "c") / "lock").mkdir()
    with holding(lambda: str(store(three, "b") / "lock"), 1):
        done = three.run("gc", "converge.toml", "--keep=0", "--lock-timeout=0.1", "--json")

    assert done.code == 1
    assert list(document(done)["removed"]) == ["venv.a"]
    assert list(document(done)["errors"]) == ["venv.b", "venv.c"]
    assert document(done)["exit"]["class"] == "failed"


@pytest.mark.parametrize("verb", ["status", "verify"])
def test_one_that_cannot_be_read_hides_no_other(three: Host, verb: str) -> None:
    unreadable(three)

    done = three.run(verb, "converge.toml")

    assert done.code == 1
    assert "error: venv.b: " in done.err
    assert "venv.a " in done.out
    assert "venv.c " in done.out


def test_one_that_cannot_be_read_is_an_error_in_json(three: Host) -> None:
    unreadable(three)

    status = document(three.run("status", "converge.toml", "--json"))
    verify = document(three.run("verify", "converge.toml", "--json"))

    assert [row["address"] for row in status["venvs"]] == ["venv.a", "venv.c"]
    assert list(status["errors"]) == ["venv.b"]
    (wrong,) = [row for row in verify["generations"] if row["error"]]
    assert (wrong["address"], wrong["generation"]) == ("venv.b", None)
    assert verify["exit"] == {"code": 1, "class": "failed", "retryable": False}
