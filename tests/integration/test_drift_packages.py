"""A wrong version, a missing package, or an unexpected package is detected and repaired."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.support.command import changes, reasons
from tests.support.index import Index
from tests.support.wheels import make_wheel


def change_by_hand(host: Host, *arguments: str) -> None:
    """Change the live generation with uv, as an operator might."""
    subprocess.run(
        [find_uv_bin(), "pip", *arguments, "--quiet", "--python", host.generation / "bin/python"],
        env={"PATH": os.defpath, "HOME": str(host.directory), "UV_NO_CACHE": "1"},
        check=True,
    )
    (host.generation / ".lock").unlink()  # created by uv


def test_version_changed_by_hand_is_restored(applied_host: Host) -> None:
    change_by_hand(
        applied_host, "install", "--no-index", "--find-links", str(applied_host.wheels), "beta==2.0"
    )

    plan = applied_host.assert_converges()

    assert plan["action"] == "repair"
    assert changes(plan)["package.beta"] == ("2.0", "1.0")
    assert reasons(plan)["package.beta"] == "not the version that converge installed"
    assert applied_host.versions() == {"alpha": "1.1", "beta": "1.0"}


def test_unexpected_package_is_removed(applied_host: Host) -> None:
    change_by_hand(
        applied_host, "install", "--no-index", "--find-links", str(applied_host.wheels), "gamma"
    )

    plan = applied_host.assert_converges()

    assert plan["action"] == "repair"
    assert changes(plan)["package.gamma"] == ("3.0", None)
    assert reasons(plan)["package.gamma"] == "not declared"
    assert set(changes(plan)) == {"package.gamma", "generation"}
    assert applied_host.versions() == {"alpha": "1.1", "beta": "1.0"}


def test_package_removed_by_hand_is_restored(applied_host: Host) -> None:
    change_by_hand(applied_host, "uninstall", "beta")

    plan = applied_host.assert_converges()

    assert plan["action"] == "repair"
    assert changes(plan)["package.beta"] == (None, "1.0")
    assert reasons(plan)["package.beta"] == "it was deleted"
    assert applied_host.run_python("import beta; print(beta.__version__)") == "1.0"


def test_missing_metadata_is_a_missing_package(applied_host: Host) -> None:
    shutil.rmtree(applied_host.site / "beta-1.0.dist-info")

    plan = applied_host.assert_converges()

    assert changes(plan)["package.beta"] == (None, "1.0")
    assert applied_host.versions() == {"alpha": "1.1", "beta": "1.0"}


def test_vendored_metadata_is_an_ordinary_file(host_with_wheels: Host) -> None:
    """setuptools vendors metadata. If it's missing, the outer package is damaged, not removed."""
    vendored = "service/_vendor/old-1.0.dist-info/METADATA"
    make_wheel(
        host_with_wheels.wheels, "service", "1.0", files={vendored: "Name: old\nVersion: 1.0\n"}
    )
    host_with_wheels.declare(["service"])
    host_with_wheels.apply_ok()
    (host_with_wheels.site / vendored).unlink()
    planted = host_with_wheels.site / "service/_vendor/new-1.0.dist-info/METADATA"
    planted.parent.mkdir()
    planted.write_text("Name: new\nVersion: 1.0\n")

    reported = changes(host_with_wheels.assert_converges())

    site = f"file.{host_with_wheels.site.relative_to(host_with_wheels.generation)}"
    assert reported[f"{site}/{vendored}"] == ("missing", "intact")
    assert reported[f"{site}/service/_vendor/new-1.0.dist-info/METADATA"] == ("unexpected", None)
    assert not any(attribute.startswith("package.") for attribute in reported)


def test_missing_record_is_drift(applied_host: Host) -> None:
    (applied_host.site / "beta-1.0.dist-info/RECORD").unlink()

    plan = applied_host.assert_converges()

    (path,) = set(changes(plan)) - {"generation"}
    assert path.endswith("site-packages/beta-1.0.dist-info/RECORD")
    assert changes(plan)[path] == ("missing", "intact")


def test_duplicate_metadata_does_not_hide_damage(applied_host: Host) -> None:
    duplicate = applied_host.site / "BETA-1.0.dist-info"
    duplicate.mkdir()
    (duplicate / "METADATA").write_text("Metadata-Version: 2.1\nName: beta\nVersion: 1.0\n")
    (duplicate / "RECORD").write_text("evil.py,,\nsitecustomize.py,,\n")
    (applied_host.site / "sitecustomize.py").write_text("import evil\n")
    (applied_host.site / "evil.py").write_text("")
    (applied_host.site / "beta/__init__.py").write_text("import evil\n")

    plan = applied_host.assert_converges()

    reported = {path.rpartition("site-packages/")[2] for path in changes(plan)}
    assert {"sitecustomize.py", "evil.py", "beta/__init__.py"} < reported
    assert "BETA-1.0.dist-info/METADATA" in reported


def test_renamed_metadata_is_a_missing_package(applied_host: Host) -> None:
    """An installer that is killed leaves a directory whose name starts with `~`."""
    info = applied_host.site / "beta-1.0.dist-info"
    info.rename(info.with_name("~eta-1.0.dist-info"))

    plan = applied_host.assert_converges()

    assert changes(plan)["package.beta"] == (None, "1.0")
    assert applied_host.versions() == {"alpha": "1.1", "beta": "1.0"}


@pytest.mark.parametrize("record", ["x" * 140_000 + ",,\n", "\0\0\n"])
def test_invalid_record_of_an_unexpected_package_is_drift(applied_host: Host, record: str) -> None:
    info = applied_host.site / "stray-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stray\nVersion: 1.0\n")
    (info / "RECORD").write_text(record)

    assert applied_host.run("verify", "converge.toml").code == 2
    plan = applied_host.assert_converges()

    assert changes(plan)["package.stray"] == ("1.0", None)


def test_repair_works_offline_from_the_cache(host: Host, index: Index) -> None:
    make_wheels(index.directory)
    host.declare(["alpha", "beta<2"], find_links=[], no_index=False, index_url=index.url)
    host.apply_ok()
    index.close()
    (host.site / "beta/__init__.py").unlink()

    host.apply_ok()

    assert host.run_python("import beta; print(beta.__version__)") == "1.0"


def test_repair_does_not_download_cached_files(applied_host: Host) -> None:
    (applied_host.site / "beta/__init__.py").unlink()

    assert "downloading again" not in applied_host.apply_ok("--verbose").err


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_keep_limits_previous_generations(host_with_wheels: Host, kept: int) -> None:
    host_with_wheels.declare(["beta"], keep=kept)
    host_with_wheels.apply_ok()
    for mode in ("0750", "0711", "0700"):
        host_with_wheels.declare(["beta"], keep=kept, mode=mode)
        host_with_wheels.apply_ok()

    assert len(host_with_wheels.generations()) == kept + 1
    assert host_with_wheels.generation.name == host_with_wheels.generations()[-1]


def test_quarantine_keeps_newest_damaged_generation_only(
    host_with_wheels: Host,
) -> None:
    host_with_wheels.declare(["beta"], keep=1)
    host_with_wheels.apply_ok()
    host_with_wheels.declare(["beta"], keep=1, mode="0750")
    host_with_wheels.apply_ok()
    intact = host_with_wheels.generations()[0]
    for _ in range(3):
        Path(host_with_wheels.site / "stray.py").write_text("")
        host_with_wheels.apply_ok()

    first, quarantined, live = host_with_wheels.generations()
    assert first == intact
    assert os.path.lexists(
        f"{host_with_wheels.generation.parent}/{quarantined}/.converge/quarantined"
    )
    assert live == host_with_wheels.generation.name


def test_chown_of_the_live_generation_does_not_cost_the_rollback(
    host_with_wheels: Host,
) -> None:
    """It can't be marked: its metadata belongs to another user after `chown -R`."""
    if os.geteuid() != 0:
        pytest.skip("only root can change an owner")
    for mode in ("0755", "0750"):
        host_with_wheels.declare(["beta"], keep=1, mode=mode)
        host_with_wheels.apply_ok()
    undamaged = host_with_wheels.generations()[0]
    subprocess.run(["chown", "-R", "65534", host_with_wheels.generation], check=True)
    host_with_wheels.apply_ok()
    assert host_with_wheels.run("rollback", "converge.toml", "app").code == 0
    assert host_with_wheels.generation.name == undamaged


@pytest.mark.parametrize("damage", ["modified", "missing", "unexpected"])
def test_generation_damaged_later_does_not_cost_the_rollback(
    host_with_wheels: Host, damage: str
) -> None:
    """No run marks it, because it wasn't live when it was damaged."""
    for mode in ("0755", "0750"):
        host_with_wheels.declare(["beta"], keep=2, mode=mode)
        host_with_wheels.apply_ok()
    module = next(host_with_wheels.site.glob("beta*/METADATA"))
    host_with_wheels.declare(["beta"], keep=2, mode="0711")
    host_with_wheels.apply_ok()
    if damage == "missing":
        module.unlink()
    else:
        module.with_name("METADATA" if damage == "modified" else "other").write_text("")
    undamaged, damaged, live = host_with_wheels.generations()
    collected = host_with_wheels.run("gc", "converge.toml", "--keep", "1", "--json")
    assert json.loads(collected.out)["removed"]["venv.app"] == [damaged]
    assert host_with_wheels.run("rollback", "converge.toml", "app").code == 0
    assert host_with_wheels.generation.name == undamaged
    assert host_with_wheels.generations() == [undamaged, live]
