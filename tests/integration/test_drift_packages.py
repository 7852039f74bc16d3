"""A wrong version, a missing package, or an unexpected package is detected and repaired."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.integration.conftest import stock
from tests.integration.host import Host, changes, reasons
from tests.support.index import Index
from tests.support.wheels import make_wheel


def change_by_hand(host: Host, *arguments: str) -> None:
    """Change the live generation with uv, as an operator might."""
    subprocess.run(
        [find_uv_bin(), "pip", *arguments, "--quiet", "--python", host.generation / "bin/python"],
        env={"PATH": os.defpath, "HOME": str(host.folder), "UV_NO_CACHE": "1"},
        check=True,
    )
    (host.generation / ".lock").unlink()  # created by uv


def test_version_changed_by_hand_is_restored(live: Host) -> None:
    change_by_hand(live, "install", "--no-index", "--find-links", str(live.wheels), "beta==2.0")

    plan = live.converges()

    assert plan["action"] == "repair"
    assert changes(plan)["package.beta"] == ("2.0", "1.0")
    assert reasons(plan)["package.beta"] == "somebody else installed that"
    assert live.versions() == {"alpha": "1.1", "beta": "1.0"}


def test_unexpected_package_is_removed(live: Host) -> None:
    change_by_hand(live, "install", "--no-index", "--find-links", str(live.wheels), "gamma")

    plan = live.converges()

    assert plan["action"] == "repair"
    assert changes(plan)["package.gamma"] == ("3.0", None)
    assert reasons(plan)["package.gamma"] == "not asked for"
    assert set(changes(plan)) == {"package.gamma", "generation"}
    assert live.versions() == {"alpha": "1.1", "beta": "1.0"}


def test_package_removed_by_hand_is_restored(live: Host) -> None:
    change_by_hand(live, "uninstall", "beta")

    plan = live.converges()

    assert plan["action"] == "repair"
    assert changes(plan)["package.beta"] == (None, "1.0")
    assert reasons(plan)["package.beta"] == "it is gone"
    assert live.python_says("import beta; print(beta.__version__)") == "1.0"


def test_missing_metadata_is_a_missing_package(live: Host) -> None:
    shutil.rmtree(live.site / "beta-1.0.dist-info")

    plan = live.converges()

    assert changes(plan)["package.beta"] == (None, "1.0")
    assert live.versions() == {"alpha": "1.1", "beta": "1.0"}


def test_vendored_metadata_is_an_ordinary_file(stocked: Host) -> None:
    """setuptools vendors metadata. If it's missing, the outer package is damaged, not removed."""
    vendored = "service/_vendor/old-1.0.dist-info/METADATA"
    make_wheel(stocked.wheels, "service", "1.0", files={vendored: "Name: old\nVersion: 1.0\n"})
    stocked.declare(["service"])
    stocked.applied()
    (stocked.site / vendored).unlink()
    planted = stocked.site / "service/_vendor/new-1.0.dist-info/METADATA"
    planted.parent.mkdir()
    planted.write_text("Name: new\nVersion: 1.0\n")

    reported = changes(stocked.converges())

    site = f"file.{stocked.site.relative_to(stocked.generation)}"
    assert reported[f"{site}/{vendored}"] == ("missing", "as sealed")
    assert reported[f"{site}/service/_vendor/new-1.0.dist-info/METADATA"] == ("unexpected", None)
    assert not any(attribute.startswith("package.") for attribute in reported)


def test_missing_record_is_drift(live: Host) -> None:
    (live.site / "beta-1.0.dist-info/RECORD").unlink()

    plan = live.converges()

    (path,) = set(changes(plan)) - {"generation"}
    assert path.endswith("site-packages/beta-1.0.dist-info/RECORD")
    assert changes(plan)[path] == ("missing", "as sealed")


def test_duplicate_metadata_does_not_hide_damage(live: Host) -> None:
    duplicate = live.site / "BETA-1.0.dist-info"
    duplicate.mkdir()
    (duplicate / "METADATA").write_text("Metadata-Version: 2.1\nName: beta\nVersion: 1.0\n")
    (duplicate / "RECORD").write_text("evil.py,,\nsitecustomize.py,,\n")
    (live.site / "sitecustomize.py").write_text("import evil\n")
    (live.site / "evil.py").write_text("")
    (live.site / "beta/__init__.py").write_text("import evil\n")

    plan = live.converges()

    reported = {path.rpartition("site-packages/")[2] for path in changes(plan)}
    assert {"sitecustomize.py", "evil.py", "beta/__init__.py"} < reported
    assert "BETA-1.0.dist-info/METADATA" in reported


def test_renamed_metadata_is_a_missing_package(live: Host) -> None:
    """An installer that is killed leaves a directory whose name starts with `~`."""
    info = live.site / "beta-1.0.dist-info"
    info.rename(info.with_name("~eta-1.0.dist-info"))

    plan = live.converges()

    assert changes(plan)["package.beta"] == (None, "1.0")
    assert live.versions() == {"alpha": "1.1", "beta": "1.0"}


@pytest.mark.parametrize("record", ["x" * 140_000 + ",,\n", "\0\0\n"])
def test_invalid_record_of_an_unexpected_package_is_drift(live: Host, record: str) -> None:
    info = live.site / "stray-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stray\nVersion: 1.0\n")
    (info / "RECORD").write_text(record)

    assert live.run("verify", "converge.toml").code == 2
    plan = live.converges()

    assert changes(plan)["package.stray"] == ("1.0", None)


def test_repair_works_offline_from_the_cache(host: Host, index: Index) -> None:
    stock(index.directory)
    host.declare(["alpha", "beta<2"], find_links=[], no_index=False, index_url=index.url)
    host.applied()
    index.close()
    (host.site / "beta/__init__.py").unlink()

    host.applied()

    assert host.python_says("import beta; print(beta.__version__)") == "1.0"


def test_repair_does_not_download_cached_files(live: Host) -> None:
    (live.site / "beta/__init__.py").unlink()

    assert "fetching anew" not in live.applied("--verbose").err


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_keep_limits_previous_generations(stocked: Host, kept: int) -> None:
    stocked.declare(["beta"], keep=kept)
    stocked.applied()
    for mode in ("0750", "0711", "0700"):
        stocked.declare(["beta"], keep=kept, mode=mode)
        stocked.applied()

    assert len(stocked.generations()) == kept + 1
    assert stocked.generation.name == stocked.generations()[-1]


def test_quarantine_keeps_newest_damaged_generation_only(
    stocked: Host,
) -> None:
    stocked.declare(["beta"], keep=1)
    stocked.applied()
    stocked.declare(["beta"], keep=1, mode="0750")
    stocked.applied()
    intact = stocked.generations()[0]
    for _ in range(3):
        Path(stocked.site / "stray.py").write_text("")
        stocked.applied()

    first, quarantined, live = stocked.generations()
    assert first == intact
    assert os.path.lexists(f"{stocked.generation.parent}/{quarantined}/.converge/quarantined")
    assert live == stocked.generation.name
