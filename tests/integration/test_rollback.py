"""`rollback` publishes the previous generation and holds it against later runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.integration.host import MINOR, Host
from tests.integration.interpreters import private_interpreter, upgrade
from tests.integration.snapshots import Snapshots
from tests.support.command import changes
from tests.support.wheels import make_wheel

NAME = "converge.toml"
RECEIPT = ".converge/receipt.json"


def make_versions(host: Host) -> None:
    """Create wheels of three versions of one package."""
    for version in ("1.0", "2.0", "3.0"):
        make_wheel(host.wheels, "beta", version)


@pytest.fixture
def host(host: Host) -> Host:
    """Return a host with three versions of one package."""
    make_versions(host)
    return host


@pytest.fixture
def updated_host(snapshots: Snapshots) -> Host:
    """Return a host that was updated from 1.0 to 2.0."""

    def prepare(host: Host) -> None:
        make_versions(host)
        apply_versions(host, "1.0", "2.0")

    return snapshots.host("updated", prepare)


@pytest.fixture
def held(snapshots: Snapshots) -> Host:
    """Return a host that was rolled back from 2.0 to 1.0."""

    def prepare(host: Host) -> None:
        make_versions(host)
        apply_versions(host, "1.0", "2.0")
        roll_back(host)

    return snapshots.host("held", prepare)


@pytest.fixture
def twice_updated_host(snapshots: Snapshots) -> Host:
    """Return a host that was updated from 1.0 to 2.0 and 3.0, with all generations kept."""

    def prepare(host: Host) -> None:
        make_versions(host)
        apply_versions(host, "1.0", "2.0", "3.0", keep=2)

    return snapshots.host("updated twice", prepare)


@pytest.fixture
def reverted_host(snapshots: Snapshots) -> Host:
    """Return a host that was updated to 2.0, back to 1.0, and to 3.0."""

    def prepare(host: Host) -> None:
        make_versions(host)
        apply_versions(host, "1.0", "2.0", "1.0", "3.0", keep=2)

    return snapshots.host("reused", prepare)


@pytest.fixture
def host_with_interpreter(snapshots: Snapshots) -> Host:
    """Return a host that was updated from 1.0 to 2.0, and whose interpreter tests may change."""

    def prepare(host: Host) -> None:
        make_versions(host)
        executable = private_interpreter(host.directory / "opt")
        apply_versions(host, "1.0", "2.0", python=str(executable))

    host = snapshots.host("interpreter", prepare)
    host.python = str(host.directory / "opt/bin" / MINOR)
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
    (notice,) = [line for line in held.apply().report["notices"] if "is held at" in line]
    assert notice.endswith(f"converge rollback {held.directory}/{NAME} app --release")


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
def test_missing_interpreter_of_held_generation_is_reported(
    host_with_interpreter: Host, path: str
) -> None:
    executable = Path(host_with_interpreter.python)
    roll_back(host_with_interpreter)
    executable.unlink()
    if path == "missing":
        host_with_interpreter.venv.unlink()

    for run in (
        host_with_interpreter.plan(),
        host_with_interpreter.apply(),
        host_with_interpreter.check(),
    ):
        assert run.code == 1
        assert f"missing {executable}" in run.first["error"]["message"]
    assert host_with_interpreter.venv.is_symlink() == (path == "present")


def test_held_generation_stays_if_interpreter_is_upgraded(host_with_interpreter: Host) -> None:
    roll_back(host_with_interpreter)
    upgrade(Path(host_with_interpreter.python))

    host_with_interpreter.assert_no_changes()

    assert live_version(host_with_interpreter) == "1.0"


def test_status_shows_held_generation_without_drift(held: Host) -> None:
    assert held.check().code == 0
    _, line, detail = held.run("status", NAME).out.splitlines()
    assert (line.split()[1], detail.strip()) == ("held", "held after a rollback")
    (row,) = json.loads(held.run("status", NAME, "--json").out)["venvs"]
    assert (row["held"], row["drift"]) == (True, [])

    (held.site / "beta/__init__.py").unlink()
    assert "~ lib/" in held.run("status", NAME).out

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
def test_gc_keeps_generation_that_apply_publishes_again(updated_host: Host, fault: str) -> None:
    live = updated_host.generation
    updated_host.venv.unlink()
    if fault != "missing":
        target = (
            "/etc"
            if fault == "elsewhere"
            else f"{updated_host.store.name}/generations/000009-0123abcd"
        )
        updated_host.venv.symlink_to(target)

    assert updated_host.run("gc", NAME, "--keep", "0").code == 0
    updated_host.apply_ok()

    assert updated_host.generations() == [live.name]
    assert updated_host.generation == live


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
    assert printed.splitlines()[1].split()[1] == "held"
    assert held.run("rollback", NAME, "app", "--release").code == 0
    (row,) = json.loads(held.run("status", NAME, "--json").out)["venvs"]
    assert (row["held"], row["drift"]) == (False, ["declaration changed since the last apply"])


def test_command_in_hold_notice_releases_the_hold(held: Host) -> None:
    declared = held.directory / NAME
    declared.write_text(declared.read_text().replace("venv.app", 'venv."app-2026.1"'))

    (notice,) = held.apply().report["notices"]
    arguments = notice.partition("run: converge ")[2].replace("FILE", NAME).split()

    assert held.run(*arguments).out.startswith("venv.app-2026.1: no longer held")


def test_held_venv_declared_absent_is_deleted(held: Host) -> None:
    held.declare(["beta==2.0"], state="absent")

    held.apply_ok()

    assert not held.store.exists()


def test_interrupted_rollback_leaves_no_hold(updated_host: Host) -> None:
    interrupt_rollback(updated_host)
    assert "held" not in updated_host.run("history", NAME, "app").out

    plan = updated_host.assert_converges()

    assert set(changes(plan)) == {"unfinished.held"}
    assert not (updated_host.store / "held").is_symlink()
    updated_host.venv.unlink()
    updated_host.apply_ok()
    assert live_version(updated_host) == "2.0"


def test_gc_cleans_up_after_interrupted_rollback(updated_host: Host) -> None:
    interrupt_rollback(updated_host)

    assert updated_host.run("gc", NAME, "--keep", "0").code == 0

    assert updated_host.generations() == [updated_host.generation.name]
    updated_host.assert_no_changes()


def test_interrupted_rollback_wins_if_live_generation_is_gone(updated_host: Host) -> None:
    interrupt_rollback(updated_host)
    shutil.rmtree(updated_host.generation)

    updated_host.assert_converges()

    assert live_version(updated_host) == "1.0"


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


def test_rollback_before_the_first_apply_suggests_one(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])

    refused = host_with_wheels.run("rollback", "converge.toml", "app")

    assert (refused.code, "run `converge apply`" in refused.err) == (1, True)


def test_rollback_from_reused_generation_goes_one_back(host: Host) -> None:
    apply_versions(host, "1.0", "2.0", "1.0")

    roll_back(host)

    assert live_version(host) == "2.0"


def test_second_rollback_goes_further_back(twice_updated_host: Host) -> None:
    roll_back(twice_updated_host)
    assert live_version(twice_updated_host) == "2.0"
    assert twice_updated_host.run("gc", NAME, "--keep", "1").code == 0
    roll_back(twice_updated_host)
    assert live_version(twice_updated_host) == "1.0"

    assert twice_updated_host.run("rollback", NAME, "app").code == 1


def test_rollback_skips_the_repaired_generation(host: Host) -> None:
    apply_versions(host, "1.0", "2.0", keep=2)
    roll_back(host)
    apply_versions(host, "3.0", keep=2)
    (host.site / "beta" / "__init__.py").write_text("")
    host.assert_converges()

    roll_back(host)

    assert live_version(host) == "1.0"


@pytest.mark.parametrize("loss", ["missing", "nonsense", "out of date"])
def test_rollback_without_record_selects_newest_previous(reverted_host: Host, loss: str) -> None:
    record = reverted_host.store / "previous"
    recorded = str(record.readlink())
    record.unlink()
    if loss == "nonsense":
        record.symlink_to("nonsense")
    elif loss == "out of date":
        record.symlink_to(":".join(reversed(recorded.split(":"))))

    reverted_host.assert_no_changes()
    roll_back(reverted_host)

    assert live_version(reverted_host) == "2.0"


def test_rollback_skips_a_deleted_generation(reverted_host: Host) -> None:
    recorded = str((reverted_host.store / "previous").readlink()).partition(":")[0]
    shutil.rmtree(reverted_host.store / "generations" / recorded)

    roll_back(reverted_host)

    assert live_version(reverted_host) == "2.0"


@pytest.mark.parametrize("fault", ["--to=9", "--to=", "--to=0", "--to=000001 --release"])
def test_rollback_to_unknown_or_ambiguous_id_is_refused(
    twice_updated_host: Host, fault: str
) -> None:
    live = twice_updated_host.generation

    refused = twice_updated_host.run("rollback", NAME, "app", *fault.split())

    assert refused.code == 64
    assert twice_updated_host.generation == live
    if "--release" not in fault:
        # An ambiguous prefix is answered with everything that it matches.
        is_ambiguous = fault == "--to=0"
        assert all(
            (name in refused.err) == (is_ambiguous or name != live.name)
            for name in twice_updated_host.generations()
        )


def test_pin_refuses_an_empty_generation_id(updated_host: Host) -> None:
    refused = updated_host.run("pin", NAME, "app", "")

    assert refused.code == 64
    status = json.loads(updated_host.run("status", "--json", NAME).out)
    assert not status["venvs"][0]["pinned"]


def test_pin_without_a_generation_suggests_apply(host: Host) -> None:
    host.declare(["beta"])

    refused = host.run("pin", NAME, "app")

    assert refused.code == 1
    assert "no live generation to pin: `venv.app`" in refused.err
    assert "`converge apply` creates the first generation" in refused.err


@pytest.mark.parametrize("fault", ["relocated", "planted", "without its interpreter"])
def test_rollback_reports_why_a_generation_is_unusable(
    host_with_interpreter: Host, fault: str
) -> None:
    executable = Path(host_with_interpreter.python)
    if fault == "relocated":
        host_with_interpreter.venv.parent.rename(host_with_interpreter.directory / "relocated")
        host_with_interpreter.declare(["beta==2.0"], path="relocated/app")
    elif fault == "planted":
        previous = (
            host_with_interpreter.store / "generations" / host_with_interpreter.generations()[0]
        )
        (previous / ".converge/planted").touch()
    else:
        executable.unlink()

    refused = host_with_interpreter.run("rollback", NAME, "app")
    verified = host_with_interpreter.run("verify", NAME, "--all")

    assert refused.code == 1
    if fault == "without its interpreter":
        assert f"missing {executable}" in refused.err
        assert "verify" not in refused.err
    else:
        assert "`converge verify --all` lists the damage" in refused.err
        assert verified.code != 0
        assert ("made at" if fault == "relocated" else "planted") in verified.out


def test_rollback_skips_a_damaged_generation(twice_updated_host: Host) -> None:
    oldest, previous, live = twice_updated_host.generations()
    (twice_updated_host.store / "generations" / previous / "bin/python").unlink()

    done = twice_updated_host.run("rollback", NAME, "app")

    assert done.code == 0
    assert f"venv.app: skipping generation {previous}, which is damaged\n" in done.err
    assert f"switched to {oldest} from {live}" in done.out
    assert twice_updated_host.generation.name == oldest


def test_rollback_to_a_damaged_generation_suggests_an_intact_one(twice_updated_host: Host) -> None:
    oldest, previous, live = twice_updated_host.generations()
    (twice_updated_host.store / "generations" / previous / "bin/python").unlink()

    refused = twice_updated_host.run("rollback", NAME, "app", "--to", previous)

    assert refused.code == 1
    assert refused.err.rstrip().endswith(f"`--to` accepts a prefix of {oldest}")
    assert twice_updated_host.generation.name == live
