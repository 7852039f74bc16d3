"""Broken publishers are caught, each by the fault it cannot stand; the correct one passes all."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from . import toy_scenes
from .calls import Call
from .disks import MAKERS
from .faults import KINDS
from .images import power
from .plan import Plan
from .reader import Reader
from .rows import Record, Row
from .supervisor import Answer, Go, Tree, run
from .sweep import Choice, every_point, sample, sweep

pytestmark = pytest.mark.usefixtures("caged")


def struck(
    toy: str, kind: str, folder: Path, disk: str | None, choose: Choice = every_point
) -> Row:
    return sweep(toy_scenes.scene(toy), kind, folder, choose=choose, fs=disk)


@pytest.mark.parametrize("kind", KINDS)
def test_the_correct_publisher_survives_every_fault_at_every_call(
    kind: str, workspace: Path, any_disk: str | None, keep: list[Row], plan: Plan
) -> None:
    row = struck("correct", kind, workspace, any_disk, plan.points(1, 2, 3))
    keep.append(row)
    assert row.run > 0
    assert not row.violations, str(row)


def test_the_correct_publisher_survives_every_kill_of_its_first_run(
    workspace: Path, any_disk: str | None, keep: list[Row], plan: Plan
) -> None:
    scene = toy_scenes.scene("correct", create=True)
    row = sweep(scene, "kill", workspace, choose=plan.points(1, 2, 3), fs=any_disk)
    keep.append(row)
    assert not row.violations, str(row)


@pytest.mark.parametrize("seed", [None, 1])
def test_the_correct_publisher_survives_every_power_cut(
    seed: int | None, disk_kind: str, workspace: Path, keep: list[Row], plan: Plan
) -> None:
    scene = toy_scenes.scene("correct")
    row = power(scene, disk_kind, workspace, choose=plan.points(1, 3, 2), seed=seed)
    keep.append(row)
    assert row.run > 0
    assert not row.violations, str(row)


def near(*points: int) -> Choice:
    """Some points only: where a control is known to fail, and where it is not."""
    return lambda total: [point for point in points if point < total]


@pytest.mark.parametrize(
    ("toy", "kind", "choose", "call", "text"),
    [
        ("in_place", "kill", near(0, 3, 6), "write", "not whole"),
        ("never_tidies", "kill", near(0, 4), "generations", "left over"),
        ("restamps", "kill", near(0, 4), "", "the run after still does"),
        ("swallows_errors", "EIO", every_point, "syncfs", "refused and success reported"),
        ("trusts_its_journal", "torn", every_point, "journal", "the next run ended with 1"),
    ],
)
def test_a_broken_publisher_is_caught_by_the_sweep(
    toy: str,
    kind: str,
    choose: Choice,
    call: str,
    text: str,
    workspace: Path,
    any_disk: str | None,
) -> None:
    row = struck(toy, kind, workspace, any_disk, choose)
    caught = [v for v in row.violations if text in v.text and call in v.call]
    assert caught, str(row)


def test_an_unlink_before_the_link_is_caught_at_exactly_that_call(
    workspace: Path, any_disk: str | None
) -> None:
    row = struck("unlink_then_link", "kill", workspace, any_disk)
    assert [violation.call.split()[1] for violation in row.violations] == ["symlink"]
    assert row.violations[0].text == "right after the fault: nothing is published"


def test_a_missing_flush_is_caught_by_the_power_cut(disk_kind: str, workspace: Path) -> None:
    row = power(toy_scenes.scene("no_flush"), disk_kind, workspace, choose=every_point)
    assert any("reported as done, then lost" in v.text for v in row.violations), str(row)


def test_a_missing_flush_stays_unseen_without_the_power_cut(
    workspace: Path, any_disk: str | None
) -> None:
    row = struck("no_flush", "kill", workspace, any_disk, sample(0, 4, 2))
    assert not row.violations, str(row)


def rival_of_an_orphan(toy: str, home: Path) -> list[int]:
    """Exit codes of second runs, started while the child of a killed first run still works."""
    (home / "store" / "generations").mkdir(parents=True)
    codes: list[int] = []

    def decide(call: Call, tree: Tree) -> Answer:
        if not codes and tree.by_child(call):
            tree.signal_main(9)
            rival = toy_scenes.command(toy, home, toy_scenes.OLD)
            codes.append(subprocess.run(rival.argv, check=False).returncode)
        return Go()

    first = toy_scenes.command(toy, home, linger=True)
    run(first, roots=[home / "store"], decide=decide)
    return codes


def test_the_child_of_a_killed_publisher_still_excludes_a_second_one(workspace: Path) -> None:
    assert rival_of_an_orphan("correct", workspace) == [75]


def test_a_lock_that_children_do_not_inherit_is_caught(workspace: Path) -> None:
    assert rival_of_an_orphan("lock_not_inherited", workspace) == [0]


def looks_during(toy: str, home: Path) -> Reader:
    """A reader beside five publications, each held for a moment at every change of the link."""
    (home / "store" / "generations").mkdir(parents=True)
    assert run(toy_scenes.command(toy, home, "0")).code == 0
    published = home / "store" / "current" / "a"
    allowed = [f"a of {number}" for number in range(6)]

    def decide(call: Call, _tree: Tree) -> Answer:
        if call.paths[-1] == str(home / "store" / "current"):
            time.sleep(0.1)
        return Go()

    with Reader(published, ["head", "-n", "1", str(published)], allowed) as reader:
        for number in range(1, 6):
            command = toy_scenes.command(toy, home, str(number))
            assert run(command, roots=[home], decide=decide).code == 0
    return reader


def test_the_reader_sees_nothing_broken_beside_the_correct_publisher(workspace: Path) -> None:
    reader = looks_during("correct", workspace)
    assert reader.looks > 5 and reader.runs > 0
    assert not reader.broken


def test_the_reader_sees_the_moment_without_a_published_path(workspace: Path) -> None:
    reader = looks_during("unlink_then_link", workspace)
    assert reader.broken
    assert all("FileNotFoundError" in text or "No such file" in text for text in reader.broken)


def test_a_refused_layer_is_named_in_the_closing_line() -> None:
    record = Record(skipped={"xfs": "mkfs.xfs is not installed"})
    assert record.line().endswith("skipped layers: xfs (mkfs.xfs is not installed)")
    assert "xfs" in MAKERS
