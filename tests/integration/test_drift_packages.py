"""A package of another version, missing, or not asked for, is seen and put right."""

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


def by_hand(host: Host, *words: str) -> None:
    """Change the live generation with an installer, as an operator in a hurry does."""
    subprocess.run(
        [find_uv_bin(), "pip", *words, "--quiet", "--python", host.generation / "bin/python"],
        env={"PATH": os.defpath, "HOME": str(host.folder), "UV_NO_CACHE": "1"},
        check=True,
    )
    (host.generation / ".lock").unlink()  # uv's own


def test_another_version_installed_by_hand_is_put_back(live: Host) -> None:
    by_hand(live, "install", "--no-index", "--find-links", str(live.wheels), "beta==2.0")

    plan = live.converges()

    assert plan["action"] == "repair"
    assert changes(plan)["package.beta"] == ("2.0", "1.0")
    assert reasons(plan)["package.beta"] == "somebody else installed that"
    assert live.versions() == {"alpha": "1.1", "beta": "1.0"}


def test_a_package_that_nobody_asked_for_is_taken_away(live: Host) -> None:
    by_hand(live, "install", "--no-index", "--find-links", str(live.wheels), "gamma")

    plan = live.converges()

    assert plan["action"] == "repair"
    assert changes(plan)["package.gamma"] == ("3.0", None)
    assert reasons(plan)["package.gamma"] == "not asked for"
    assert set(changes(plan)) == {"package.gamma", "generation"}
    assert live.versions() == {"alpha": "1.1", "beta": "1.0"}


def test_a_package_removed_by_hand_comes_back(live: Host) -> None:
    by_hand(live, "uninstall", "beta")

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


def test_metadata_that_a_package_carries_in_itself_is_a_file_of_it(stocked: Host) -> None:
    """As setuptools does: without it that package is damaged, and not gone as a whole."""
    inside = "service/_vendor/old-1.0.dist-info/METADATA"
    make_wheel(stocked.wheels, "service", "1.0", files={inside: "Name: old\nVersion: 1.0\n"})
    stocked.declare(["service"])
    stocked.applied()
    (stocked.site / inside).unlink()
    planted = stocked.site / "service/_vendor/new-1.0.dist-info/METADATA"
    planted.parent.mkdir()
    planted.write_text("Name: new\nVersion: 1.0\n")

    told = changes(stocked.converges())

    site = f"file.{stocked.site.relative_to(stocked.generation)}"
    assert told[f"{site}/{inside}"] == ("missing", "as sealed")
    assert told[f"{site}/service/_vendor/new-1.0.dist-info/METADATA"] == ("unexpected", None)
    assert not any(one.startswith("package.") for one in told)


def test_a_missing_record_is_drift_though_all_runs(live: Host) -> None:
    (live.site / "beta-1.0.dist-info/RECORD").unlink()

    plan = live.converges()

    (path,) = set(changes(plan)) - {"generation"}
    assert path.endswith("site-packages/beta-1.0.dist-info/RECORD")
    assert changes(plan)[path] == ("missing", "as sealed")


def test_metadata_that_says_again_what_is_there_hides_no_damage(live: Host) -> None:
    claimed = live.site / "BETA-1.0.dist-info"
    claimed.mkdir()
    (claimed / "METADATA").write_text("Metadata-Version: 2.1\nName: beta\nVersion: 1.0\n")
    (claimed / "RECORD").write_text("evil.py,,\nsitecustomize.py,,\n")
    (live.site / "sitecustomize.py").write_text("import evil\n")
    (live.site / "evil.py").write_text("")
    (live.site / "beta/__init__.py").write_text("import evil\n")

    plan = live.converges()

    told = {path.rpartition("site-packages/")[2] for path in changes(plan)}
    assert {"sitecustomize.py", "evil.py", "beta/__init__.py"} < told
    assert "BETA-1.0.dist-info/METADATA" in told


def test_metadata_that_was_moved_aside_is_a_missing_package(live: Host) -> None:
    """As by an installer that was killed, in a folder that begins with `~`."""
    info = live.site / "beta-1.0.dist-info"
    info.rename(info.with_name("~eta-1.0.dist-info"))

    plan = live.converges()

    assert changes(plan)["package.beta"] == (None, "1.0")
    assert live.versions() == {"alpha": "1.1", "beta": "1.0"}


@pytest.mark.parametrize("listing", ["x" * 140_000 + ",,\n", "\0\0\n"])
def test_a_record_that_no_reader_takes_is_drift_and_stops_nothing(live: Host, listing: str) -> None:
    info = live.site / "stray-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stray\nVersion: 1.0\n")
    (info / "RECORD").write_text(listing)

    assert live.run("verify", "converge.toml").code == 2
    plan = live.converges()

    assert changes(plan)["package.stray"] == ("1.0", None)


def test_a_repair_needs_no_index_for_what_was_downloaded_before(host: Host, index: Index) -> None:
    stock(index.directory)
    host.declare(["alpha", "beta<2"], find_links=[], no_index=False, index_url=index.url)
    host.applied()
    index.close()
    (host.site / "beta/__init__.py").unlink()

    host.applied()

    assert host.python_says("import beta; print(beta.__version__)") == "1.0"


def test_a_repair_does_not_fetch_anew_what_the_cache_has(live: Host) -> None:
    (live.site / "beta/__init__.py").unlink()

    assert "fetching anew" not in live.applied("--verbose").err


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_as_many_former_generations_stay_as_keep_says(stocked: Host, kept: int) -> None:
    stocked.declare(["beta"], keep=kept)
    stocked.applied()
    for mode in ("0750", "0711", "0700"):
        stocked.declare(["beta"], keep=kept, mode=mode)
        stocked.applied()

    assert len(stocked.generations()) == kept + 1
    assert stocked.generation.name == stocked.generations()[-1]


def test_of_damaged_generations_the_newest_stays_in_quarantine_and_ousts_no_whole_one(
    stocked: Host,
) -> None:
    stocked.declare(["beta"], keep=1)
    stocked.applied()
    stocked.declare(["beta"], keep=1, mode="0750")
    stocked.applied()
    whole = stocked.generations()[0]
    for _ in range(3):
        Path(stocked.site / "stray.py").write_text("")
        stocked.applied()

    first, quarantined, live = stocked.generations()
    assert first == whole
    assert os.path.lexists(f"{stocked.generation.parent}/{quarantined}/.converge/quarantined")
    assert live == stocked.generation.name
