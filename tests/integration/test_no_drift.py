"""Changes that converge must not report as drift."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from states.venv import seal as seals
from tests.integration.host import MINOR, Host


def test_check_accepts_touched_files(live: Host) -> None:
    for path in live.generation.rglob("*"):
        os.utime(path, follow_symlinks=False)

    before = live.generation
    live.settled()

    assert live.generation == before


def test_stat_cache_is_refreshed_after_a_touch(live: Host) -> None:
    """The first apply hashes the file and updates the cache. The second compares stats only."""
    stats = live.generation / ".converge/stats"
    os.utime(live.site / "alpha/__init__.py")
    live.applied()
    content = stats.read_bytes()
    live.applied()

    assert stats.read_bytes() == content


def test_stat_cache_stores_times_beyond_64_bits(live: Host) -> None:
    """ext4 and tmpfs store seconds whose count in nanoseconds exceeds 64 bits."""
    os.utime(live.site / "alpha/__init__.py", (10_413_792_000, 10_413_792_000))  # in 2300

    live.settled()

    assert seals.untouched(str(live.generation))
    assert live.run("verify", "converge.toml").code == 0


def test_check_accepts_a_store_restored_from_backup(live: Host) -> None:
    backup = live.folder / "backup"
    subprocess.run(["cp", "-a", live.folder / "venvs", backup], check=True)
    shutil.rmtree(live.folder / "venvs")
    backup.rename(live.folder / "venvs")

    live.settled()


@pytest.mark.parametrize("flag", ["-O", "-OO", "-B", "-I"])
def test_check_accepts_bytecode_that_python_writes(live: Host, flag: str) -> None:
    program = "import alpha, beta; print(alpha.__version__)"
    done = subprocess.run(
        [live.venv / "bin/python", flag, "-c", program],
        env={"PATH": os.defpath},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "1.1\n"

    live.settled()


def test_replaced_bytecode_is_repaired(live: Host) -> None:
    (compiled,) = (live.site / "beta/__pycache__").glob("*.pyc")
    shutil.copy(next((live.site / "alpha/__pycache__").glob("*.pyc")), compiled)

    plan = live.converges()

    assert plan["action"] == "repair"
    assert live.python_says("import beta; print(beta.__version__)") == "1.0"


def test_bytecode_without_source_is_drift(live: Host) -> None:
    (compiled,) = (live.site / "beta/__pycache__").glob("*.pyc")
    shutil.copy(compiled, live.site / "planted.pyc")

    plan = live.converges()

    assert f"file.lib/{MINOR}/site-packages/planted.pyc" in {
        change["attribute"] for change in plan["changes"]
    }


def test_ignored_paths_arent_checked(stocked: Host) -> None:
    stocked.declare(["alpha"], ignore=["share/cache/**", f"lib/{MINOR}/site-packages/alpha/data/*"])
    stocked.applied()
    cache = stocked.generation / "share/cache/deep"
    cache.mkdir(parents=True)
    (cache / "made-at-run-time").write_text("x")
    (stocked.site / "alpha/data/table.txt").write_text("edited")

    stocked.settled()

    assert stocked.run("verify", "converge.toml").code == 0
    (stocked.generation / "share/not-ignored").write_text("x")
    assert stocked.check().code == 2


@pytest.mark.parametrize("replacement", ["nothing", "a file"])
def test_walk_skips_a_directory_that_disappears(tmp_path: Path, replacement: str) -> None:
    """A running service may delete directories of its cache during the walk."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (tmp_path / "busy").mkdir()
    walked = []

    for path, _ in seals.walk(str(tmp_path)):
        walked.append(path)
        if path == "busy":
            (tmp_path / "busy").rmdir()
            if replacement == "a file":
                (tmp_path / "busy").touch()

    assert sorted(walked) == ["busy", "kept", "kept/file"]


def test_walk_of_a_missing_root_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(seals.walk(str(tmp_path / "gone")))
