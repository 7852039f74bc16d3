"""The bytecode cache restores what was stored, and nothing that was changed since."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.settings import Settings
from engine.system.files import sha256
from states.venv.build.bytecode.cache import BytecodeCache, decode, encode
from states.venv.build.bytecode.compile import group_by_package
from tests.unit.states.values import make_python

CONTENTS: dict[str, list[bytes | None]] = {
    "nothing": [],
    "one file": [b"bytecode"],
    "empty file": [b""],
    "source without bytecode": [None],
    "mixed": [b"a", None, b"", b"\0" * 20, None],
}


@pytest.mark.parametrize("contents", CONTENTS.values(), ids=CONTENTS)
def test_decode_reverses_encode(contents: list[bytes | None]) -> None:
    assert list(decode(encode(contents))) == contents


SOURCES = {"web/a.py": "digest-a", "web/b.py": "digest-b"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache=str(tmp_path / "cache"), state=str(tmp_path / "state"))


def _generation(tmp_path: Path, name: str) -> Path:
    root = tmp_path / name
    (root / "lib/python3.11").mkdir(parents=True)
    (root / "web/__pycache__").mkdir(parents=True)
    return root


def _store(tmp_path: Path, settings: Settings) -> dict[str, str]:
    """Store a package with one source that doesn't compile; return the digests."""
    root = _generation(tmp_path, "old")
    (root / "web/__pycache__/a.cpython-311.pyc").write_bytes(b"bytecode")
    return BytecodeCache(settings, make_python()).store(str(root), SOURCES)


def test_cached_bytecode_is_restored(tmp_path: Path, settings: Settings) -> None:
    digests = _store(tmp_path, settings)
    root = _generation(tmp_path, "new")

    assert BytecodeCache(settings, make_python()).restore(str(root), SOURCES) == digests
    assert digests == {"web/__pycache__/a.cpython-311.pyc": sha256(b"bytecode")}
    assert (root / "web/__pycache__/a.cpython-311.pyc").read_bytes() == b"bytecode"
    assert not (root / "web/__pycache__/b.cpython-311.pyc").exists()


def test_changed_source_isnt_in_the_cache(tmp_path: Path, settings: Settings) -> None:
    _store(tmp_path, settings)
    root = str(_generation(tmp_path, "new"))
    cache = BytecodeCache(settings, make_python())
    for sources in ({**SOURCES, "web/a.py": "changed"}, {"web/a.py": "digest-a"}):
        assert cache.restore(root, sources) is None


def test_other_interpreter_has_its_own_cache(tmp_path: Path, settings: Settings) -> None:
    _store(tmp_path, settings)
    root = str(_generation(tmp_path, "new"))
    assert BytecodeCache(settings, make_python(digest="other")).restore(root, SOURCES) is None


def _cached_file(settings: Settings) -> Path:
    (file,) = (path for path in Path(settings.cache).rglob("*") if path.is_file())
    return file


DAMAGE = {
    "flipped bit": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "flipped bit in the signature": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "truncated": lambda data: data[:-1],
    "longer": lambda data: data + b"\0",
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_cache_file_isnt_restored(
    tmp_path: Path, settings: Settings, damage: Callable[[bytes], bytes]
) -> None:
    _store(tmp_path, settings)
    file = _cached_file(settings)
    file.write_bytes(damage(file.read_bytes()))
    root = _generation(tmp_path, "new")

    assert BytecodeCache(settings, make_python()).restore(str(root), SOURCES) is None
    assert list((root / "web/__pycache__").iterdir()) == []


def test_renamed_cache_file_isnt_restored(tmp_path: Path, settings: Settings) -> None:
    """The signature covers the name, so bytecode of another package can't replace it."""
    _store(tmp_path, settings)
    file = _cached_file(settings)
    cache = BytecodeCache(settings, make_python())
    root = str(_generation(tmp_path, "new"))
    cache.store(root, {"web/a.py": "other"})
    (other,) = (path for path in file.parent.iterdir() if path != file)
    file.rename(other)

    assert cache.restore(root, {"web/a.py": "other"}) is None


def test_cache_of_another_host_isnt_restored(tmp_path: Path, settings: Settings) -> None:
    _store(tmp_path, settings)
    (Path(settings.state) / "bytecode.key").unlink()
    root = str(_generation(tmp_path, "new"))
    assert BytecodeCache(settings, make_python()).restore(root, SOURCES) is None


def test_short_key_is_replaced(tmp_path: Path, settings: Settings) -> None:
    _store(tmp_path, settings)
    key = Path(settings.state) / "bytecode.key"
    key.write_bytes(b"short")
    BytecodeCache(settings, make_python())
    assert len(key.read_bytes()) == 32


def test_sources_are_grouped_by_package() -> None:
    sources = {"a/x.py": "1", "b/y.py": "2", "a/z.py": "3", "w.py": "4"}
    owners = {"a/x.py": "a", "b/y.py": "b", "a/z.py": "a"}
    assert group_by_package(sources, owners) == [
        {"a/x.py": "1", "a/z.py": "3"},
        {"b/y.py": "2"},
        {"w.py": "4"},
    ]
