"""What changes nothing that counts is no drift."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from states.venv import seal as seals
from tests.integration.host import MINOR, Host


def test_touching_every_file_is_no_drift(live: Host) -> None:
    for one in live.generation.rglob("*"):
        os.utime(one, follow_symlinks=False)

    before = live.generation
    live.settled()

    assert live.generation == before


def test_a_second_look_after_a_touch_trusts_the_memory_again(live: Host) -> None:
    """The first apply hashes and remembers; from then on stats suffice."""
    stats = live.generation / ".converge/stats"
    os.utime(live.site / "alpha/__init__.py")
    live.applied()
    remembered = stats.read_bytes()
    live.applied()

    assert stats.read_bytes() == remembered


def test_a_time_that_no_64_bits_hold_is_no_drift_and_is_remembered(live: Host) -> None:
    """In nanoseconds, as a second can be noted on ext4 and in memory."""
    os.utime(live.site / "alpha/__init__.py", (10_413_792_000, 10_413_792_000))  # in 2300

    live.settled()

    assert seals.untouched(str(live.generation))
    assert live.run("verify", "converge.toml").code == 0


def test_a_store_restored_from_a_backup_is_no_drift(live: Host) -> None:
    backup = live.folder / "backup"
    subprocess.run(["cp", "-a", live.folder / "venvs", backup], check=True)
    shutil.rmtree(live.folder / "venvs")
    backup.rename(live.folder / "venvs")

    live.settled()


@pytest.mark.parametrize("flag", ["-O", "-OO", "-B", "-I"])
def test_what_python_writes_when_it_runs_is_no_drift(live: Host, flag: str) -> None:
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


def test_a_planted_bytecode_file_is_drift(live: Host) -> None:
    (compiled,) = (live.site / "beta/__pycache__").glob("*.pyc")
    shutil.copy(next((live.site / "alpha/__pycache__").glob("*.pyc")), compiled)

    plan = live.converges()

    assert plan["action"] == "repair"
    assert live.python_says("import beta; print(beta.__version__)") == "1.0"


def test_a_bytecode_file_without_its_source_is_drift(live: Host) -> None:
    (compiled,) = (live.site / "beta/__pycache__").glob("*.pyc")
    shutil.copy(compiled, live.site / "planted.pyc")

    plan = live.converges()

    assert f"file.lib/{MINOR}/site-packages/planted.pyc" in {
        one["attribute"] for one in plan["changes"]
    }


def test_what_the_declaration_ignores_is_nobodys_business(stocked: Host) -> None:
    stocked.declare(["alpha"], ignore=["share/cache/**", f"lib/{MINOR}/site-packages/alpha/data/*"])
    stocked.applied()
    cache = stocked.generation / "share/cache/deep"
    cache.mkdir(parents=True)
    (cache / "made-at-run-time").write_text("x")
    (stocked.site / "alpha/data/table.txt").write_text("mine")

    stocked.settled()

    assert stocked.run("verify", "converge.toml").code == 0
    (stocked.generation / "share/not-ignored").write_text("x")
    assert stocked.check().code == 2


@pytest.mark.parametrize("what", ["nothing", "a file"])
def test_a_folder_that_goes_away_while_it_is_looked_at_is_not_there(
    tmp_path: Path, what: str
) -> None:
    """As in the cache of a busy service."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/one").touch()
    (tmp_path / "busy").mkdir()
    found = []

    for path, _ in seals.walk(str(tmp_path)):
        found.append(path)
        if path == "busy":
            (tmp_path / "busy").rmdir()
            if what == "a file":
                (tmp_path / "busy").touch()

    assert sorted(found) == ["busy", "kept", "kept/one"]


def test_a_generation_that_is_not_there_at_all_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(seals.walk(str(tmp_path / "gone")))
