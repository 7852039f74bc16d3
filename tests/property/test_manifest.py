"""A manifest survives a round trip for any file name and detects any modification."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.system.files import sha256
from states.venv.integrity.manifest import encode_manifest, load_manifest, stat_entry, walk
from states.venv.integrity.stat_cache import (
    load_stats,
    pack_stats,
    pack_statuses,
    part_matches,
    read_stats,
    stat_key,
    stat_paths,
    stats_match,
)
from states.venv.layout import METADATA_DIR

NAMES = st.lists(
    st.binary(min_size=1, max_size=20).filter(
        lambda name: name not in (b".", b"..") and not {*b"/\0"} & {*name}
    ),
    min_size=1,
    max_size=5,
    unique=True,
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory on a file system that accepts any bytes in names."""
    return tmp_path_factory.mktemp("generations")


def _create_generation(directory: Path, names: list[bytes]) -> str:
    """Create a generation with these files, half of them in site-packages, and its manifest."""
    root = str(directory / "generation")
    shutil.rmtree(root, ignore_errors=True)
    site = os.path.join(root, "lib/python3.11/site-packages")
    for subdirectory in (site, os.path.join(root, METADATA_DIR)):
        os.makedirs(subdirectory)
    for index, name in enumerate(names):
        with open(os.path.join(os.fsencode([root, site][index % 2]), name), "wb") as stream:
            stream.write(name)
    manifest = {path: stat_entry(root, path) for path, _ in walk(root)}
    Path(root, METADATA_DIR, "manifest.json").write_bytes(encode_manifest(manifest))
    Path(root, METADATA_DIR, "stats").write_bytes(pack_stats(root, stat_paths(manifest, ())))
    return root


@given(NAMES)
def test_manifest_survives_a_round_trip(directory: Path, names: list[bytes]) -> None:
    root = _create_generation(directory, names)
    data = Path(root, METADATA_DIR, "manifest.json").read_bytes()
    manifest = load_manifest(root, sha256(data))
    assert manifest is not None
    assert {os.path.basename(os.fsencode(path)) for path in manifest} >= {*names}
    assert encode_manifest(manifest) == data
    assert load_manifest(root, sha256(data + b" ")) is None
    assert {*load_stats(root)} == {*stat_paths(manifest, ())}


@given(NAMES, st.data())
def test_any_modification_is_detected(
    directory: Path, names: list[bytes], data: st.DataObject
) -> None:
    root = _create_generation(directory, names)
    assert stats_match(root)
    stats = load_stats(root)
    statuses = {path: os.lstat(os.path.join(root, path)) for path in stats}
    assert pack_statuses(statuses) == pack_stats(root, stats)
    path = data.draw(st.sampled_from(sorted(stats)))
    absolute_path = os.path.join(root, path)
    assert stats[path] == stat_key(absolute_path)

    data.draw(st.sampled_from([_rewrite, _change_mode, _replace]))(absolute_path)

    assert not stats_match(root)


def _rewrite(path: str) -> None:
    """Replace the content by another of the same size and restore the times."""
    status = os.stat(path)
    if os.path.isdir(path):
        os.utime(path)
        return
    content = Path(path).read_bytes()
    Path(path).write_bytes(bytes(255 - byte for byte in content))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _change_mode(path: str) -> None:
    os.chmod(path, os.stat(path).st_mode ^ 0o001)


def _replace(path: str) -> None:
    """Replace the file by an identical copy with another inode."""
    copy = f"{os.path.dirname(path)}/copy"
    if os.path.isdir(path):
        shutil.copytree(path, copy, symlinks=True)
        shutil.rmtree(path)
    else:
        shutil.copy2(path, copy)
    os.rename(copy, path)


@given(NAMES, st.integers(1, 12), st.data())
def test_parts_of_a_stat_cache_cover_every_path(
    directory: Path, names: list[bytes], parts: int, data: st.DataObject
) -> None:
    root = _create_generation(directory, names)
    stats = read_stats(root)
    path = data.draw(st.sampled_from(sorted(load_stats(root))))
    assert all(part_matches(root, stats, part, parts) for part in range(parts))

    _change_mode(os.path.join(root, path))

    assert [part_matches(root, stats, part, parts) for part in range(parts)].count(False) == 1


@given(NAMES, st.data())
def test_torn_stat_cache_is_never_trusted(
    directory: Path, names: list[bytes], data: st.DataObject
) -> None:
    root = _create_generation(directory, names)
    file = Path(root, METADATA_DIR, "stats")
    complete = file.read_bytes()
    cut = data.draw(st.integers(0, len(complete) - 1))
    torn = data.draw(st.sampled_from([complete[:cut], complete[cut:], bytes(len(complete))]))
    file.write_bytes(torn)
    assert torn == complete or not stats_match(root)
    assert torn == complete or not _all_parts_match(root)
    load_stats(root)  # doesn't raise


def _all_parts_match(root: str) -> bool:
    try:
        stats = read_stats(root)
        return all(part_matches(root, stats, part, 3) for part in range(3))
    except (OSError, ValueError):
        return False
