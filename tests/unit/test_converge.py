"""The loop over a toy world: what it does, in which order, and what a failure stops."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.converge import BringAbout, Foretell, Result, converge
from engine.errors import CannotCreate, ConvergeError, NotConverged
from engine.kind import State
from engine.resource import Resource
from tests.unit.toy import Note, NoteKind


class Table:
    """A folder of notes, and the loop over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[str] = []
        self.broken: dict[str, Exception] = {}

    def note(self, name: str, *needs: str, **keys: Any) -> Resource:
        """Make a resource; `needs` are names of other notes."""
        path = str(self.folder / name)
        spec = Note(path=path, **{"text": name, **keys})
        addresses = tuple(f"note.{one}" for one in needs)
        return Resource(kind="note", name=name, spec=spec, needs=addresses)

    def kind(self) -> NoteKind:
        """Make a kind that writes down what it applies and fails where it is told to."""

        def trouble(spec: Note) -> None:
            name = Path(spec.path).name
            if name in self.broken:
                raise self.broken[name]
            self.written.append(name)

        return NoteKind(trouble=trouble)

    def plan(self, *order: Resource) -> dict[str, Result]:
        """Foretell."""
        return self._by_name(converge(order, {"note": self.kind()}, Foretell()))

    def apply(self, *order: Resource, jobs: int = 1) -> dict[str, Result]:
        """Bring about."""
        return self._by_name(converge(order, {"note": self.kind()}, BringAbout(0), jobs))

    def _by_name(self, results: tuple[Result, ...]) -> dict[str, Result]:
        return {one.resource.name: one for one in results}


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path)


def outcomes(results: Mapping[str, Result]) -> dict[str, str]:
    return {name: one.outcome for name, one in results.items()}


def test_converge_second_run_changes_nothing(table: Table) -> None:
    order = table.note("a"), table.note("b", "a")
    assert outcomes(table.apply(*order)) == {"a": "changed", "b": "changed"}
    assert outcomes(table.apply(*order)) == {"a": "unchanged", "b": "unchanged"}
    assert table.written == ["a", "b"]


def test_converge_applies_dependencies_first(table: Table) -> None:
    order = table.note("c"), table.note("a", "c"), table.note("b", "a", "c")
    table.apply(*order, jobs=4)
    assert table.written == ["c", "a", "b"]


def test_converge_results_keep_the_order_of_resources(table: Table) -> None:
    order = [table.note(name) for name in "hgfedcba"]
    assert list(table.apply(*order, jobs=5)) == list("hgfedcba")


def test_dry_run_predicts_a_chain_on_an_empty_disk(table: Table) -> None:
    order = table.note("a", text="hello"), table.note("b", "a", copies="note.a", text="")
    planned = table.plan(*order)
    assert outcomes(planned) == {"a": "would-change", "b": "would-change"}
    assert planned["b"].state is not None
    assert planned["b"].state["text"] == "hello"
    assert list(table.folder.iterdir()) == []


@pytest.mark.parametrize("before", ["nothing", "all", "one edited", "one gone", "one spoilt"])
def test_apply_makes_exactly_the_planned_changes(table: Table, before: str) -> None:
    order = table.note("a"), table.note("b", "a", copies="note.a"), table.note("c")
    if before != "nothing":
        table.apply(*order)
    if before == "one edited":
        table.apply(table.note("a", colour="blue"))
    if before == "one gone":
        (table.folder / "a").unlink()
    if before == "one spoilt":
        (table.folder / "c").write_text("tea")
    planned, applied = table.plan(*order), table.apply(*order)
    for name, one in planned.items():
        assert (applied[name].action, applied[name].changes) == (one.action, one.changes)
        assert applied[name].state == one.state
    assert set(outcomes(table.plan(*order)).values()) == {"unchanged"}


def test_converge_passes_new_state_to_dependents(table: Table) -> None:
    table.apply(table.note("a", text="old"), table.note("b", "a", copies="note.a"))
    done = table.apply(table.note("a", text="new"), table.note("b", "a", copies="note.a"))
    assert [(c.before, c.after) for c in done["b"].changes] == [("old", "new")]


def test_failure_skips_only_dependents(table: Table) -> None:
    table.broken["b"] = ConvergeError("out of ink")
    order = (
        table.note("a"), table.note("b"), table.note("c", "b"),
        table.note("d", "c", "a"), table.note("e", "a"),
    )  # fmt: skip
    done = table.apply(*order)
    assert outcomes(done) == {
        "a": "changed", "b": "failed", "c": "skipped", "d": "skipped", "e": "changed",
    }  # fmt: skip
    assert table.written == ["a", "e"]


def test_skipped_resource_names_the_original_failure(table: Table) -> None:
    table.broken["a"] = ConvergeError("out of ink")
    done = table.apply(table.note("a"), table.note("b", "a"), table.note("c", "b"))
    assert (done["b"].because, done["c"].because) == ("note.a", "note.a")
    assert done["b"].error is done["c"].error is None
    assert str(done["a"].error) == "out of ink"


def test_up_to_date_dependent_of_a_failure_is_skipped(table: Table) -> None:
    order = table.note("a"), table.note("b", "a")
    table.apply(*order)
    table.broken["a"] = ConvergeError("out of ink")
    assert outcomes(table.apply(table.note("a", pages=2), order[1])) == {
        "a": "failed",
        "b": "skipped",
    }


def test_os_error_fails_one_resource(table: Table) -> None:
    table.broken["a"] = OSError(28, "No space left on device", "/somewhere")
    done = table.apply(table.note("a"), table.note("b"))
    assert outcomes(done) == {"a": "failed", "b": "changed"}
    assert isinstance(done["a"].error, CannotCreate)
    assert "/somewhere" in str(done["a"].error)


def test_bug_in_a_kind_is_raised(table: Table) -> None:
    table.broken["a"] = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        table.apply(table.note("a"), table.note("b"), jobs=2)


def test_remaining_difference_after_apply_is_a_failure(tmp_path: Path) -> None:
    class Forgetful(NoteKind):
        def apply(self, spec: Note, diff: Any) -> None:
            Path(spec.path).write_text('{"text": "something else"}')

    order = (Resource(kind="note", name="a", spec=Note(path=str(tmp_path / "a"))),)
    (done,) = converge(order, {"note": Forgetful()}, BringAbout(0))
    assert done.outcome == "failed"
    assert isinstance(done.error, NotConverged)
    assert "colour, pages, signed, tags, text" in done.error.message


def test_apply_skips_work_done_by_a_concurrent_run(tmp_path: Path) -> None:
    other = NoteKind()

    class Late(NoteKind):
        """By the time that the lock is held, somebody else has applied."""

        def lock(self, spec: Note) -> str | None:
            other.apply(spec, _diff(other, spec))
            return None

        def apply(self, spec: Note, diff: Any) -> None:
            raise AssertionError("there is nothing left to do")

    order = (Resource(kind="note", name="a", spec=Note(path=str(tmp_path / "a"))),)
    (done,) = converge(order, {"note": Late()}, BringAbout(0))
    assert done.outcome == "unchanged"


def _diff(kind: NoteKind, spec: Note) -> Any:
    from engine.diff import compare

    return compare(None, kind.desire(spec, None, {}))


def test_apply_reports_planned_changes_and_final_state(tmp_path: Path) -> None:
    class Numbered(NoteKind):
        """Gives each note a number that is known only once it is there."""

        def desire(
            self, spec: Note, observed: State | None, needed: Mapping[str, State | None]
        ) -> State | None:
            wanted = super().desire(spec, observed, needed)
            assert wanted is not None
            return {**wanted, "number": (observed or {}).get("number", "new")}

        def apply(self, spec: Note, diff: Any) -> None:
            Path(spec.path).write_text(json.dumps({**diff.desired, "number": "17"}))

    order = (Resource(kind="note", name="a", spec=Note(path=str(tmp_path / "a"))),)
    (planned,) = converge(order, {"note": Numbered()}, Foretell())
    (applied,) = converge(order, {"note": Numbered()}, BringAbout(0))
    assert applied.changes == planned.changes
    assert planned.state is not None
    assert applied.state is not None
    assert (planned.state["number"], applied.state["number"]) == ("new", "17")
    assert applied.observed == applied.state


def test_independent_resources_run_in_parallel(table: Table) -> None:
    meeting = threading.Barrier(3, timeout=30)
    kind = NoteKind(trouble=lambda _spec: _meet(meeting))
    order = tuple(table.note(name) for name in "abc")
    done = converge(order, {"note": kind}, BringAbout(0), jobs=3)
    assert {one.outcome for one in done} == {"changed"}


def test_jobs_limits_parallel_resources(table: Table) -> None:
    busy, most, guard = 0, 0, threading.Lock()

    def trouble(spec: Note) -> None:
        nonlocal busy, most
        with guard:
            busy += 1
            most = max(most, busy)
        threading.Event().wait(0.005)
        with guard:
            busy -= 1

    order = tuple(table.note(str(number)) for number in range(12))
    converge(order, {"note": NoteKind(trouble=trouble)}, BringAbout(0), jobs=2)
    assert most <= 2


def _meet(meeting: threading.Barrier) -> None:
    meeting.wait()


SHAPES: dict[str, Callable[[Table], list[Resource]]] = {
    "a chain": lambda t: [t.note("a"), t.note("b", "a"), t.note("c", "b"), t.note("d", "c")],
    "a diamond": lambda t: [t.note("a"), t.note("b", "a"), t.note("c", "a"), t.note("d", "b", "c")],
    "a fan": lambda t: [t.note("a"), *(t.note(n, "a") for n in "bcdefgh")],
    "apart": lambda t: [t.note(n) for n in "abcdefgh"],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("broken", ["", "a", "c"])
def test_converge_results_do_not_depend_on_jobs(tmp_path: Path, shape: str, broken: str) -> None:
    found = []
    for jobs in (1, 2, 7):
        folder = tmp_path / str(jobs)
        folder.mkdir()
        table = Table(folder)
        if broken:
            table.broken[broken] = ConvergeError("out of ink")
        done = table.apply(*SHAPES[shape](table), jobs=jobs)
        found.append({
            name: (one.outcome, one.action, one.changes, one.because, str(one.error))
            for name, one in done.items()
        })  # fmt: skip
    assert found[0] == found[1] == found[2]


def test_up_to_date_resource_is_observed_once(tmp_path: Path) -> None:
    looks: list[str] = []

    class Watched(NoteKind):
        def observe(self, spec: Note) -> State | None:
            looks.append(spec.path)
            return super().observe(spec)

    spec = Note(path=str(tmp_path / "a"))
    order = (Resource(kind="note", name="a", spec=spec),)
    converge(order, {"note": Watched()}, BringAbout(0))
    looks.clear()
    converge(order, {"note": Watched()}, BringAbout(0))
    assert looks == [spec.path]


def test_only_a_real_run_refreshes_the_cache_of_a_kind(tmp_path: Path) -> None:
    remembered: list[str] = []

    class Remembering(NoteKind):
        def remember(self, spec: Note) -> None:
            remembered.append(spec.path)

    spec = Note(path=str(tmp_path / "a"))
    order = (Resource(kind="note", name="a", spec=spec),)
    converge(order, {"note": Remembering()}, Foretell())
    assert remembered == []
    for runs in (1, 2):  # one that makes it, and one that finds it made
        converge(order, {"note": Remembering()}, BringAbout(0))
        assert remembered == [spec.path] * runs
    converge(order, {"note": Remembering()}, Foretell())
    assert len(remembered) == 2
