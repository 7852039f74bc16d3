"""The summary that `status` prints, and invalid arguments of `gc`."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.integration.host import MINOR, Host

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


def test_gc_refuses_an_invalid_age(applied_host: Host) -> None:
    refused = applied_host.run("gc", "converge.toml", "--older-than=3y")

    assert refused.code == 64
    assert "invalid age: `3y`" in refused.err


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


def test_verify_is_silent_with_quiet_unless_files_differ(applied_host: Host) -> None:
    shown = applied_host.run("verify", "converge.toml")
    quiet = applied_host.run("verify", "converge.toml", "--quiet")

    assert f"venv.app: verifying generation {applied_host.generation.name}\n" in shown.err
    assert (quiet.code, quiet.err) == (0, "")
    assert quiet.out == ""

    (applied_host.site / "alpha/planted.py").touch()
    damaged = applied_host.run("verify", "converge.toml", "--quiet")
    assert (damaged.code, damaged.err) == (2, "")
    assert "alpha/planted.py" in damaged.out


def test_verbose_status_lists_every_difference(applied_host: Host) -> None:
    (applied_host.site / "alpha/one").touch()
    (applied_host.site / "alpha/two").touch()

    brief = applied_host.run("status", "converge.toml").out.splitlines()
    verbose = applied_host.run("status", "converge.toml", "-v").out.splitlines()

    assert brief[1].split()[1] == "drift"
    assert brief[2].endswith("and 1 more")
    assert len(brief) == 3
    assert [line for line in verbose if line.endswith(("/one unexpected", "/two unexpected"))]
    assert len(verbose) == 5


def test_history_has_no_progress_options(applied_host: Host) -> None:
    assert applied_host.run("history", "converge.toml", "app", "--quiet").code == 64


def test_status_reports_the_drift_that_check_finds(applied_host: Host) -> None:
    assert (applied_host.check().code, drift(applied_host)) == (0, [])
    planted = applied_host.site / "evil-1.0.dist-info"
    planted.mkdir()
    (planted / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    assert drift(applied_host) == ["package.evil 1.0"]
    shutil.rmtree(next(applied_host.site.glob("beta-*.dist-info")))
    (applied_host.site / "alpha/__init__.py").write_text("")
    applied_host.store.chmod(0o700)
    (applied_host.store / "trash-0a0b0c0d").mkdir()
    reported = drift(applied_host)
    assert {
        f"file.lib/{MINOR}/site-packages/alpha/__init__.py modified",
        "package.beta missing",
        "package.evil 1.0",
        "permissions.. mode 0700",
        "unfinished.trash-0a0b0c0d unfinished",
    } <= {*reported}
    changes = applied_host.check().first["changes"]
    texts = [f"{change['attribute']} {change['before'] or 'missing'}" for change in changes]
    assert [text for text in texts if not text.startswith("generation ")] == reported
