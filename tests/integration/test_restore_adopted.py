"""`rollback` restores an adopted directory and holds it until `rollback --release`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.snapshots import Snapshots

FILE = "converge.toml"


@pytest.fixture
def adopted_host(snapshots: Snapshots) -> Host:
    """Return a host whose venv replaced a directory that another tool created."""

    def prepare(host: Host) -> None:
        make_wheels(host.wheels)
        host.declare(["beta"], adopt=True)
        host.venv.mkdir(parents=True)
        (host.venv / "data.txt").write_text("original")
        host.apply_ok()

    return snapshots.host("adopted", prepare)


def is_restored(host: Host) -> bool:
    """Return whether the path is the original directory again."""
    return not host.venv.is_symlink() and (host.venv / "data.txt").read_text() == "original"


def test_first_rollback_restores_the_adopted_directory(adopted_host: Host) -> None:
    result = adopted_host.run("rollback", FILE, "app")

    assert result.code == 0, result.err
    assert is_restored(adopted_host)
    assert not list(adopted_host.store.glob("adopted-*"))


def test_history_marks_the_current_directory(adopted_host: Host) -> None:
    assert "[live]" in adopted_host.run("history", FILE, "app").out.splitlines()[0]
    adopted_host.run("rollback", FILE, "app")

    lines = adopted_host.run("history", FILE, "app").out.splitlines()

    assert lines[0] == f"{adopted_host.venv}  not created by converge  [live]"
    assert not any("live" in line for line in lines[1:])
    assert json.loads(adopted_host.run("history", FILE, "app", "--json").out)["live"] == "foreign"


def test_restored_directory_is_held_despite_adopt_key(adopted_host: Host) -> None:
    adopted_host.run("rollback", FILE, "app")

    result = adopted_host.apply_ok()

    assert not result.report["changed"]
    assert "held at the adopted backup" in result.err + result.out
    assert is_restored(adopted_host)
    assert adopted_host.check().code == 0
    status = adopted_host.run("status", FILE).out
    assert "held after a rollback" in status
    assert "not created by converge" in status


def test_release_allows_adoption_again(adopted_host: Host) -> None:
    adopted_host.run("rollback", FILE, "app")
    adopted_host.run("rollback", FILE, "app", "--release")

    adopted_host.assert_converges()

    assert adopted_host.venv.is_symlink()


def test_changed_packages_end_the_hold(adopted_host: Host) -> None:
    adopted_host.run("rollback", FILE, "app")
    adopted_host.declare(["alpha"], adopt=True)

    adopted_host.assert_converges()

    assert adopted_host.venv.is_symlink()


def test_restored_directory_is_not_deleted_by_state_absent(adopted_host: Host) -> None:
    adopted_host.run("rollback", FILE, "app")
    adopted_host.declare(["beta"], adopt=True, state="absent")

    for run in (adopted_host.plan(), adopted_host.apply()):
        assert run.code == 1
        assert "wasn't created by converge" in run.first["error"]["message"]
        assert "adopt" not in run.first["error"]["hint"]
    assert is_restored(adopted_host)

    adopted_host.venv.rename(adopted_host.directory / "relocated")
    adopted_host.apply_ok()
    assert not adopted_host.store.exists()


def test_adopt_command_adopts_a_held_directory(adopted_host: Host) -> None:
    adopted_host.run("rollback", FILE, "app")

    result = adopted_host.run("adopt", FILE, "app")

    assert result.code == 0, result.err
    assert adopted_host.venv.is_symlink()
    assert not adopted_host.apply().report["changed"]


def test_adopt_command_reads_standard_input(host_with_wheels: Host) -> None:
    declaration = host_with_wheels.declare(["beta"]).read_text()
    host_with_wheels.venv.mkdir(parents=True)
    (host_with_wheels.venv / "data.txt").write_text("original")

    result = host_with_wheels.run("adopt", "-", "app", "--json", stdin=declaration)

    assert result.code == 0, result.out + result.err
    assert result.first["outcome"] == "changed"
    assert host_with_wheels.versions() == {"beta": "2.0"}


def test_adopt_dry_run_shows_the_plan_and_changes_nothing(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.venv.mkdir(parents=True)
    (host_with_wheels.venv / "data.txt").write_text("original")

    result = host_with_wheels.run("adopt", FILE, "app", "--dry-run", "--json")

    assert result.code == 0, result.out + result.err
    assert (result.first["outcome"], result.first["error"]) == ("would-change", None)
    assert (host_with_wheels.venv / "data.txt").read_text() == "original"
    assert not host_with_wheels.store.exists()


@pytest.mark.parametrize("create", [Path.touch, os.mkfifo], ids=["file", "fifo"])
def test_adopt_command_adopts_a_file(
    host_with_wheels: Host, create: Callable[[Path], object]
) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.venv.parent.mkdir()
    create(host_with_wheels.venv)

    result = host_with_wheels.run("adopt", FILE, "app")

    assert result.code == 0, result.err
    assert host_with_wheels.versions() == {"beta": "2.0"}
    assert host_with_wheels.run("rollback", FILE, "app").code == 0
    assert not host_with_wheels.venv.is_symlink()
    assert host_with_wheels.venv.exists()


def test_adopt_command_fails_without_an_unmanaged_path(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])
    for _ in range(2):
        refused = host_with_wheels.run("adopt", FILE, "app")
        assert refused.code == 1
        assert "nothing to adopt at" in refused.err
        host_with_wheels.apply_ok()


def test_rollback_to_an_adopted_backup_by_name(adopted_host: Host) -> None:
    (backup,) = json.loads(adopted_host.run("history", FILE, "app", "--json").out)["adopted"]
    adopted_host.declare(["alpha"], adopt=True)
    adopted_host.apply_ok()

    before = adopted_host.run("rollback", FILE, "app")
    restored = adopted_host.run("rollback", FILE, "app", "--to", backup)

    assert "switched to 000001-" in before.out
    assert restored.code == 0, restored.err
    assert is_restored(adopted_host)


def test_rollback_needs_a_name_if_several_backups_exist(adopted_host: Host) -> None:
    adopted_host.venv.unlink()
    adopted_host.venv.mkdir()
    (adopted_host.venv / "data.txt").write_text("other")
    adopted_host.apply_ok()
    backups = json.loads(adopted_host.run("history", FILE, "app", "--json").out)["adopted"]

    refused = adopted_host.run("rollback", FILE, "app")

    assert len(backups) == 2
    assert refused.code == 1
    assert all(name in refused.err for name in backups)


def test_second_rollback_returns_to_the_newest_generation(adopted_host: Host) -> None:
    live = os.path.basename(adopted_host.generation)
    adopted_host.run("rollback", FILE, "app")

    adopted_host.run("rollback", FILE, "app")

    assert os.path.basename(adopted_host.generation) == live
    (backup,) = adopted_host.store.glob("adopted-*")
    assert (backup / "data.txt").read_text() == "original"


def test_rollback_does_not_replace_an_unmanaged_file(host_with_wheels: Host) -> None:
    for version in ("1.0", "2.0"):
        host_with_wheels.declare([f"beta=={version}"])
        host_with_wheels.apply_ok()
    host_with_wheels.venv.unlink()
    host_with_wheels.venv.write_text("original")

    refused = host_with_wheels.run("rollback", FILE, "app", "--to", "000001")

    assert refused.code == 1
    assert "wasn't created by converge" in refused.err
    assert host_with_wheels.venv.read_text() == "original"


def test_changed_mode_ends_the_hold(host_with_wheels: Host) -> None:
    for version in ("1.0", "2.0"):
        host_with_wheels.declare([f"beta=={version}"])
        host_with_wheels.apply_ok()
    host_with_wheels.run("rollback", FILE, "app")
    host_with_wheels.declare(["beta==2.0"], mode="0700")

    host_with_wheels.assert_converges()

    assert host_with_wheels.run_python("import beta; print(beta.__version__)") == "2.0"
    assert host_with_wheels.generation.stat().st_mode & 0o777 == 0o700


def test_verify_reports_an_unmanaged_directory(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])
    (host_with_wheels.venv / "bin").mkdir(parents=True)

    result = host_with_wheels.run("verify", FILE)

    assert result.code == 1
    assert f"`{host_with_wheels.venv}` wasn't created by converge" in result.out


@pytest.mark.parametrize("target", ["missing", "unmanaged", "outside"])
def test_verify_fails_if_the_path_has_no_generation(host_with_wheels: Host, target: str) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.apply_ok()
    host_with_wheels.venv.unlink()
    if target == "unmanaged":
        host_with_wheels.venv.mkdir()
        (host_with_wheels.venv / "data.txt").write_text("original")
    elif target == "outside":
        host_with_wheels.venv.symlink_to("/usr")

    result = host_with_wheels.run("verify", FILE)

    assert result.code == 1
    assert "doesn't point to a generation" in result.out


def test_adopted_data_becomes_the_persistent_directory(host_with_wheels: Host) -> None:
    uploads = host_with_wheels.venv / "uploads"
    (uploads / "empty").mkdir(parents=True)
    (uploads / "customers.db").write_text("data")
    (uploads / "customers.db").chmod(0o600)
    (uploads / "outside").symlink_to("/etc")
    os.setxattr(uploads / "customers.db", "user.origin", b"form")
    host_with_wheels.declare(["beta"], persistent=["uploads"])

    adopted = host_with_wheels.run("adopt", "converge.toml", "app")

    assert adopted.code == 0, adopted.err
    assert f"copies the data in `uploads` from `{uploads}`" in adopted.out
    assert uploads.is_symlink()
    assert (uploads / "customers.db").read_text() == "data"
    assert (uploads / "customers.db").stat().st_mode & 0o777 == 0o600
    assert os.getxattr(uploads / "customers.db", "user.origin") == b"form"
    assert (uploads / "empty").is_dir()
    assert (uploads / "outside").readlink() == Path("/etc")
    (backup,) = host_with_wheels.store.glob("adopted-*")
    assert (backup / "uploads/customers.db").read_text() == "data"
    host_with_wheels.assert_no_changes()
