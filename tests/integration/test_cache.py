"""The download cache is believed no more than any other folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

import pytest

from engine.files import sha256
from engine.value import replace
from states import unflushed
from states.venv import receipt as receipts
from states.workplace import workplace
from tests.integration.conftest import stock
from tests.integration.host import Host
from tests.integration.rooms import room
from tests.integration.test_interpreters import interpreter
from tests.support.index import Index
from tests.support.wheels import make_wheel, record_row

POISON = '__version__ = "poisoned"\n'


@pytest.fixture
def cached(host: Host, index: Index) -> Host:
    """A host with a cache of its own that holds `beta`."""
    stock(index.directory)
    host.cache = host.folder / "cache"
    host.declare(["beta<2"], find_links=[], no_index=False, index_url=index.url)
    host.applied()
    return host


def unpacked(host: Host, name: str) -> Path:
    """Return a file of `beta` as the installer keeps it unpacked."""
    (found,) = host.cache.rglob(name)
    return found


def version(host: Host) -> str:
    return host.python_says("import beta; print(beta.__version__)")


def test_the_cache_is_nobody_elses(cached: Host) -> None:
    for folder in (cached.cache / "uv", cached.cache / "work", cached.folder / "state"):
        if folder.exists():
            assert stat.S_IMODE(folder.stat().st_mode) & 0o022 == 0


def test_an_edit_in_an_environment_does_not_reach_the_cache(cached: Host) -> None:
    """As it would with hard links."""
    with (cached.site / "beta/__init__.py").open("a") as stream:
        stream.write("poisoned = True\n")

    cached.converges()

    assert "poisoned" not in unpacked(cached, "beta/__init__.py").read_text()
    assert "poisoned" not in (cached.site / "beta/__init__.py").read_text()


def test_a_poisoned_file_is_found_out_and_fetched_anew(cached: Host) -> None:
    unpacked(cached, "beta/__init__.py").write_text(POISON)
    (cached.site / "beta/__init__.py").unlink()

    done = cached.applied()

    assert "fetching anew" in done.err
    assert version(cached) == "1.0"
    cached.settled()


def poison_with_record(host: Host) -> None:
    """Change a file as the installer keeps it unpacked, with a RECORD to match."""
    module, record = (
        unpacked(host, "beta/__init__.py"),
        unpacked(host, "beta-1.0.dist-info/RECORD"),
    )
    old = record_row(module.read_text())
    module.write_text(POISON)
    record.write_text(record.read_text().replace(old, record_row(POISON)))


def test_a_file_poisoned_with_its_record_is_found_out_by_who_knew_it(cached: Host) -> None:
    poison_with_record(cached)
    (cached.site / "beta/__init__.py").unlink()

    done = cached.applied()

    assert "fetching anew" in done.err
    assert version(cached) == "1.0"


def other_python() -> str:
    """Return an interpreter of another minor version than the tests' own."""
    return interpreter("3.12" if sys.version_info[:2] != (3, 12) else "3.13")


def test_a_file_poisoned_with_its_record_is_found_out_under_another_python_too(
    cached: Host, index: Index
) -> None:
    poison_with_record(cached)
    cached.python = other_python()
    cached.declare(["beta<2"], find_links=[], no_index=False, index_url=index.url)

    done = cached.applied()

    assert "fetching anew" in done.err
    assert version(cached) == "1.0"


def test_the_same_wheel_under_another_python_is_what_it_was(host: Host) -> None:
    data = {"headers/many.h": "", "data/share/many/table.txt": "", "scripts/many": "#!python\n"}
    make_wheel(host.wheels, "many", "1.0", console_scripts={"more": "many:main"}, data=data)
    host.cache = host.folder / "cache"
    host.declare(["many"])
    host.applied()
    host.python = other_python()
    host.declare(["many"])

    done = host.applied()

    assert "fetching anew" not in done.err
    assert list((host.generation / "include/site").glob("python*/many/many.h"))


def test_what_a_receipt_of_old_says_of_a_record_raises_no_alarm(cached: Host) -> None:
    """Its digests were of paths that hold the version of Python."""
    root = str(cached.generation)
    receipt = receipts.read(root)
    assert receipt is not None
    old = tuple(replace(one, record=sha256(b"other rows")) for one in receipt.packages)
    receipts.write(replace(receipt, packages=old), root)
    (cached.site / "beta/__init__.py").unlink()

    assert "fetching anew" not in cached.applied().err


def test_a_file_planted_in_the_cache_is_found_out(cached: Host) -> None:
    unpacked(cached, "beta/__init__.py").with_name("planted.py").write_text("")
    (cached.site / "beta/__init__.py").unlink()

    assert "fetching anew" in cached.applied().err
    assert not (cached.site / "beta/planted.py").exists()


def test_poison_that_cannot_be_replaced_is_an_error(cached: Host, index: Index) -> None:
    unpacked(cached, "beta/__init__.py").write_text(POISON)
    (cached.site / "beta/__init__.py").unlink()
    index.close()

    failed = cached.apply()

    assert failed.code in (69, 81)
    assert len(cached.generations()) == 1


def test_a_lost_cache_costs_only_time(cached: Host) -> None:
    shutil.rmtree(cached.cache)
    shutil.rmtree(cached.folder / "state", ignore_errors=True)

    cached.settled()
    (cached.site / "beta/__init__.py").unlink()
    cached.converges()
    assert version(cached) == "1.0"


def test_what_was_being_fetched_when_the_power_went_is_not_believed(cached: Host) -> None:
    """A torn METADATA would make the installer choose other versions, or none."""
    metadata = unpacked(cached, "beta-*.dist-info/METADATA")
    marks = cached.cache / "uv-unflushed"
    assert not list(marks.iterdir())
    (marks / "00000000-0000-0000-0000-000000000000-0a0b0c0d").touch()
    metadata.write_text("")
    (cached.site / "beta/__init__.py").unlink()

    cached.converges()

    assert unpacked(cached, "beta-*.dist-info/METADATA").read_text()
    assert not list(marks.iterdir())


def test_a_download_cache_on_a_disk_of_its_own_is_emptied_where_it_is(cached: Host) -> None:
    """Whether it is mounted there, or a symlink leads to it."""
    (cached.site / "beta/__init__.py").unlink()
    downloads, disk = cached.cache / "uv", cached.folder / "disk"
    downloads.rename(disk)
    downloads.mkdir()
    mark = cached.cache / "uv-unflushed" / "00000000-0000-0000-0000-000000000000-0a0b0c0d"
    mark.touch()
    (disk / "torn").touch()
    with room(f"mount --bind '{disk}' '{downloads}'", cached.folder) as inside:
        cached.applied(prefix=inside)
    mounted = (disk / "torn").exists(), mark.exists()
    downloads.rmdir()
    downloads.symlink_to(disk)
    (cached.site / "beta/__init__.py").unlink()
    mark.touch()
    (disk / "torn").touch()
    cached.applied()
    led = (disk / "torn").exists(), mark.exists()

    assert (mounted, led) == ((False, False), (False, False))
    assert list(disk.rglob("beta/__init__.py"))
    assert downloads.is_symlink()


def test_what_the_cache_holds_is_flushed_on_its_own_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(unflushed, "flush_file_system", flushed.append)
    cache = tmp_path / "uv"
    cache.mkdir()
    with unflushed.used(str(cache)):
        before = list(flushed)

    assert (before, flushed) == ([], [str(cache)])


def test_a_killed_run_alone_costs_the_cache_nothing(cached: Host) -> None:
    """What it had written is still in memory, whole."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    mark = cached.cache / "uv-unflushed" / f"{boot}-0a0b0c0d"
    mark.touch()
    before = unpacked(cached, "beta/__init__.py").stat().st_ino
    (cached.site / "beta/__init__.py").unlink()

    cached.converges()

    assert unpacked(cached, "beta/__init__.py").stat().st_ino == before
    assert not mark.exists()


def test_a_cache_that_another_host_is_writing_is_left_to_it(cached: Host) -> None:
    """Its mark is of another boot, too, but its maker lives."""
    mark = cached.cache / "uv-unflushed" / "00000000-0000-0000-0000-000000000000-0a0b0c0d"
    before = unpacked(cached, "beta/__init__.py").stat().st_ino
    (cached.site / "beta/__init__.py").unlink()

    with mark.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        cached.converges()

        assert unpacked(cached, "beta/__init__.py").stat().st_ino == before
        assert mark.exists()


def test_what_the_cache_holds_is_not_asked_for_again(host: Host, index: Index) -> None:
    """Though the index says that it has to be asked again: it is pinned by its hash."""
    stock(index.directory)
    index.freshness = {"Cache-Control": "no-cache"}
    host.cache = host.folder / "cache"
    host.declare(["beta<2"], find_links=[], no_index=False, index_url=index.url)
    host.applied()
    index.requests.clear()
    (host.site / "beta/__init__.py").unlink()

    host.converges()

    assert index.paths() == []


def test_who_works_elsewhere_works_in_no_folder_that_is_gone_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of a venv which is being made at the same time, where virtualenv tries files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "soon-gone"))
    with workplace("/dev/null/no-cache") as folder:
        assert os.path.isdir(folder)
        assert not Path(folder).is_relative_to(tmp_path / "soon-gone")
