"""Data in persistent directories survives a new path, and a plan names data that it deletes."""

from __future__ import annotations

import pytest

from tests.integration.host import Host
from tests.integration.snapshots import Snapshots
from tests.support.command import changes
from tests.support.wheels import make_wheel


def prepare_data(host: Host) -> None:
    """Apply a venv with a persistent directory, and write a file of the user to it."""
    make_wheel(host.wheels, "service", "1.0", data={"data/etc/service/service.conf": "x = 1\n"})
    host.declare(["service"], persistent=["etc/service"])
    host.apply_ok()
    (host.venv / "etc/service/user.db").write_text("data")


@pytest.fixture
def host_with_data(snapshots: Snapshots) -> Host:
    """Return a host with a venv, and with a file of the user in its persistent directory."""
    return snapshots.host("data", prepare_data)


def test_plan_of_a_deletion_names_the_data(host_with_data: Host) -> None:
    host_with_data.declare(["service"], persistent=["etc/service"], state="absent")

    plan = host_with_data.plan()
    text = host_with_data.run("plan", "converge.toml")

    assert changes(plan.first)["persistent.etc/service"] == ("data", None)
    assert "2 files, 10 B; converge can't restore it" in text.out
    host_with_data.apply_ok()
    assert not host_with_data.store.exists()


def test_plan_of_a_prune_names_data_and_backups(host_with_data: Host) -> None:
    (host_with_data.store / "persistent/unused").mkdir()
    (host_with_data.store / "adopted-1").mkdir()
    host_with_data.write("")

    arguments = ("--prune", "--allow-empty")
    plan = host_with_data.plan(*arguments, "--out", str(host_with_data.directory / "plan.json"))

    assert {name for name in changes(plan.first) if name.startswith(("persistent", "backup"))} == {
        "persistent.etc/service",
        "persistent.unused",
        "backup.adopted-1",
    }
    # A service writes to its data all the time, so the plan stays valid.
    (host_with_data.venv / "etc/service/more.db").write_text("more")
    host_with_data.apply_ok(*arguments, "--plan", "plan.json")
    assert not host_with_data.venv.exists()


@pytest.mark.parametrize("arguments", [(), ("--prune",)])
def test_new_path_takes_over_the_data(host_with_data: Host, arguments: tuple[str, ...]) -> None:
    """With `--prune`, the old venv is deleted only after the new one is published."""
    host_with_data.declare(["service"], persistent=["etc/service"], path="venvs/moved")
    plan = host_with_data.plan(*arguments)
    source = host_with_data.store / "persistent/etc/service"

    done = host_with_data.apply_ok(*arguments)

    expected = f"data in `etc/service` from `{source}`"
    assert any(expected in notice for notice in plan.report["notices"])
    assert any(expected in notice for notice in done.report["notices"])
    moved = host_with_data.directory / "venvs/moved/etc/service"
    assert (moved / "user.db").read_text() == "data"
    assert host_with_data.store.exists() == (not arguments)
    (moved / "user.db").unlink()
    assert not host_with_data.apply_ok(*arguments).report["changed"]
    assert not (moved / "user.db").exists()


def test_data_that_an_adopted_directory_overrides_is_reported(host_with_data: Host) -> None:
    adopted = host_with_data.directory / "venvs/moved/etc/service"
    adopted.mkdir(parents=True)
    (adopted / "user.db").write_text("adopted")
    host_with_data.declare(["service"], persistent=["etc/service"], path="venvs/moved", adopt=True)

    done = host_with_data.apply_ok()

    assert (adopted / "user.db").read_text() == "adopted"
    source = host_with_data.store / "persistent"
    expected = f"kept the existing `etc/service/user.db`; `{source}` has other content"
    assert done.report["notices"].count(expected) == 1


def test_failed_move_deletes_nothing(host_with_data: Host) -> None:
    host_with_data.declare(
        ["service"], persistent=["etc/service"], path="venvs/moved", smoke=["false"]
    )

    failed = host_with_data.apply("--prune")

    assert failed.code == 1
    outcomes = {resource["address"]: resource["outcome"] for resource in failed.report["resources"]}
    assert outcomes == {
        "venv.app": "failed",
        f"venv.app@{host_with_data.venv}": "skipped",
    }
    assert (host_with_data.venv / "etc/service/user.db").read_text() == "data"
