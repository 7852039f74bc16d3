"""converge detects and replaces corrupt or malicious content in the download cache."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.frozen import replace
from engine.system.files import sha256
from engine.system.lock import FileLock
from states.installer import IndexOptions, ResolveRequest, crash_safe_cache
from states.installer.uv import Uv
from states.system import subprocesses
from states.system.scratch import scratch_dir
from states.venv.integrity.receipt import read_receipt, write_receipt
from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.mount_namespaces import mount_namespace
from tests.integration.test_python_versions import interpreter
from tests.support.index import Index
from tests.support.wheels import make_wheel, record_row

POISON = '__version__ = "poisoned"\n'


@pytest.fixture
def cached_host(host: Host, index: Index) -> Host:
    """Return a host with a private cache that contains `beta`."""
    make_wheels(index.directory)
    host.cache = host.directory / "cache"
    host.declare(["beta<2"], find_links=[], no_index=False, index_url=index.url)
    host.apply_ok()
    return host


def unpacked(host: Host, name: str) -> Path:
    """Return an unpacked file of `beta` in the installer's cache."""
    (path,) = host.cache.rglob(name)
    return path


def version(host: Host) -> str:
    """Return the version of the installed `beta`, as its code reports it."""
    return host.run_python("import beta; print(beta.__version__)")


def test_cache_is_not_writable_by_other_users(cached_host: Host) -> None:
    for directory in (
        cached_host.cache / "uv",
        cached_host.cache / "work",
        cached_host.directory / "state",
    ):
        if directory.exists():
            assert stat.S_IMODE(directory.stat().st_mode) & 0o022 == 0


def test_edit_in_an_environment_does_not_change_the_cache(cached_host: Host) -> None:
    """With hard links, it would."""
    with (cached_host.site / "beta/__init__.py").open("a") as stream:
        stream.write("poisoned = True\n")

    cached_host.assert_converges()

    assert "poisoned" not in unpacked(cached_host, "beta/__init__.py").read_text()
    assert "poisoned" not in (cached_host.site / "beta/__init__.py").read_text()


def test_poisoned_cache_file_is_downloaded_again(cached_host: Host) -> None:
    unpacked(cached_host, "beta/__init__.py").write_text(POISON)
    (cached_host.site / "beta/__init__.py").unlink()

    result = cached_host.apply_ok()

    assert "downloading again" in result.err
    assert version(cached_host) == "1.0"
    cached_host.assert_no_changes()


def test_rebuild_after_a_download_keeps_data_of_the_venv(cached_host: Host) -> None:
    """It copies no packages, but it does copy the data that becomes persistent."""
    data = {"data/etc/web.conf": "packaged\n"}
    make_wheel(cached_host.wheels, "service", "1.0", data=data)
    cached_host.declare(["service"])
    cached_host.apply_ok()
    (cached_host.venv / "etc/web.conf").write_text("edited\n")
    unpacked(cached_host, "service/__init__.py").write_text(POISON)
    cached_host.declare(["service"], persistent=["etc"])

    assert "downloading again" in cached_host.apply_ok().err
    assert (cached_host.venv / "etc/web.conf").read_text() == "edited\n"
    cached_host.assert_no_changes()


def poison_with_record(host: Host) -> None:
    """Change an unpacked file in the installer's cache, and its RECORD row to match."""
    module, record = (
        unpacked(host, "beta/__init__.py"),
        unpacked(host, "beta-1.0.dist-info/RECORD"),
    )
    old_row = record_row(module.read_text())
    module.write_text(POISON)
    record.write_text(record.read_text().replace(old_row, record_row(POISON)))


def test_file_poisoned_with_its_record_is_downloaded_again(cached_host: Host) -> None:
    poison_with_record(cached_host)
    (cached_host.site / "beta/__init__.py").unlink()

    result = cached_host.apply_ok()

    assert "downloading again" in result.err
    assert version(cached_host) == "1.0"


def other_python() -> str:
    """Return an interpreter whose minor version differs from the current one."""
    return interpreter("3.12" if sys.version_info[:2] != (3, 12) else "3.13")


def test_record_poisoning_is_detected_on_another_python(cached_host: Host, index: Index) -> None:
    poison_with_record(cached_host)
    cached_host.python = other_python()
    cached_host.declare(["beta<2"], find_links=[], no_index=False, index_url=index.url)

    result = cached_host.apply_ok()

    assert "downloading again" in result.err
    assert version(cached_host) == "1.0"


def test_same_wheel_on_another_python_is_not_downloaded_again(host: Host) -> None:
    data = {"headers/many.h": "", "data/share/many/table.txt": "", "scripts/many": "#!python\n"}
    make_wheel(host.wheels, "many", "1.0", console_scripts={"more": "many:main"}, data=data)
    host.cache = host.directory / "cache"
    host.declare(["many"])
    host.apply_ok()
    host.python = other_python()
    host.declare(["many"])

    result = host.apply_ok()

    assert "downloading again" not in result.err
    assert list((host.generation / "include/site").glob("python*/many/many.h"))


def test_old_receipt_digest_does_not_trigger_a_download(cached_host: Host) -> None:
    """Old receipts hashed paths that contain the Python version."""
    root = str(cached_host.generation)
    receipt = read_receipt(root)
    assert receipt is not None
    packages = tuple(replace(package, record=sha256(b"other rows")) for package in receipt.packages)
    write_receipt(replace(receipt, packages=packages), root)
    (cached_host.site / "beta/__init__.py").unlink()

    assert "downloading again" not in cached_host.apply_ok().err


def test_file_added_to_the_cache_is_not_installed(cached_host: Host) -> None:
    unpacked(cached_host, "beta/__init__.py").with_name("planted.py").write_text("")
    (cached_host.site / "beta/__init__.py").unlink()

    assert "downloading again" in cached_host.apply_ok().err
    assert not (cached_host.site / "beta/planted.py").exists()


def test_several_damaged_packages_are_downloaded_again(cached_host: Host) -> None:
    """uv reports one damaged package at a time. Packages of other venvs stay in the cache."""
    names = ("delta", "epsilon", "zeta")
    for name in names:
        make_wheel(cached_host.wheels, name, "1.0")
    cached_host.declare([*names])
    cached_host.apply_ok()
    before = unpacked(cached_host, "beta/__init__.py").stat().st_ino
    entries = [
        path for name in names for path in cached_host.cache.glob(f"uv/wheels-v*/**/{name}/*")
    ]
    damaged = [path for path in entries if path.is_file() and not path.is_symlink()]
    for path in damaged:
        os.truncate(path, path.stat().st_size // 2)
    (cached_host.site / "delta/__init__.py").unlink()

    result = cached_host.apply_ok()

    assert len(damaged) >= len(names)
    assert result.err.count("downloading again") == 2
    assert unpacked(cached_host, "beta/__init__.py").stat().st_ino == before


def test_broken_wheel_is_downloaded_again_once(cached_host: Host) -> None:
    wheel = make_wheel(cached_host.wheels, "delta", "1.0")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("delta/unlisted.py", "")
    cached_host.declare(["delta"])

    failed = cached_host.apply()

    assert failed.code == 81
    assert failed.err.count("downloading again") == 1


def test_poisoned_file_is_an_error_if_the_index_is_down(cached_host: Host, index: Index) -> None:
    unpacked(cached_host, "beta/__init__.py").write_text(POISON)
    (cached_host.site / "beta/__init__.py").unlink()
    index.close()

    failed = cached_host.apply()

    assert failed.code in (69, 81)
    assert len(cached_host.generations()) == 1


def test_deleted_cache_is_rebuilt(cached_host: Host) -> None:
    shutil.rmtree(cached_host.cache)
    shutil.rmtree(cached_host.directory / "state", ignore_errors=True)

    cached_host.assert_no_changes()
    (cached_host.site / "beta/__init__.py").unlink()
    cached_host.assert_converges()
    assert version(cached_host) == "1.0"


def test_cache_is_cleared_after_a_power_failure_during_download(cached_host: Host) -> None:
    """A truncated METADATA file would make the installer select other versions, or fail."""
    metadata = unpacked(cached_host, "beta-*.dist-info/METADATA")
    markers = cached_host.cache / "uv-unflushed"
    assert not list(markers.iterdir())
    (markers / "00000000-0000-0000-0000-000000000000-0a0b0c0d").touch()
    metadata.write_text("")
    (cached_host.site / "beta/__init__.py").unlink()

    cached_host.assert_converges()

    assert unpacked(cached_host, "beta-*.dist-info/METADATA").read_text()
    assert not list(markers.iterdir())


def test_cache_on_a_separate_disk_is_cleared_in_place(cached_host: Host) -> None:
    """This applies to a mount and to a symlink."""
    (cached_host.site / "beta/__init__.py").unlink()
    downloads, disk = cached_host.cache / "uv", cached_host.directory / "disk"
    downloads.rename(disk)
    downloads.mkdir()
    marker = cached_host.cache / "uv-unflushed" / "00000000-0000-0000-0000-000000000000-0a0b0c0d"
    marker.touch()
    truncated = disk / "truncated"
    truncated.touch()
    with mount_namespace(
        f"mount --bind '{disk}' '{downloads}'", cached_host.directory
    ) as in_namespace:
        cached_host.apply_ok(prefix=in_namespace)
    mounted = truncated.exists(), marker.exists()
    downloads.rmdir()
    downloads.symlink_to(disk)
    (cached_host.site / "beta/__init__.py").unlink()
    marker.touch()
    truncated.touch()
    cached_host.apply_ok()
    linked = truncated.exists(), marker.exists()

    assert (mounted, linked) == ((False, False), (False, False))
    assert list(disk.rglob("beta/__init__.py"))
    assert downloads.is_symlink()


def test_cache_is_synced_on_its_own_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(crash_safe_cache, "sync_filesystem", synced.append)
    cache = tmp_path / "uv"
    cache.mkdir()
    with crash_safe_cache.open_cache(str(cache)):
        on_entry = list(synced)

    assert (on_entry, synced) == ([], [str(cache)])


def test_cache_can_be_opened_while_it_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parallel build doesn't wait for the disk. The marker stays until the sync has ended."""
    cache, markers = tmp_path / "uv", tmp_path / "uv-unflushed"
    cache.mkdir()
    during: list[tuple[bool, int]] = []

    def sync(_path: str) -> None:
        with FileLock(str(markers)) as lock:
            during.append((lock.try_acquire(), len(list(markers.iterdir()))))

    monkeypatch.setattr(crash_safe_cache, "sync_filesystem", sync)
    syncs: list[Callable[[], None]] = []
    with crash_safe_cache.open_cache(str(cache), syncs.append):
        pass
    for run in syncs:
        run()

    assert during == [(True, 1)]
    assert list(markers.iterdir()) == []


def test_cache_survives_a_killed_run(cached_host: Host) -> None:
    """Its writes are still complete in the page cache."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    marker = cached_host.cache / "uv-unflushed" / f"{boot}-0a0b0c0d"
    marker.touch()
    before = unpacked(cached_host, "beta/__init__.py").stat().st_ino
    (cached_host.site / "beta/__init__.py").unlink()

    cached_host.assert_converges()

    assert unpacked(cached_host, "beta/__init__.py").stat().st_ino == before
    assert not marker.exists()


def test_cache_in_use_by_another_host_is_not_cleared(cached_host: Host) -> None:
    """The marker names another boot, but the process that created it is alive."""
    marker = cached_host.cache / "uv-unflushed" / "00000000-0000-0000-0000-000000000000-0a0b0c0d"
    before = unpacked(cached_host, "beta/__init__.py").stat().st_ino
    (cached_host.site / "beta/__init__.py").unlink()

    with marker.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        cached_host.assert_converges()

        assert unpacked(cached_host, "beta/__init__.py").stat().st_ino == before
        assert marker.exists()


def test_cached_file_is_not_requested_again(host: Host, index: Index) -> None:
    """A hash pins the file, so converge ignores the `no-cache` header of the index."""
    make_wheels(index.directory)
    index.freshness = {"Cache-Control": "no-cache"}
    host.cache = host.directory / "cache"
    host.declare(["beta<2"], find_links=[], no_index=False, index_url=index.url)
    host.apply_ok()
    index.requests.clear()
    (host.site / "beta/__init__.py").unlink()

    host.assert_converges()

    assert index.paths() == []


@pytest.mark.parametrize("fault", ["cut", "stall"])
@pytest.mark.parametrize("html_only", [False, True])
def test_interrupted_download_is_retryable(
    cached_host: Host, index: Index, fault: str, html_only: bool
) -> None:
    """The cache keeps the other packages. Without separate metadata, uv fails in `plan`."""
    before = unpacked(cached_host, "beta/__init__.py").stat().st_ino
    content = {f"gamma/m{number}.py": os.urandom(500).hex() for number in range(100)}
    wheel = make_wheel(index.directory, "gamma", "4.0", files=content)
    (index.directory / "gamma-3.0-py3-none-any.whl").unlink()
    index.html_only = html_only
    index.interrupted = {wheel.name: fault}
    keys: dict[str, Any] = {"find_links": [], "no_index": False, "index_url": index.url}
    cached_host.declare(["gamma"], download_timeout=1, download_retries=0, **keys)

    failed = cached_host.apply()

    assert failed.code == 69, failed.first["error"]
    assert failed.report["exit"]["retryable"]
    assert unpacked(cached_host, "beta/__init__.py").stat().st_ino == before
    index.interrupted = {}
    cached_host.apply_ok()


def test_declared_retries_are_made(cached_host: Host, index: Index) -> None:
    index.statuses = {"gamma/": 503}
    keys: dict[str, Any] = {"find_links": [], "no_index": False, "index_url": index.url}
    cached_host.declare(["gamma"], download_retries=1, **keys)
    index.requests.clear()

    assert cached_host.plan().code == 69
    assert index.paths() == ["/simple/gamma/"] * 2


@pytest.mark.parametrize("is_named", [True, False])
def test_damaged_cache_is_repaired_during_resolution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_named: bool
) -> None:
    """The cache is emptied only if a resolution without it succeeds."""
    caches: list[str] = []
    repaired = False
    message = "Failed to read metadata: `beta==1.0`\n" if is_named else "Broken cache\n"

    def run(argv: list[str], *, env: dict[str, str], **_options: object) -> subprocesses.Completed:
        nonlocal repaired
        is_resolution = "compile" in argv
        command = "pip compile" if is_resolution else " ".join(argv[1:3])
        caches.append(f"{command} {env['UV_CACHE_DIR'].removeprefix(f'{tmp_path}/')}")
        repaired = repaired or (not is_resolution and argv[-1] in ("beta", "clean"))
        if is_resolution and "scratch" not in caches[-1] and not repaired:
            return subprocesses.Completed(2, message.replace("metadata: ", "metadata "))
        (tmp_path / "scratch/pylock.toml").write_text("")
        return subprocesses.Completed(0, "")

    monkeypatch.setattr(subprocesses, "run", run)
    (tmp_path / "scratch").mkdir()
    indexes = IndexOptions("", (), "", (), False, "")
    request = ResolveRequest(
        "python", ("beta",), (), (), (), None, frozenset(), frozenset(), False, indexes
    )

    Uv(str(tmp_path / "cache"), str(tmp_path / "scratch")).resolve(request)

    compiles = ["pip compile cache/uv"]
    expected = (
        [*compiles, "cache clean cache/uv", *compiles]
        if is_named
        else [*compiles, "pip compile scratch/uv", "cache clean cache/uv"]
    )
    assert caches == expected


def test_scratch_dir_ignores_a_redirected_tempdir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default temporary directory may belong to a venv that another thread is building."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with scratch_dir("/dev/null/no-cache") as directory:
        assert os.path.isdir(directory)
        assert not Path(directory).is_relative_to(tmp_path / "temporary")
