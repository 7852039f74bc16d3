"""The stat caches of large generations are compared in parts, by several processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from states.venv.integrity import intact
from states.venv.integrity.intact import find_matching
from states.venv.integrity.stat_cache import Stats, pack_stats, read_stats, stats_match
from states.venv.kind import live_generations
from states.venv.layout import MANIFEST, STATS, Store, store_of
from states.venv.spec import Venv

FILES = 90
IDENTIFIER = "000001-0123abcd"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divide small stat caches, among three processes."""
    monkeypatch.setattr(intact, "_MIN_PART", 1024)
    monkeypatch.setattr(intact, "cpu_count", lambda: 3)


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    """Return a venv whose live generation has a stat cache that is divided."""
    return create(tmp_path / "web", FILES)


def create(path: Path, files: int) -> Venv:
    store = store_of(str(path))
    root = Path(store.generation(IDENTIFIER))
    (root / MANIFEST).parent.mkdir(parents=True)
    (root / MANIFEST).touch()
    path.symlink_to(f".{path.name}/generations/{IDENTIFIER}")
    names = [f"{number:02}.txt" for number in range(files)]
    for name in names:
        (root / name).touch()
    write_stats(store, names)
    return Venv(path=str(path))


def matching(venvs: Sequence[Venv], jobs: int) -> frozenset[str]:
    return find_matching(live_generations(venvs), jobs)


def root_of(venv: Venv) -> str:
    return store_of(venv.path).generation(IDENTIFIER)


def write_stats(store: Store, names: list[str]) -> None:
    """Write the stat cache as a run does: to a new file, which is renamed."""
    root = store.generation(IDENTIFIER)
    Path(root, f"{STATS}.new").write_bytes(pack_stats(root, [".", *names, MANIFEST]))
    os.rename(f"{root}/{STATS}.new", f"{root}/{STATS}")


def test_unchanged_venv_matches(venv: Venv) -> None:
    assert stats_match(root_of(venv))
    for jobs in (2, 3, 8):
        assert matching([venv], jobs) == {root_of(venv)}


def test_changed_venv_does_not_hide_others(tmp_path: Path, venv: Venv) -> None:
    others = [create(tmp_path / name, FILES // 3) for name in ("a", "b")]
    Path(root_of(others[1]), "added").touch()

    assert matching([others[0], venv, others[1]], 3) == {root_of(venv), root_of(others[0])}


@pytest.mark.parametrize(
    "change",
    [Path.unlink, lambda path: path.write_text("x"), lambda path: path.chmod(0o600)],
    ids=["deleted", "written", "mode"],
)
@pytest.mark.parametrize("position", [0, FILES // 2, FILES - 1])
def test_change_in_any_part_is_found(
    venv: Venv, change: Callable[[Path], object], position: int
) -> None:
    change(Path(root_of(venv), f"{position:02}.txt"))
    assert matching([venv], 3) == set()


def test_small_venvs_and_one_job_are_left_to_the_loop(tmp_path: Path, venv: Venv) -> None:
    assert matching([create(tmp_path / "small", 10)], 3) == set()
    assert matching([venv], 1) == set()


def test_venv_without_a_readable_stat_cache_is_left_to_the_loop(tmp_path: Path, venv: Venv) -> None:
    torn = create(tmp_path / "torn", FILES)
    stats = Path(root_of(torn), STATS)
    stats.write_bytes(stats.read_bytes()[:-100])
    lost = create(tmp_path / "lost", 1)
    shutil.rmtree(root_of(lost))
    missing, loop = Venv(path=str(tmp_path / "missing")), tmp_path / "loop"
    loop.symlink_to(loop)

    specs = [torn, lost, missing, Venv(path=f"{loop}/venv"), venv]
    assert matching(specs, 3) == {root_of(venv)}


def test_venv_with_ignored_paths_is_left_to_the_loop(venv: Venv) -> None:
    """With ignored paths, a changed stat isn't a difference."""
    assert matching([Venv(path=venv.path, ignore=("cache/**",))], 3) == set()


def test_stat_cache_replaced_meanwhile_is_left_to_the_loop(
    venv: Venv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run replaces it. Parts of two different caches could leave a file out."""
    store = store_of(venv.path)

    def replace_and_read(root: str) -> Stats:
        write_stats(store, [f"{number:02}.txt" for number in range(FILES // 2)])
        return read_stats(root)

    monkeypatch.setattr(intact, "read_stats", replace_and_read)

    assert matching([venv], 3) == set()
