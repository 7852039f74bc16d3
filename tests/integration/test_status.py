"""The summary that `status` prints, and invalid arguments of `gc`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.host import Host

CHANGED = {
    "a requirement": {"packages": ["beta==2.0"]},
    "the mode": {"mode": "0750"},
    "a persistent directory": {"persistent": ["var"]},
    "ignored paths": {"ignore": ["var/*"]},
    "the interpreter": {"python": "3.99"},
}


def drift(host: Host) -> list[str]:
    """Return the drift that `status` reports for the first venv."""
    done = host.run("status", "converge.toml", "--json")
    assert done.code == 0, done.err
    reported: list[str] = json.loads(done.out)["venvs"][0]["drift"]
    return reported


@pytest.mark.parametrize("keys", CHANGED.values(), ids=CHANGED)
def test_status_reports_a_changed_declaration(applied_host: Host, keys: dict[str, Any]) -> None:
    assert drift(applied_host) == []
    applied_host.declare(**{"packages": ["alpha", "beta<2"], **keys})

    assert drift(applied_host) == ["declaration changed since the last apply"]


@pytest.mark.parametrize("age", ["²d", "d", "3", "-1d", "3y", ""])
def test_gc_refuses_an_invalid_age(applied_host: Host, age: str) -> None:
    refused = applied_host.run("gc", "converge.toml", f"--older-than={age}")

    assert refused.code == 64
    assert "invalid age" in refused.err


def test_gc_refuses_a_negative_keep(applied_host: Host) -> None:
    assert applied_host.run("gc", "converge.toml", "--keep=-1").code == 64


@pytest.mark.parametrize("verb", ["status", "verify"])
def test_control_characters_in_file_names_are_escaped(applied_host: Host, verb: str) -> None:
    """The declared `owner` of a venv can create such a file."""
    planted = applied_host.site / "alpha/\x1b[2J\n  venv.app: 37 files OK"
    planted.touch()

    printed = applied_host.run(verb, "converge.toml").out

    planted.unlink()
    assert "\\x1b[2J\\n  venv.app" in printed
    assert "\x1b" not in printed
    assert not any(line.startswith("  venv.app") for line in printed.splitlines())
