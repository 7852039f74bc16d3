"""Which generations garbage collection may delete, and in which order a rollback visits them."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.system.files import sha256
from states.commands.text.gc import Garbage, Limits, describe
from states.venv.generations import gc
from states.venv.generations.gc import collect, has_damage, quarantine
from states.venv.generations.hold import Hold, set_hold
from states.venv.generations.previous import gc_order, record_previous, rollback_candidates
from states.venv.integrity.receipt import write_receipt
from states.venv.layout import LEASE, METADATA_DIR, RECEIPT, Store, store_of
from tests.unit.states.values import make_receipt

A, B, C, D, E = (f"00000{number}-{letter * 8}" for number, letter in enumerate("abcde", 1))
collectable = partial(gc.collectable, is_damaged=lambda _identifier: False)
"""Generations of a store in which none is damaged, unless a test passes the damaged ones."""


def _publish(store: Store, identifier: str) -> None:
    Path(store.published).unlink(missing_ok=True)
    os.symlink(f".web/generations/{identifier}", store.published)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with five finished generations; the newest is live."""
    store = store_of(str(tmp_path / "web"))
    for identifier in (A, B, C, D, E):
        root = store.generation(identifier)
        os.makedirs(f"{root}/{METADATA_DIR}")
        Path(f"{root}/{LEASE}").touch()
        write_receipt(make_receipt(generation=identifier, path=root), root)
    _publish(store, E)
    return store


@pytest.mark.parametrize(
    ("keep", "deleted"),
    [(0, [A, B, C, D]), (1, [A, B, C]), (2, [A, B]), (4, []), (99, [])],
)
def test_newest_previous_generations_are_kept(store: Store, keep: int, deleted: list[str]) -> None:
    assert collectable(store, keep) == deleted


def test_live_generation_isnt_collected_wherever_it_is(store: Store) -> None:
    """After a rollback, the rejected generations are deleted first."""
    _publish(store, C)
    assert collectable(store, 0) == [A, B, D, E]
    assert collectable(store, 2) == [D, E]


def test_held_generation_isnt_collected(store: Store) -> None:
    """It isn't live if the published path was deleted."""
    os.unlink(store.published)
    set_hold(store, Hold(B, "digest"))
    assert collectable(store, 0) == [A, C, D, E]
    assert collectable(store, 1) == [A, C, D]


def test_stale_hold_protects_nothing(store: Store) -> None:
    set_hold(store, Hold(B, "digest"))
    assert collectable(store, 0) == [A, B, C, D]


def test_hold_counts_while_the_live_generation_is_damaged(store: Store) -> None:
    """A live generation without a receipt isn't one that a finished run published."""
    set_hold(store, Hold(B, "digest"))
    os.unlink(f"{store.generation(E)}/{RECEIPT}")
    assert collectable(store, 0) == [A, C, D]


def test_pinned_generation_isnt_collected(store: Store) -> None:
    """It still counts as one that is kept for a rollback."""
    os.symlink("pinned", f"{store.generation(D)}/{METADATA_DIR}/pinned")
    assert collectable(store, 0) == [A, B, C]
    assert collectable(store, 1) == [A, B, C]


def test_generation_in_use_isnt_collected(store: Store) -> None:
    """Its lease is locked by a process that runs from it."""
    with open(f"{store.generation(A)}/{LEASE}") as lease:
        fcntl.flock(lease, fcntl.LOCK_SH)
        assert collectable(store, 0) == [B, C, D]
    assert collectable(store, 0) == [A, B, C, D]


def test_unreadable_lease_counts_as_in_use(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing read isn't an absence: the limit of open files, for example."""
    opening = os.open

    def fail(path: str, *arguments: int, **options: Any) -> int:
        if path.endswith(LEASE) and B in path:
            raise OSError(24, "Too many open files", path)
        return opening(path, *arguments, **options)

    monkeypatch.setattr(os, "open", fail)
    assert collectable(store, 0) == [A, C, D]


def test_missing_lease_protects_nothing(store: Store) -> None:
    os.unlink(f"{store.generation(A)}/{LEASE}")
    assert A in collectable(store, 0)


def test_newest_quarantined_generation_is_kept(store: Store) -> None:
    """Quarantined generations don't count as kept for a rollback."""
    for identifier in (B, D):
        quarantine(store, identifier)
    assert collectable(store, 0) == [A, B, C]
    assert collectable(store, 1) == [A, B]
    assert collectable(store, 1, include_quarantined=True) == [A, B, D]


def test_generation_with_a_torn_receipt_displaces_no_other(store: Store) -> None:
    Path(store.generation(D), RECEIPT).write_text("torn")
    assert collectable(store, 1) == [A, B, D]


def test_receipt_of_another_format_is_not_damage(store: Store) -> None:
    """A converge that is upgraded or downgraded keeps what the other version has built."""
    body = json.dumps({"format": 0})
    Path(store.generation(D), RECEIPT).write_text(f"{sha256(body.encode())}\n{body}\n")
    is_damaged = partial(has_damage, store, ())
    assert collectable(store, 1, is_damaged=is_damaged) == [A, B, C]
    assert collectable(store, 1, is_damaged=is_damaged, include_quarantined=True) == [A, B, C]
    assert collectable(store, 0, is_damaged=is_damaged) == [A, B, C, D]


def test_damaged_generations_do_not_displace_undamaged_ones(store: Store) -> None:
    """A rollback would refuse them, so they don't count. The newest one stays."""
    assert collectable(store, 2, is_damaged={B, D}.__contains__) == [B]
    assert collectable(store, 1, is_damaged={C, D}.__contains__) == [A, C]
    assert collectable(store, 3, is_damaged={A, B, C, D}.__contains__) == [A, B, C]


def test_generation_that_cannot_be_compared_is_kept(store: Store) -> None:
    def is_damaged(identifier: str) -> bool:
        if identifier == D:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return False

    assert collectable(store, 1, is_damaged=is_damaged) == [A, B]


@pytest.mark.parametrize(("torn", "kept"), [((), E), ((E,), D), ((E, D), C)])
def test_newest_intact_generation_stays_if_none_is_live(
    store: Store, torn: tuple[str, ...], kept: str
) -> None:
    """The next apply publishes it again."""
    os.unlink(store.published)
    for identifier in torn:
        Path(store.generation(identifier), RECEIPT).write_text("torn")
    assert collectable(store, 0) == [name for name in (A, B, C, D, E) if name != kept]


def test_collect_returns_the_deleted_generations(store: Store) -> None:
    assert collect(store, [A, C]) == [A, C]
    assert sorted(os.listdir(store.generations)) == [B, D, E]
    assert sorted(os.listdir(store.root)) == ["generations"]


def test_recorded_previous_generation_comes_first(store: Store) -> None:
    """The order of creation can differ: an older generation may have been published again."""
    record_previous(store, B, E)
    assert rollback_candidates(store) == [B, D, C, A]
    assert gc_order(store) == [A, C, D, B]
    assert collectable(store, 1) == [A, C, D]


def test_record_of_another_switch_has_no_effect(store: Store) -> None:
    record_previous(store, B, D)
    assert rollback_candidates(store) == [D, C, B, A]


def test_deleted_previous_generation_isnt_a_candidate(store: Store) -> None:
    record_previous(store, B, E)
    collect(store, [B])
    assert rollback_candidates(store) == [D, C, A]


def test_report_states_why_each_generation_stays(store: Store) -> None:
    """This process isn't listed, so only the lease shows that it uses a generation."""
    set_hold(store, Hold(A, "digest"))
    limits = Limits(keep=2, age="3d", too_young=(D,))
    with (
        open(f"{store.generation(B)}/{LEASE}") as lease,
        subprocess.Popen(["cat"], cwd=store.generation(C), stdin=subprocess.PIPE) as process,
    ):
        fcntl.flock(lease, fcntl.LOCK_SH)
        described = describe(store, Garbage(), limits)
        process.communicate()
    assert dict(described.kept) == {
        A: "held after a rollback",
        B: "in use by a process that isn't visible here",
        C: f"in use by process {process.pid} (cat)",
        D: "younger than 3d",
        E: "live",
    }


def test_report_distinguishes_pinned_and_damaged_generations(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_for_d(root: str) -> bool:
        if root == store.generation(D):
            raise OSError(5, "Input/output error", root)
        return True

    os.symlink("pinned", f"{store.generation(A)}/.converge/pinned")
    os.symlink("quarantined", f"{store.generation(B)}/.converge/quarantined")
    monkeypatch.setattr("states.commands.text.gc.has_whole_receipt", fail_for_d)

    assert dict(describe(store, Garbage(), Limits(keep=2)).kept) == {
        A: "pinned",
        B: "damaged, the newest one for inspection",
        C: "previous, kept by `keep = 2`",
        D: "can't be read: Input/output error",
        E: "live",
    }
