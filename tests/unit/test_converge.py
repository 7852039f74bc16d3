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
from tests.unit.widget_kind import Widget, WidgetKind


class Table:
    """A folder of notes, and the loop over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[str] = []
        self.broken: dict[str, Exception] = {}

    def widget(self, name: str, *needs: str, **keys: Any) -> Resource:
        """Make a resource; `needs` are names of other notes."""
        path = str(self.folder / name)
        spec = Widget(path=path, **{"text": name, **keys})
        addresses = tuple(f"widget.{one}" for one in needs)
        return Resource(kind="widget", name=name, spec=spec, needs=addresses)

    def kind(self) -> WidgetKind:
        """Make a kind that writes down what it applies and fails where it is told to."""

        def before_apply(spec: Widget) -> None:
            name = Path(spec.path).name
            if name in self.broken:
                raise self.broken[name]
            self.written.append(name)

        return WidgetKind(before_apply=before_apply)

    def plan(self, *order: Resource) -> dict[str, Result]:
        """Foretell."""
        return self._by_name(converge(order, {"widget": self.kind()}, Foretell()))

    def apply(self, *order: Resource, jobs: int = 1) -> dict[str, Result]:
        """Bring about."""
        return self._by_name(converge(order, {"widget": self.kind()}, BringAbout(0), jobs))

    def _by_name(self, results: tuple[Result, ...]) -> dict[str, Result]:
        return {one.resource.name: one for one in results}


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path)


def outcomes(results: Mapping[str, Result]) -> dict[str, str]:
    return {name: one.outcome for name, one in results.items()}


def test_converge_second_run_changes_nothing(table: Table) -> None:
    order = table.widget("a"), table.widget("b", "a")
    assert outcomes(table.apply(*order)) == {"a": "changed", "b": "changed"}
    assert outcomes(table.apply(*order)) == {"a": "unchanged", "b": "unchanged"}
    assert table.written == ["a", "b"]


def test_converge_applies_dependencies_first(table: Table) -> None:
    order = table.widget("c"), table.widget("a", "c"), table.widget("b", "a", "c")
    table.apply(*order, jobs=4)
    assert table.written == ["c", "a", "b"]


def test_converge_results_keep_the_order_of_resources(table: Table) -> None:
    order = [table.widget(name) for name in "hgfedcba"]
    assert list(table.apply(*order, jobs=5)) == list("hgfedcba")


def test_dry_run_predicts_a_chain_on_an_empty_disk(table: Table) -> None:
    order = table.widget("a", text="hello"), table.widget("b", "a", copies="widget.a", text="")
    planned = table.plan(*order)
    assert outcomes(planned) == {"a": "would-change", "b": "would-change"}
    assert planned["b"].state is not None
    assert planned["b"].state["text"] == "hello"
    assert list(table.folder.iterdir()) == []


@pytest.mark.parametrize("before", ["nothing", "all", "one edited", "one gone", "one spoilt"])
def test_apply_makes_exactly_the_planned_changes(table: Table, before: str) -> None:
    order = table.widget("a"), table.widget("b", "a", copies="widget.a"), table.widget("c")
    if before != "nothing":
        table.apply(*order)
    if before == "one edited":
        table.apply(table.widget("a", color="blue"))
    if before == "one gone":
        (table.folder / "a").unlink()
    if before == "one spoilt":
        (table.folder / "c").write_text("dent")
    planned, applied = table.plan(*order), table.apply(*order)
    for name, one in planned.items():
        assert (applied[name].action, applied[name].changes) == (one.action, one.changes)
        assert applied[name].state == one.state
    assert set(outcomes(table.plan(*order)).values()) == {"unchanged"}


def test_converge_passes_new_state_to_dependents(table: Table) -> None:
    table.apply(table.widget("a", text="old"), table.widget("b", "a", copies="widget.a"))
    result = table.apply(table.widget("a", text="new"), table.widget("b", "a", copies="widget.a"))
    assert [(c.before, c.after) for c in result["b"].changes] == [("old", "new")]


def test_failure_skips_only_dependents(table: Table) -> None:
    table.broken["b"] = ConvergeError("write failed")
    order = (
        table.widget("a"), table.widget("b"), table.widget("c", "b"),
        table.widget("d", "c", "a"), table.widget("e", "a"),
    )  # fmt: skip
    result = table.apply(*order)
    assert outcomes(result) == {
        "a": "changed", "b": "failed", "c": "skipped", "d": "skipped", "e": "changed",
    }  # fmt: skip
    assert table.written == ["a", "e"]


def test_skipped_resource_names_the_original_failure(table: Table) -> None:
    table.broken["a"] = ConvergeError("write failed")
    result = table.apply(table.widget("a"), table.widget("b", "a"), table.widget("c", "b"))
    assert (result["b"].because, result["c"].because) == ("widget.a", "widget.a")
    assert result["b"].error is result["c"].error is None
    assert str(result["a"].error) == "write failed"


def test_up_to_date_dependent_of_a_failure_is_skipped(table: Table) -> None:
    order = table.widget("a"), table.widget("b", "a")
    table.apply(*order)
    table.broken["a"] = ConvergeError("write failed")
    assert outcomes(table.apply(table.widget("a", size=2), order[1])) == {
        "a": "failed",
        "b": "skipped",
    }


def test_os_error_fails_one_resource(table: Table) -> None:
    table.broken["a"] = OSError(28, "No space left on device", "/somewhere")
    result = table.apply(table.widget("a"), table.widget("b"))
    assert outcomes(result) == {"a": "failed", "b": "changed"}
    assert isinstance(result["a"].error, CannotCreate)
    assert "/somewhere" in str(result["a"].error)


def test_bug_in_a_kind_is_raised(table: Table) -> None:
    table.broken["a"] = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        table.apply(table.widget("a"), table.widget("b"), jobs=2)


def test_remaining_difference_after_apply_is_a_failure(tmp_path: Path) -> None:
    class Forgetful(WidgetKind):
        def apply(self, spec: Widget, diff: Any) -> None:
            Path(spec.path).write_text('{"text": "something else"}')

    order = (Resource(kind="widget", name="a", spec=Widget(path=str(tmp_path / "a"))),)
    (result,) = converge(order, {"widget": Forgetful()}, BringAbout(0))
    assert result.outcome == "failed"
    assert isinstance(result.error, NotConverged)
    assert "color, enabled, size, tags, text" in result.error.message


def test_apply_skips_work_done_by_a_concurrent_run(tmp_path: Path) -> None:
    other = WidgetKind()

    class Late(WidgetKind):
        """By the time that the lock is held, somebody else has applied."""

        def lock(self, spec: Widget) -> str | None:
            other.apply(spec, _diff(other, spec))
            return None

        def apply(self, spec: Widget, diff: Any) -> None:
            raise AssertionError("there is nothing left to do")

    order = (Resource(kind="widget", name="a", spec=Widget(path=str(tmp_path / "a"))),)
    (result,) = converge(order, {"widget": Late()}, BringAbout(0))
    assert result.outcome == "unchanged"


def _diff(kind: WidgetKind, spec: Widget) -> Any:
    from engine.diff import compare

    return compare(None, kind.desire(spec, None, {}))


def test_apply_reports_planned_changes_and_final_state(tmp_path: Path) -> None:
    class Numbered(WidgetKind):
        """Gives each note a number that is known only once it is there."""

        def desire(
            self, spec: Widget, observed: State | None, needed: Mapping[str, State | None]
        ) -> State | None:
            wanted = super().desire(spec, observed, needed)
            assert wanted is not None
            return {**wanted, "number": (observed or {}).get("number", "new")}

        def apply(self, spec: Widget, diff: Any) -> None:
            Path(spec.path).write_text(json.dumps({**diff.desired, "number": "17"}))

    order = (Resource(kind="widget", name="a", spec=Widget(path=str(tmp_path / "a"))),)
    (planned,) = converge(order, {"widget": Numbered()}, Foretell())
    (applied,) = converge(order, {"widget": Numbered()}, BringAbout(0))
    assert applied.changes == planned.changes
    assert planned.state is not None
    assert applied.state is not None
    assert (planned.state["number"], applied.state["number"]) == ("new", "17")
    assert applied.observed == applied.state


def test_independent_resources_run_in_parallel(table: Table) -> None:
    meeting = threading.Barrier(3, timeout=30)
    kind = WidgetKind(before_apply=lambda _spec: _meet(meeting))
    order = tuple(table.widget(name) for name in "abc")
    result = converge(order, {"widget": kind}, BringAbout(0), jobs=3)
    assert {one.outcome for one in result} == {"changed"}


def test_jobs_limits_parallel_resources(table: Table) -> None:
    busy, most, guard = 0, 0, threading.Lock()

    def before_apply(spec: Widget) -> None:
        nonlocal busy, most
        with guard:
            busy += 1
            most = max(most, busy)
        threading.Event().wait(0.005)
        with guard:
            busy -= 1

    order = tuple(table.widget(str(number)) for number in range(12))
    converge(order, {"widget": WidgetKind(before_apply=before_apply)}, BringAbout(0), jobs=2)
    assert most <= 2


def _meet(meeting: threading.Barrier) -> None:
    meeting.wait()


SHAPES: dict[str, Callable[[Table], list[Resource]]] = {
    "a chain": lambda t: [
        t.widget("a"),
        t.widget("b", "a"),
        t.widget("c", "b"),
        t.widget("d", "c"),
    ],
    "a diamond": lambda t: [
        t.widget("a"),
        t.widget("b", "a"),
        t.widget("c", "a"),
        t.widget("d", "b", "c"),
    ],
    "a fan": lambda t: [t.widget("a"), *(t.widget(n, "a") for n in "bcdefgh")],
    "apart": lambda t: [t.widget(n) for n in "abcdefgh"],
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
            table.broken[broken] = ConvergeError("write failed")
        result = table.apply(*SHAPES[shape](table), jobs=jobs)
        found.append({
            name: (one.outcome, one.action, one.changes, one.because, str(one.error))
            for name, one in result.items()
        })  # fmt: skip
    assert found[0] == found[1] == found[2]


def test_up_to_date_resource_is_observed_once(tmp_path: Path) -> None:
    looks: list[str] = []

    class Watched(WidgetKind):
        def observe(self, spec: Widget) -> State | None:
            looks.append(spec.path)
            return super().observe(spec)

    spec = Widget(path=str(tmp_path / "a"))
    order = (Resource(kind="widget", name="a", spec=spec),)
    converge(order, {"widget": Watched()}, BringAbout(0))
    looks.clear()
    converge(order, {"widget": Watched()}, BringAbout(0))
    assert looks == [spec.path]


def test_only_a_real_run_refreshes_the_cache_of_a_kind(tmp_path: Path) -> None:
    remembered: list[str] = []

    class Remembering(WidgetKind):
        def remember(self, spec: Widget) -> None:
            remembered.append(spec.path)

    spec = Widget(path=str(tmp_path / "a"))
    order = (Resource(kind="widget", name="a", spec=spec),)
    converge(order, {"widget": Remembering()}, Foretell())
    assert remembered == []
    for runs in (1, 2):  # one that makes it, and one that finds it made
        converge(order, {"widget": Remembering()}, BringAbout(0))
        assert remembered == [spec.path] * runs
    converge(order, {"widget": Remembering()}, Foretell())
    assert len(remembered) == 2
