"""What is told of an environment at a glance."""

from __future__ import annotations

import json

import pytest

from tests.integration.host import Host

CHANGED = {
    "a requirement": {"packages": ["beta==2.0"]},
    "the mode": {"mode": "0750"},
    "a lasting folder": {"persistent": ["var"]},
    "what is ignored": {"ignore": ["var/*"]},
    "the interpreter": {"python": "3.99"},
}


def drift(host: Host) -> list[str]:
    """Return what the command tells of the first environment."""
    done = host.run("status", "converge.toml", "--json")
    assert done.code == 0, done.err
    told: list[str] = json.loads(done.out)["venvs"][0]["drift"]
    return told


@pytest.mark.parametrize("keys", CHANGED.values(), ids=CHANGED)
def test_a_declaration_that_was_changed_since_is_told(live: Host, keys: dict[str, object]) -> None:
    assert drift(live) == []
    live.declare(**{"packages": ["alpha", "beta<2"], **keys})

    assert drift(live) == ["declaration changed since"]


@pytest.mark.parametrize("age", ["²d", "d", "3", "-1d", "3y", ""])
def test_an_age_that_is_none_is_refused(live: Host, age: str) -> None:
    refused = live.run("gc", "converge.toml", f"--older-than={age}")

    assert refused.code == 64
    assert "is no age" in refused.err


def test_no_fewer_than_none_can_be_kept(live: Host) -> None:
    assert live.run("gc", "converge.toml", "--keep=-1").code == 64


@pytest.mark.parametrize("verb", ["status", "verify"])
def test_what_somebody_planted_adds_no_line_and_moves_no_cursor(live: Host, verb: str) -> None:
    """As the `owner` of what is inside can."""
    planted = live.site / "alpha/\x1b[2J\n  venv.app: 37 files as sealed"
    planted.touch()

    told = live.run(verb, "converge.toml").out

    planted.unlink()
    assert "\\x1b[2J\\n  venv.app" in told
    assert "\x1b" not in told
    assert not any(line.startswith("  venv.app") for line in told.splitlines())
