"""The bytecode cache restores what was stored, and nothing that was changed since."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.settings import Settings
from engine.system.files import sha256
from states.venv.build.bytecode.cache import BytecodeCache
from states.venv.build.bytecode.units import Unit, split
from states.venv.build.bytecode.workers import Job, Row, run_jobs
from tests.unit.states.values import make_python

TAG = sys.implementation.cache_tag
CONTENTS = {"web/a.py": "A = 1\n", "web/b.py": "syntax error\n", "web/c.py": ""}


def _unit(contents: dict[str, str]) -> Unit:
    return Unit({path: sha256(content.encode()) for path, content in contents.items()})


UNIT = _unit(CONTENTS)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache=str(tmp_path / "cache"), state=str(tmp_path / "state"))


@pytest.fixture
def rows(tmp_path: Path, settings: Settings) -> list[Row]:
    """Compile the unit, add it to the cache, and return the result."""
    cache = BytecodeCache(settings, make_python())
    packed = cache.new_file(UNIT)
    rows = _run(tmp_path / "old", Job(tuple(CONTENTS), are_sources=True, packed=packed))
    cache.add(UNIT, packed, rows)
    return rows


def _run(root: Path, job: Job, contents: dict[str, str] = CONTENTS) -> list[Row]:
    """Do a job in a new generation."""
    (root / "web").mkdir(parents=True)
    for path, content in contents.items():
        (root / path).write_text(content)
    return run_jobs(sys.executable, str(root), [job], str(root))[0]


def _is_restored(tmp_path: Path, settings: Settings, contents: dict[str, str] = CONTENTS) -> bool:
    """Do the job of the cached unit. Return whether that compiled nothing."""
    cache = BytecodeCache(settings, make_python())
    packed, path = tmp_path / "packed", cache.path(UNIT)
    rows = cache.find(UNIT)
    cached = path if rows else ""
    job = Job(tuple(CONTENTS), are_sources=True, packed=str(packed), cached=cached, expected=rows)
    _run(tmp_path / "new", job, contents)
    return not packed.exists()


def _bytecode(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "web/__pycache__").iterdir()}


def test_cached_bytecode_is_restored(tmp_path: Path, settings: Settings, rows: list[Row]) -> None:
    assert _is_restored(tmp_path, settings)
    restored = _bytecode(tmp_path / "new")
    assert restored == _bytecode(tmp_path / "old")
    assert set(restored) == {f"a.{TAG}.pyc", f"c.{TAG}.pyc"}
    first, second, third = rows
    assert first[1] == sha256(restored[f"a.{TAG}.pyc"])
    assert second == (sha256(b"syntax error\n"), "", 0)
    assert third[2] == len(restored[f"c.{TAG}.pyc"])


@pytest.mark.usefixtures("rows")
def test_source_that_differs_is_compiled(tmp_path: Path, settings: Settings) -> None:
    """A declaration can accept that a file differs from its RECORD."""
    changed = {**CONTENTS, "web/a.py": "A = 2\n"}
    assert not _is_restored(tmp_path, settings, changed)
    compiled, original = _bytecode(tmp_path / "new"), _bytecode(tmp_path / "old")
    assert compiled[f"a.{TAG}.pyc"] != original[f"a.{TAG}.pyc"]


@pytest.mark.usefixtures("rows")
def test_changed_unit_isnt_in_the_cache(settings: Settings) -> None:
    cache = BytecodeCache(settings, make_python())
    assert cache.find(UNIT)
    for unit in (_unit({**CONTENTS, "web/a.py": "A = 2\n"}), _unit({"web/a.py": "A = 1\n"})):
        assert cache.find(unit) == ()


@pytest.mark.usefixtures("rows")
def test_other_interpreter_has_its_own_cache(settings: Settings) -> None:
    assert BytecodeCache(settings, make_python(digest="other")).find(UNIT) == ()


def _cached_file(settings: Settings) -> Path:
    (file,) = (path for path in Path(settings.cache).rglob("*") if path.is_file())
    return file


DAMAGE = {
    "flipped bit in the bytecode": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "flipped bit in the signature": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "flipped bit in the index": lambda data: data[:-50] + bytes([data[-50] ^ 1]) + data[-49:],
    "truncated": lambda data: data[:-1],
    "without its beginning": lambda data: data[1:],
    "longer": lambda data: data + b"\0",
    "longer at the beginning": lambda data: b"\0" + data,
    "zeros": lambda data: bytes(len(data)),
    "empty": lambda _: b"",
}


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_cache_file_isnt_restored(
    tmp_path: Path, settings: Settings, damage: Callable[[bytes], bytes]
) -> None:
    file = _cached_file(settings)
    file.write_bytes(damage(file.read_bytes()))

    assert not _is_restored(tmp_path, settings)
    assert _bytecode(tmp_path / "new") == _bytecode(tmp_path / "old")


@pytest.mark.usefixtures("rows")
def test_renamed_cache_file_isnt_restored(settings: Settings) -> None:
    """The signature covers the name, so bytecode of another unit can't replace it."""
    cache, other = BytecodeCache(settings, make_python()), _unit({"web/a.py": "B = 1\n"})
    _cached_file(settings).rename(cache.path(other))
    assert cache.find(other) == ()


@pytest.mark.usefixtures("rows")
def test_cache_of_another_host_isnt_restored(settings: Settings) -> None:
    (Path(settings.state) / "bytecode.key").unlink()
    assert BytecodeCache(settings, make_python()).find(UNIT) == ()


@pytest.mark.usefixtures("rows")
def test_short_key_is_replaced(settings: Settings) -> None:
    key = Path(settings.state) / "bytecode.key"
    key.write_bytes(b"short")
    BytecodeCache(settings, make_python())
    assert len(key.read_bytes()) == 32


def test_bytecode_that_was_written_in_part_isnt_cached(tmp_path: Path, settings: Settings) -> None:
    """The process that writes it ignores a full disk, because the cache is optional."""
    cache = BytecodeCache(settings, make_python())
    packed = Path(cache.new_file(UNIT))
    rows = _run(tmp_path / "old", Job(tuple(CONTENTS), are_sources=True, packed=str(packed)))
    packed.write_bytes(packed.read_bytes()[:-1])
    cache.add(UNIT, str(packed), rows)
    assert cache.find(UNIT) == ()


def test_unit_contains_sources_of_one_package() -> None:
    sources = {"b/y.py": "2", "a/z.py": "3", "a/x.py": "1", "w.py": "4"}
    owners = {"a/x.py": "a", "b/y.py": "b", "a/z.py": "a", "w.py": ""}
    assert [dict(unit.sources) for unit in split(sources, owners.__getitem__)] == [
        {"a/x.py": "1", "a/z.py": "3"},
        {"b/y.py": "2"},
        {"w.py": "4"},
    ]


def test_large_package_has_several_units() -> None:
    sources = {f"a/{number:04}.py": str(number) for number in range(1000)}
    units = list(split(sources, lambda _: "a"))
    assert len(units) >= 10
    assert {path: digest for unit in units for path, digest in unit.sources.items()} == sources
