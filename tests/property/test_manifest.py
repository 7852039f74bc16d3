"""A seal is read as it was written, whatever files are called, and sees each touch."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.files import sha256
from states.venv import seal as seals
from states.venv.store import NOTES

NAMES = st.lists(
    st.binary(min_size=1, max_size=20).filter(
        lambda name: name not in (b".", b"..") and not {*b"/\0"} & {*name}
    ),
    min_size=1,
    max_size=5,
    unique=True,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On a file system that takes names of any bytes."""
    return tmp_path_factory.mktemp("sealed")


def _generation(place: Path, names: list[bytes]) -> str:
    """Make a folder with files of these names, some in site-packages, and seal it."""
    root = str(place / "generation")
    shutil.rmtree(root, ignore_errors=True)
    site = os.path.join(root, "lib/python3.11/site-packages")
    for folder in (site, os.path.join(root, NOTES)):
        os.makedirs(folder)
    for index, name in enumerate(names):
        with open(os.path.join(os.fsencode([root, site][index % 2]), name), "wb") as stream:
            stream.write(name)
    seal = {path: seals.entry(root, path) for path, _ in seals.walk(root)}
    Path(root, NOTES, "seal.json").write_bytes(seals.dump(seal))
    Path(root, NOTES, "stats").write_bytes(seals.stats(root, seals.watched(seal, ())))
    return root


@given(NAMES)
def test_manifest_survives_a_round_trip(place: Path, names: list[bytes]) -> None:
    root = _generation(place, names)
    data = Path(root, NOTES, "seal.json").read_bytes()
    seal = seals.load(root, sha256(data))
    assert seal is not None
    assert {os.path.basename(os.fsencode(path)) for path in seal} >= {*names}
    assert seals.dump(seal) == data
    assert seals.load(root, sha256(data + b" ")) is None
    assert {*seals.remembered(root)} == {*seals.watched(seal, ())}


@given(NAMES, st.data())
def test_any_modification_is_detected(place: Path, names: list[bytes], data: st.DataObject) -> None:
    root = _generation(place, names)
    assert seals.untouched(root)
    looks = seals.remembered(root)
    path = data.draw(st.sampled_from(sorted(looks)))
    whole = os.path.join(root, path)
    assert looks[path] == seals.look(whole)

    data.draw(st.sampled_from([_rewrite, _change_mode, _replace]))(whole)

    assert not seals.untouched(root)


def _rewrite(path: str) -> None:
    """Another content of the same size, with its times put back."""
    found = os.stat(path)
    if os.path.isdir(path):
        os.utime(path)
        return
    content = Path(path).read_bytes()
    Path(path).write_bytes(bytes(255 - one for one in content))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def _change_mode(path: str) -> None:
    os.chmod(path, os.stat(path).st_mode ^ 0o001)


def _replace(path: str) -> None:
    """The same thing again, but another inode."""
    twin = f"{os.path.dirname(path)}/twin"
    if os.path.isdir(path):
        shutil.copytree(path, twin, symlinks=True)
        shutil.rmtree(path)
    else:
        shutil.copy2(path, twin)
    os.rename(twin, path)


@given(NAMES, st.data())
def test_torn_stat_cache_is_never_trusted(
    place: Path, names: list[bytes], data: st.DataObject
) -> None:
    root = _generation(place, names)
    file = Path(root, NOTES, "stats")
    whole = file.read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    file.write_bytes(data.draw(st.sampled_from([whole[:cut], whole[cut:], bytes(len(whole))])))
    torn = file.read_bytes()
    assert torn == whole or not seals.untouched(root)
    seals.remembered(root)  # raises nothing
