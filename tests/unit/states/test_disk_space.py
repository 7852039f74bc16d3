"""The estimate of disk space in the error for a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from engine.errors import ConvergeError, DiskFull
from engine.settings import Settings
from engine.system.files import sha256
from states.venv.build import disk_space
from states.venv.build.disk_space import (
    DiskSpace,
    describe,
    estimate,
    explain_disk_full,
    wheel_sizes,
)
from states.venv.integrity.manifest import Entry, encode_manifest
from states.venv.integrity.receipt import Package
from states.venv.layout import Store, store_of
from states.venv.observe import Observation
from states.venv.resolve.pylock import parse_lock
from states.venv.resolve.selection import Selection
from tests.unit.states.values import make_python, make_receipt

WEB = Package(name="web", version="1.0", content="sha256:aa")


def _lock(**source: Any) -> str:
    return tomli_w.dumps({"packages": [{"name": "web", **source}]})


def _selection(*packages: Package, lock: str = "") -> Selection:
    return Selection(request="3", python=make_python(), lock=lock, packages=packages)


def _file(directory: Path) -> str:
    file = directory / "web.whl"
    file.write_bytes(b"x" * 1234)
    return str(file)


SIZES: dict[str, tuple[dict[str, Any], int]] = {
    "largest wheel": ({"wheels": [{"size": 10}, {"size": 30}]}, 30),
    "sdist": ({"sdist": {"size": 20}}, 20),
    "archive": ({"archive": {"size": 20}}, 20),
    "unknown": ({"wheels": [{"url": "https://example.org/web.whl"}]}, 0),
    "missing file": ({"wheels": [{"path": "/missing/web.whl"}]}, 0),
    "directory": ({"directory": {"path": "/missing"}}, 0),
}


@pytest.mark.parametrize(("source", "size"), SIZES.values(), ids=SIZES)
def test_wheel_size_comes_from_the_lock(source: dict[str, Any], size: int) -> None:
    """An unknown size counts as zero."""
    assert wheel_sizes(parse_lock(_lock(**source))) == {"web": size}


def test_wheel_size_of_local_file_is_measured(tmp_path: Path) -> None:
    """A path and a file URL are equivalent."""
    path = _file(tmp_path)
    assert wheel_sizes(parse_lock(_lock(wheels=[{"path": path}]))) == {"web": 1234}
    assert wheel_sizes(parse_lock(_lock(archive={"url": f"file://{path}"}))) == {"web": 1234}
    assert wheel_sizes(parse_lock("")) == {}


def test_estimate_grows_with_the_wheel_sizes() -> None:
    """An environment without packages needs space for itself."""
    base = estimate(_selection(), [])
    web = estimate(_selection(WEB, lock=_lock(wheels=[{"size": 10_000_000}])), [])
    assert 0 < base.size < web.size - 10_000_000
    assert 0 < base.inodes < web.inodes


def _observation(
    store: Store, packages: tuple[Package, ...], sizes: tuple[int, ...]
) -> Observation:
    """Return an observation of a generation whose manifest has files of these sizes."""
    manifest = {
        f"web/{number}": Entry("f", 0o644, 0, 0, size, "", "web")
        for number, size in enumerate(sizes)
    }
    data = encode_manifest(manifest)
    root = Path(store.generation("000001-aaaaaaaa"))
    (root / ".converge").mkdir(parents=True)
    (root / ".converge/manifest.json").write_bytes(data)
    receipt = make_receipt(generation="000001-aaaaaaaa", packages=packages, manifest=sha256(data))
    return Observation(store=store, state={}, receipt=receipt)


def test_estimate_counts_blocks_of_installed_package(tmp_path: Path) -> None:
    """The manifest of a generation with the same content is better than a guess."""
    observation = _observation(store_of(str(tmp_path / "web")), (WEB,), (1, 4096, 4097))
    base = estimate(_selection(), [observation])
    web = estimate(_selection(WEB, lock=_lock(wheels=[{"size": 10_000_000}])), [observation])
    assert web == base.plus(4 * 4096, 3)


def test_full_disk_error_gets_the_missing_amount(tmp_path: Path) -> None:
    """The hint names the directory and the space that it needs."""
    store = store_of(str(tmp_path / "sub/web"))
    settings = Settings(cache=str(tmp_path), state=str(tmp_path))
    with pytest.raises(DiskFull) as caught, explain_disk_full(store, _selection(WEB), settings, []):
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/web/file")
    assert f"`{tmp_path}`" in (caught.value.hint or "")
    assert "MiB" in (caught.value.hint or "")


AVAILABLE: dict[str, tuple[tuple[int, int | None], str]] = {
    "without inodes": (
        (1_258_292, 0),
        "`/srv`: needs about 3.0 MiB and 30 inodes; 1.2 MiB and 0 inodes available",
    ),
    "without space": (
        (1_258_292, 31),
        "`/srv`: needs about 3.0 MiB and 30 inodes; 1.2 MiB and 31 inodes available",
    ),
    "with more than the estimate": (
        (4 << 20, 30),
        "`/srv`: needs about 3.0 MiB and 30 inodes, and more during the build; "
        "4.0 MiB and 30 inodes available",
    ),
    "with inodes unlimited": ((1_258_292, None), "`/srv`: needs about 3.0 MiB; 1.2 MiB available"),
}


@pytest.mark.parametrize(("free", "text"), AVAILABLE.values(), ids=AVAILABLE)
def test_disk_space_is_described_with_inodes(free: tuple[int, int | None], text: str) -> None:
    """Btrfs and others create inodes as needed, and report none."""
    assert describe("/srv", DiskSpace(3 << 20, 30), free) == text


def test_full_disk_error_names_each_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache on another disk needs space, too little of which is free."""
    store = store_of(str(tmp_path / "web"))
    cache = tmp_path / "cache"
    cache.mkdir()
    measured = os.stat

    def stat_of_two_disks(path: Any, **options: Any) -> os.stat_result:
        result = measured(path, **options)
        fields = list(result)[:10]
        fields[2] += path == str(cache)
        return os.stat_result(fields)

    monkeypatch.setattr(os, "stat", stat_of_two_disks)
    settings = Settings(cache=str(cache), state=str(tmp_path))
    selection = _selection(WEB, lock=_lock(wheels=[{"size": 1 << 50}]))
    with pytest.raises(DiskFull) as caught, explain_disk_full(store, selection, settings, []):
        raise DiskFull("disk full")
    assert f"`{tmp_path}`" in (caught.value.hint or "")
    assert f"`{cache}`" in (caught.value.hint or "")


def test_full_disk_error_names_only_the_disk_that_is_too_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk with enough space isn't the cause."""
    cache = tmp_path / "cache"
    free = {str(tmp_path): (1 << 40, None), str(cache): (1 << 10, None)}
    monkeypatch.setattr(disk_space, "_directories", lambda _store, _settings: list(free))
    monkeypatch.setattr(disk_space, "available", free.__getitem__)
    settings = Settings(cache=str(cache), state=str(tmp_path))
    store = store_of(str(tmp_path / "web"))
    with pytest.raises(DiskFull) as caught, explain_disk_full(store, _selection(), settings, []):
        raise DiskFull("disk full")
    hint = caught.value.hint or ""
    assert f"`{cache}`: needs about 0.1 MiB; 0.0 MiB available" in hint
    assert f"`{tmp_path}`" not in hint


OTHER_ERRORS = [
    PermissionError(errno.EACCES, "Permission denied"),
    ConvergeError("unrelated"),
    KeyError("name"),
]


@pytest.mark.parametrize("error", OTHER_ERRORS, ids=lambda error: type(error).__name__)
def test_other_errors_pass_unchanged(tmp_path: Path, error: Exception) -> None:
    """Only a full disk is explained."""
    store = store_of(str(tmp_path / "web"))
    settings = Settings(cache=str(tmp_path), state=str(tmp_path))
    with pytest.raises(type(error)) as caught, explain_disk_full(store, _selection(), settings, []):
        raise error
    assert caught.value is error


def test_full_disk_before_the_selection_passes_unchanged(tmp_path: Path) -> None:
    """Without a selection, nothing can be estimated."""
    store = store_of(str(tmp_path / "web"))
    settings = Settings(cache=str(tmp_path), state=str(tmp_path))
    error = OSError(errno.ENOSPC, "No space left on device")
    with (
        pytest.raises(OSError, match="No space") as caught,
        explain_disk_full(store, None, settings, []),
    ):
        raise error
    assert caught.value is error
