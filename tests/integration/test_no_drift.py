"""Changes that converge must not report as drift."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from states.venv.integrity.manifest import walk
from states.venv.integrity.stat_cache import stats_match
from tests.integration.host import MINOR, Host


def test_check_accepts_touched_files(applied_host: Host) -> None:
    for path in applied_host.generation.rglob("*"):
        os.utime(path, follow_symlinks=False)

    before = applied_host.generation
    applied_host.assert_no_changes()

    assert applied_host.generation == before


def test_stat_cache_is_refreshed_after_a_touch(applied_host: Host) -> None:
    """The first apply hashes the file and updates the cache. The second compares stats only."""
    stats = applied_host.generation / ".converge/stats"
    os.utime(applied_host.site / "alpha/__init__.py")
    applied_host.apply_ok()
    content = stats.read_bytes()
    applied_host.apply_ok()

    assert stats.read_bytes() == content


def test_stat_cache_stores_times_beyond_64_bits(applied_host: Host) -> None:
    """ext4 and tmpfs store seconds whose count in nanoseconds exceeds 64 bits."""
    os.utime(applied_host.site / "alpha/__init__.py", (10_413_792_000, 10_413_792_000))  # in 2300

    applied_host.assert_no_changes()

    assert stats_match(str(applied_host.generation))
    assert applied_host.run("verify", "converge.toml").code == 0


def test_check_accepts_a_store_restored_from_backup(applied_host: Host) -> None:
    backup = applied_host.directory / "backup"
    subprocess.run(["cp", "-a", applied_host.directory / "venvs", backup], check=True)
    shutil.rmtree(applied_host.directory / "venvs")
    backup.rename(applied_host.directory / "venvs")

    applied_host.assert_no_changes()


@pytest.mark.parametrize("flag", ["-O", "-OO", "-B", "-I"])
def test_check_accepts_bytecode_that_python_writes(applied_host: Host, flag: str) -> None:
    program = "import alpha, beta; print(alpha.__version__)"
    done = subprocess.run(
        [applied_host.venv / "bin/python", flag, "-c", program],
        env={"PATH": os.defpath},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "1.1\n"

    applied_host.assert_no_changes()


def test_replaced_bytecode_is_repaired(applied_host: Host) -> None:
    (compiled,) = (applied_host.site / "beta/__pycache__").glob("*.pyc")
    shutil.copy(next((applied_host.site / "alpha/__pycache__").glob("*.pyc")), compiled)

    plan = applied_host.assert_converges()

    assert plan["action"] == "repair"
    assert applied_host.run_python("import beta; print(beta.__version__)") == "1.0"


def test_bytecode_without_source_is_drift(applied_host: Host) -> None:
    (compiled,) = (applied_host.site / "beta/__pycache__").glob("*.pyc")
    shutil.copy(compiled, applied_host.site / "planted.pyc")

    plan = applied_host.assert_converges()

    assert f"file.lib/{MINOR}/site-packages/planted.pyc" in {
        change["attribute"] for change in plan["changes"]
    }


def test_ignored_paths_arent_checked(host_with_wheels: Host) -> None:
    host_with_wheels.declare(
        ["alpha"], ignore=["share/cache/**", f"lib/{MINOR}/site-packages/alpha/data/*"]
    )
    host_with_wheels.apply_ok()
    cache = host_with_wheels.generation / "share/cache/deep"
    cache.mkdir(parents=True)
    (cache / "made-at-run-time").write_text("x")
    (host_with_wheels.site / "alpha/data/table.txt").write_text("edited")

    host_with_wheels.assert_no_changes()

    assert host_with_wheels.run("verify", "converge.toml").code == 0
    (host_with_wheels.generation / "share/not-ignored").write_text("x")
    assert host_with_wheels.check().code == 2


@pytest.mark.parametrize("replacement", ["nothing", "a file"])
def test_walk_skips_a_directory_that_disappears(tmp_path: Path, replacement: str) -> None:
    """A running service may delete directories of its cache during the walk."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (tmp_path / "busy").mkdir()
    walked = []

    for path, _ in walk(str(tmp_path)):
        walked.append(path)
        if path == "busy":
            (tmp_path / "busy").rmdir()
            if replacement == "a file":
                (tmp_path / "busy").touch()

    assert sorted(walked) == ["busy", "kept", "kept/file"]


def test_walk_of_a_missing_root_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(walk(str(tmp_path / "gone")))
