"""`rollback` publishes the previous generation and holds it against later runs."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.integration.host import Host
from tests.integration.interpreters import private_interpreter, upgrade
from tests.support.command import changes
from tests.support.wheels import make_wheel

NAME = "converge.toml"
RECEIPT = ".converge/receipt.json"


@pytest.fixture
def host(host: Host) -> Host:
    """Return a host with three versions of one package."""
    for version in ("1.0", "2.0", "3.0"):
        make_wheel(host.wheels, "beta", version)
    return host


@pytest.fixture
def held(host: Host) -> Host:
    """Return a host that was rolled back from 2.0 to 1.0."""
    apply_versions(host, "1.0", "2.0")
    roll_back(host)
    return host


def apply_versions(host: Host, *versions: str, **keys: Any) -> None:
    """Apply several versions in order."""
    for version in versions:
        host.declare([f"beta=={version}"], **keys)
        host.apply_ok()


def roll_back(host: Host, *options: str) -> None:
    """Run `rollback`, and assert that it succeeds."""
    done = host.run("rollback", NAME, "app", *options)
    assert done.code == 0, done.err


def live_version(host: Host) -> str:
    """Return the version of `beta` in the live generation."""
    return host.versions()["beta"]


def interrupt_rollback(host: Host) -> None:
    """Leave the state of a rollback that was killed after it recorded the hold."""
    live = host.venv.readlink()
    roll_back(host)
    host.venv.unlink()
    host.venv.symlink_to(live)


@pytest.mark.parametrize("fault", ["missing", "elsewhere", "an empty directory"])
def test_held_path_is_restored_to_the_held_generation(held: Host, fault: str) -> None:
    before = held.generation
    held.venv.unlink()
    if fault == "elsewhere":
        held.venv.symlink_to("/etc")
    elif fault == "an empty directory":
        held.venv.mkdir()

    plan = held.assert_converges()

    assert set(changes(plan)) == {"path"}
    assert held.generation == before
    assert any("is held at" in notice for notice in held.apply().report["notices"])


@pytest.mark.parametrize("path", ["present", "missing"])
@pytest.mark.parametrize("fault", ["torn", "no receipt", "deleted", "metadata gone"])
def test_damaged_held_generation_isnt_replaced(held: Host, fault: str, path: str) -> None:
    before = held.generation
    if fault == "torn":
        with (before / RECEIPT).open("ab") as stream:
            stream.write(b"x")
    elif fault == "no receipt":
        (before / RECEIPT).unlink()
    elif fault == "deleted":
        shutil.rmtree(before)
    else:
        shutil.rmtree(held.site / "beta-1.0.dist-info")
    if path == "missing":
        held.venv.unlink()

    for run in (held.plan(), held.apply(), held.check()):
        assert run.code == 1
        assert "the held generation of" in run.first["error"]["message"]
        assert "release" in run.first["error"]["hint"]
    assert held.venv.is_symlink() == (path == "present")

    roll_back(held, "--release")
    held.apply_ok()
    assert live_version(held) == "2.0"


@pytest.mark.parametrize("path", ["present", "missing"])
def test_missing_interpreter_of_held_generation_is_reported(host: Host, path: str) -> None:
    executable = private_interpreter(host.directory / "opt")
    apply_versions(host, "1.0", "2.0", python=str(executable))
    roll_back(host)
    executable.unlink()
    if path == "missing":
        host.venv.unlink()

    for run in (host.plan(), host.apply(), host.check()):
        assert run.code == 1
        assert f"missing {executable}" in run.first["error"]["message"]
    assert host.venv.is_symlink() == (path == "present")


def test_held_generation_stays_if_interpreter_is_upgraded(host: Host) -> None:
    executable = private_interpreter(host.directory / "opt")
    apply_versions(host, "1.0", "2.0", python=str(executable))
    roll_back(host)
    upgrade(executable)

    host.assert_no_changes()

    assert live_version(host) == "1.0"


def test_status_shows_held_generation_without_drift(held: Host) -> None:
    assert held.check().code == 0
    (line,) = held.run("status", NAME).out.splitlines()
    assert line.endswith("  no drift  held")
    (row,) = json.loads(held.run("status", NAME, "--json").out)["venvs"]
    assert (row["held"], row["drift"]) == (True, [])

    (held.site / "beta/__init__.py").unlink()
    assert "drift: file" in held.run("status", NAME).out

    roll_back(held, "--release")
    assert "held" not in held.run("status", NAME).out


def test_gc_keeps_held_generation_without_published_path(held: Host) -> None:
    before = held.generation
    held.venv.unlink()

    assert held.run("gc", NAME, "--keep", "0").code == 0
    held.apply_ok()

    assert held.generations() == [before.name]
    assert held.generation == before


@pytest.mark.parametrize("fault", ["missing", "elsewhere", "dangling"])
def test_gc_keeps_generation_that_apply_publishes_again(host: Host, fault: str) -> None:
    apply_versions(host, "1.0", "2.0")
    live = host.generation
    host.venv.unlink()
    if fault != "missing":
        target = (
            "/etc" if fault == "elsewhere" else f"{host.store.name}/generations/000009-0123abcd"
        )
        host.venv.symlink_to(target)

    assert host.run("gc", NAME, "--keep", "0").code == 0
    host.apply_ok()

    assert host.generations() == [live.name]
    assert host.generation == live


def test_rollback_without_path_publishes_held_generation(held: Host) -> None:
    before = held.generation
    held.venv.unlink()

    roll_back(held)

    assert held.generation == before


def test_status_and_check_agree_on_held_generation(
    held: Host,
) -> None:
    """The held generation was built from an earlier declaration."""
    (row,) = json.loads(held.run("status", NAME, "--json").out)["venvs"]
    printed = held.run("status", NAME).out

    assert held.check().code == 0
    assert (row["held"], row["drift"]) == (True, [])
    assert printed.rstrip().endswith("no drift  held")
    assert held.run("rollback", NAME, "app", "--release").code == 0
    (row,) = json.loads(held.run("status", NAME, "--json").out)["venvs"]
    assert (row["held"], row["drift"]) == (False, ["declaration changed since the last apply"])


def test_command_in_hold_notice_releases_the_hold(held: Host) -> None:
    declared = held.directory / NAME
    declared.write_text(declared.read_text().replace("venv.app", 'venv."app-2026.1"'))

    (notice,) = held.apply().report["notices"]
    arguments = notice.partition("`converge ")[2].partition("`")[0].replace("FILE", NAME).split()

    assert held.run(*arguments).out.startswith("venv.app-2026.1: no longer held")


def test_held_venv_declared_absent_is_deleted(held: Host) -> None:
    held.declare(["beta==2.0"], state="absent")

    held.apply_ok()

    assert not held.store.exists()


def test_interrupted_rollback_leaves_no_hold(host: Host) -> None:
    apply_versions(host, "1.0", "2.0")
    interrupt_rollback(host)
    assert "held" not in host.run("history", NAME, "app").out

    plan = host.assert_converges()

    assert set(changes(plan)) == {"unfinished.held"}
    assert not (host.store / "held").is_symlink()
    host.venv.unlink()
    host.apply_ok()
    assert live_version(host) == "2.0"


def test_gc_cleans_up_after_interrupted_rollback(host: Host) -> None:
    apply_versions(host, "1.0", "2.0")
    interrupt_rollback(host)

    assert host.run("gc", NAME, "--keep", "0").code == 0

    assert host.generations() == [host.generation.name]
    host.assert_no_changes()


def test_interrupted_rollback_wins_if_live_generation_is_gone(host: Host) -> None:
    apply_versions(host, "1.0", "2.0")
    interrupt_rollback(host)
    shutil.rmtree(host.generation)

    host.assert_converges()

    assert live_version(host) == "1.0"


def test_gc_prefers_previous_over_rejected_generation(held: Host) -> None:
    apply_versions(held, "3.0")

    assert held.run("gc", NAME).code == 0
    assert len(held.generations()) == 2
    roll_back(held)

    assert live_version(held) == "1.0"


def test_rollback_selects_the_previously_live_generation(host: Host) -> None:
    apply_versions(host, "1.0", "2.0", "1.0", "3.0")

    roll_back(host)

    assert live_version(host) == "1.0"


def test_rollback_from_reused_generation_goes_one_back(host: Host) -> None:
    apply_versions(host, "1.0", "2.0", "1.0")

    roll_back(host)

    assert live_version(host) == "2.0"


def test_second_rollback_goes_further_back(host: Host) -> None:
    apply_versions(host, "1.0", "2.0", "3.0", keep=2)

    roll_back(host)
    assert live_version(host) == "2.0"
    assert host.run("gc", NAME, "--keep", "1").code == 0
    roll_back(host)
    assert live_version(host) == "1.0"

    assert host.run("rollback", NAME, "app").code == 1


def test_rollback_skips_the_repaired_generation(host: Host) -> None:
    apply_versions(host, "1.0", "2.0", keep=2)
    roll_back(host)
    apply_versions(host, "3.0", keep=2)
    (host.site / "beta" / "__init__.py").write_text("")
    host.assert_converges()

    roll_back(host)

    assert live_version(host) == "1.0"


@pytest.mark.parametrize("loss", ["missing", "nonsense", "out of date"])
def test_rollback_without_record_selects_newest_previous(host: Host, loss: str) -> None:
    apply_versions(host, "1.0", "2.0", "1.0", "3.0", keep=2)
    record = host.store / "previous"
    recorded = str(record.readlink())
    record.unlink()
    if loss == "nonsense":
        record.symlink_to("nonsense")
    elif loss == "out of date":
        record.symlink_to(":".join(reversed(recorded.split(":"))))

    host.assert_no_changes()
    roll_back(host)

    assert live_version(host) == "2.0"


def test_rollback_skips_a_deleted_generation(host: Host) -> None:
    apply_versions(host, "1.0", "2.0", "1.0", "3.0", keep=2)
    recorded = str((host.store / "previous").readlink()).partition(":")[0]
    shutil.rmtree(host.store / "generations" / recorded)

    roll_back(host)

    assert live_version(host) == "2.0"


@pytest.mark.parametrize("fault", ["--to=9", "--to=", "--to=0", "--to=000001 --release"])
def test_rollback_to_unknown_or_ambiguous_id_is_refused(host: Host, fault: str) -> None:
    apply_versions(host, "1.0", "2.0", "3.0", keep=2)
    live = host.generation

    refused = host.run("rollback", NAME, "app", *fault.split())

    assert refused.code == 64
    assert host.generation == live
    if "--release" not in fault:
        assert all((name in refused.err) == (name != live.name) for name in host.generations())


def test_pin_refuses_an_empty_generation_id(host: Host) -> None:
    apply_versions(host, "1.0")

    refused = host.run("pin", NAME, "app", "")

    assert refused.code == 64
    status = json.loads(host.run("status", "--json", NAME).out)
    assert not status["venvs"][0]["pinned"]


@pytest.mark.parametrize("fault", ["relocated", "planted", "without its interpreter"])
def test_rollback_reports_why_a_generation_is_unusable(host: Host, fault: str) -> None:
    executable = private_interpreter(host.directory / "opt")
    apply_versions(host, "1.0", "2.0", python=str(executable))
    if fault == "relocated":
        host.venv.parent.rename(host.directory / "relocated")
        host.declare(["beta==2.0"], python=str(executable), path="relocated/app")
    elif fault == "planted":
        previous = host.store / "generations" / host.generations()[0]
        (previous / ".converge/planted").touch()
    else:
        executable.unlink()

    refused = host.run("rollback", NAME, "app")
    verified = host.run("verify", NAME, "--all")

    assert refused.code == 1
    if fault == "without its interpreter":
        assert f"missing {executable}" in refused.err
        assert "verify" not in refused.err
    else:
        assert "`converge verify --all` lists the damage" in refused.err
        assert verified.code != 0
        assert ("made at" if fault == "relocated" else "planted") in verified.out


def test_rollback_suggests_an_intact_generation(host: Host) -> None:
    apply_versions(host, "1.0", "2.0", "3.0", keep=2)
    oldest, previous, _ = host.generations()
    (host.store / "generations" / previous / "bin/python").unlink()

    refused = host.run("rollback", NAME, "app")

    assert refused.code == 1
    assert refused.err.rstrip().endswith(f"`--to` accepts a prefix of {oldest}")
