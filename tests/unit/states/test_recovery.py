"""Recovery finds and deletes what a killed run left, and nothing else."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from states.venv.generations import removal
from states.venv.generations.hold import Hold, read_hold, set_hold
from states.venv.generations.recovery import (
    clean_up_interrupted,
    find_unfinished,
    has_stale_hold,
    remove_unfinished,
    try_delete,
    undeletable,
)
from states.venv.integrity.receipt import write_receipt
from states.venv.layout import Store, store_of
from tests.unit.states.values import make_receipt

LIVE, OLD = "000002-bbbbbbbb", "000001-aaaaaaaa"
UNFINISHED = [
    "generations/000003-cccccccc",
    ".next-dddddddd",
    "next-scratch",
    "trash-eeeeeeee",
]
KEPT = ["generations", "lock", "persistent", "previous", "stuck-ffffffff"]


def _add_generation(store: Store, identifier: str, *, finished: bool = True) -> None:
    root = Path(store.generation(identifier))
    (root / ".converge").mkdir(parents=True)
    (root / "web.py").touch()
    if finished:
        write_receipt(make_receipt(generation=identifier, path=str(root)), str(root))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with two finished generations, and every kind of unfinished entry."""
    store = store_of(str(tmp_path / "web"))
    for identifier in (OLD, LIVE):
        _add_generation(store, identifier)
    os.symlink(f".web/generations/{LIVE}", store.published)
    root = Path(store.root)
    for name in ("persistent", "next-scratch", "trash-eeeeeeee", "stuck-ffffffff"):
        (root / name).mkdir()
    (root / "lock").touch()
    (root / "previous").symlink_to(f"{OLD}:{LIVE}")
    (root / ".next-dddddddd").symlink_to("nothing")
    _add_generation(store, "000003-cccccccc", finished=False)
    return store


def test_unfinished_entries_are_found(store: Store) -> None:
    assert find_unfinished(store) == UNFINISHED


def test_recovery_keeps_everything_finished(store: Store) -> None:
    assert clean_up_interrupted(store) == UNFINISHED
    assert find_unfinished(store) == []
    assert sorted(os.listdir(store.generations)) == [OLD, LIVE]
    assert sorted(os.listdir(store.root)) == [name for name in KEPT if "stuck" not in name]
    assert clean_up_interrupted(store) == []


def test_scratch_of_the_current_run_survives_a_failed_build(store: Store) -> None:
    remove_unfinished(store)
    assert find_unfinished(store) == UNFINISHED[1:]


def test_store_that_doesnt_exist_is_finished(tmp_path: Path) -> None:
    assert find_unfinished(store_of(str(tmp_path / "web"))) == []


def test_damaged_live_generation_is_unfinished_once_replaced(store: Store) -> None:
    os.unlink(f"{store.generation(LIVE)}/.converge/receipt.json")
    assert f"generations/{LIVE}" not in find_unfinished(store)
    os.unlink(store.published)
    os.symlink(f".web/generations/{OLD}", store.published)
    assert f"generations/{LIVE}" in find_unfinished(store)


def test_half_of_an_exchange_is_unfinished(store: Store) -> None:
    """An adopted backup is a directory. A symlink in its place belongs to a killed run."""
    os.mkdir(f"{store.root}/adopted-11111111")
    os.symlink("nothing", f"{store.root}/adopted-22222222")
    assert set(find_unfinished(store)) - set(UNFINISHED) == {"adopted-22222222"}


def test_generation_in_use_isnt_unfinished(store: Store) -> None:
    with open(f"{store.generation('000003-cccccccc')}/.converge/lease", "w") as lease:
        import fcntl

        fcntl.flock(lease, fcntl.LOCK_SH)
        assert find_unfinished(store) == UNFINISHED[1:]
    assert find_unfinished(store) == UNFINISHED


@pytest.mark.parametrize(("held", "stale"), [(OLD, True), (LIVE, False)])
def test_hold_is_stale_if_another_generation_is_live(store: Store, held: str, stale: bool) -> None:
    set_hold(store, Hold(held, "digest"))
    assert has_stale_hold(store) is stale
    clean_up_interrupted(store)
    assert (read_hold(store) is None) is stale


def test_undeletable_entry_is_renamed_and_tried_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise OSError(errno.EPERM, "Operation not permitted", path)

    with monkeypatch.context() as patched:
        patched.setattr(removal, "delete", refuse)
        assert not try_delete(store, "generations/000003-cccccccc")
    assert "generations/000003-cccccccc" not in find_unfinished(store)
    assert len(undeletable(store)) == 2
    clean_up_interrupted(store)
    assert undeletable(store) == []


def test_io_error_stops_recovery(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str) -> None:
        raise OSError(errno.EIO, "Input/output error", path)

    monkeypatch.setattr(removal, "delete", fail)
    with pytest.raises(OSError, match="Input/output error"):
        clean_up_interrupted(store)


def test_generation_of_an_image_loses_its_receipt_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overlayfs can't rename a directory of an image, so a kill must leave no valid receipt."""

    def refuse(path: str, _: str) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link", path)

    def check(path: str) -> None:
        assert sorted(os.listdir(f"{path}/.converge")) == []
        assert os.path.exists(f"{path}/web.py")

    monkeypatch.setattr(os, "rename", refuse)
    monkeypatch.setattr(removal, "delete", check)
    assert try_delete(store, f"generations/{OLD}")
