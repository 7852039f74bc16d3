"""The loop: actions, order, failures, and parallel execution."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.converge import converge
from engine.diff import State
from engine.errors import ConvergeError, DiskFull, NotConverged, PermissionDenied
from engine.kind import Dependencies
from engine.resource import Resource
from engine.result import Result
from engine.strategy.actions import Apply, DryRun
from tests.unit.concurrency import Concurrency
from tests.unit.widget_kind import Widget, WidgetKind


class Loop:
    """A directory of widgets and the loop that converges them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.written: list[str] = []
        self.failures: dict[str, Exception] = {}

    def widget(self, name: str, *needs: str, **keys: Any) -> Resource:
        """Return a resource.

        Args:
            name: The name, which is also the file name and the default text.
            needs: Names of other widgets.
            keys: Fields of the spec.
        """
        path = str(self.directory / name)
        spec = Widget(path=path, **{"text": name, **keys})
        addresses = tuple(f"widget.{dependency}" for dependency in needs)
        return Resource(kind="widget", name=name, spec=spec, needs=addresses)

    def kind(self) -> WidgetKind:
        """Return a kind that records what it writes, and fails for the names in `failures`."""

        def before_apply(spec: Widget) -> None:
            name = Path(spec.path).name
            if name in self.failures:
                raise self.failures[name]
            self.written.append(name)

        return WidgetKind(before_apply=before_apply)

    def plan(self, *order: Resource) -> dict[str, Result]:
        """Run the loop without changes."""
        return self._by_name(converge(order, {"widget": self.kind()}, DryRun()))

    def apply(self, *order: Resource, jobs: int = 1) -> dict[str, Result]:
        """Run the loop and make the changes."""
        return self._by_name(converge(order, {"widget": self.kind()}, Apply(0), jobs))

    def _by_name(self, results: tuple[Result, ...]) -> dict[str, Result]:
        return {result.resource.name: result for result in results}


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return Loop(tmp_path)


def outcomes(results: Mapping[str, Result]) -> dict[str, str]:
    return {name: result.outcome for name, result in results.items()}


def test_converge_second_run_changes_nothing(loop: Loop) -> None:
    order = loop.widget("a"), loop.widget("b", "a")
    assert outcomes(loop.apply(*order)) == {"a": "changed", "b": "changed"}
    assert outcomes(loop.apply(*order)) == {"a": "unchanged", "b": "unchanged"}
    assert loop.written == ["a", "b"]


def test_converge_applies_dependencies_first(loop: Loop) -> None:
    order = loop.widget("c"), loop.widget("a", "c"), loop.widget("b", "a", "c")
    loop.apply(*order, jobs=4)
    assert loop.written == ["c", "a", "b"]


def test_converge_results_keep_the_order_of_resources(loop: Loop) -> None:
    order = [loop.widget(name) for name in "hgfedcba"]
    assert list(loop.apply(*order, jobs=5)) == list("hgfedcba")


def test_dry_run_predicts_a_chain_on_an_empty_disk(loop: Loop) -> None:
    order = loop.widget("a", text="hello"), loop.widget("b", "a", copies="widget.a", text="")
    planned = loop.plan(*order)
    assert outcomes(planned) == {"a": "would-change", "b": "would-change"}
    assert planned["b"].state is not None
    assert planned["b"].state["text"] == "hello"
    assert list(loop.directory.iterdir()) == []


@pytest.mark.parametrize(
    "drift", ["nothing exists", "none", "one edited", "one deleted", "one damaged"]
)
def test_apply_makes_exactly_the_planned_changes(loop: Loop, drift: str) -> None:
    order = loop.widget("a"), loop.widget("b", "a", copies="widget.a"), loop.widget("c")
    if drift != "nothing exists":
        loop.apply(*order)
    if drift == "one edited":
        loop.apply(loop.widget("a", color="blue"))
    if drift == "one deleted":
        (loop.directory / "a").unlink()
    if drift == "one damaged":
        (loop.directory / "c").write_text("not JSON")
    planned, applied = loop.plan(*order), loop.apply(*order)
    for name, result in planned.items():
        assert (applied[name].action, applied[name].changes) == (result.action, result.changes)
        assert applied[name].state == result.state
    assert set(outcomes(loop.plan(*order)).values()) == {"unchanged"}


def test_converge_passes_new_state_to_dependents(loop: Loop) -> None:
    loop.apply(loop.widget("a", text="old"), loop.widget("b", "a", copies="widget.a"))
    results = loop.apply(loop.widget("a", text="new"), loop.widget("b", "a", copies="widget.a"))
    assert [(change.before, change.after) for change in results["b"].changes] == [("old", "new")]


def test_failure_skips_only_dependents(loop: Loop) -> None:
    loop.failures["b"] = ConvergeError("write failed")
    order = (
        loop.widget("a"), loop.widget("b"), loop.widget("c", "b"),
        loop.widget("d", "c", "a"), loop.widget("e", "a"),
    )  # fmt: skip
    results = loop.apply(*order)
    assert outcomes(results) == {
        "a": "changed", "b": "failed", "c": "skipped", "d": "skipped", "e": "changed",
    }  # fmt: skip
    assert loop.written == ["a", "e"]


def test_skipped_resource_names_the_original_failure(loop: Loop) -> None:
    loop.failures["a"] = ConvergeError("write failed")
    results = loop.apply(loop.widget("a"), loop.widget("b", "a"), loop.widget("c", "b"))
    assert (results["b"].blocked_by, results["c"].blocked_by) == ("widget.a", "widget.a")
    assert results["b"].error is results["c"].error is None
    assert str(results["a"].error) == "write failed"


def test_up_to_date_dependent_of_a_failure_is_skipped(loop: Loop) -> None:
    order = loop.widget("a"), loop.widget("b", "a")
    loop.apply(*order)
    loop.failures["a"] = ConvergeError("write failed")
    assert outcomes(loop.apply(loop.widget("a", size=2), order[1])) == {
        "a": "failed",
        "b": "skipped",
    }


def test_os_error_fails_one_resource(loop: Loop) -> None:
    loop.failures["a"] = OSError(28, "No space left on device", "/somewhere")
    results = loop.apply(loop.widget("a"), loop.widget("b"))
    assert outcomes(results) == {"a": "failed", "b": "changed"}
    assert isinstance(results["a"].error, DiskFull)
    assert "/somewhere" in str(results["a"].error)


def test_bug_in_a_kind_is_raised(loop: Loop) -> None:
    loop.failures["a"] = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        loop.apply(loop.widget("a"), loop.widget("b"), jobs=2)


def test_remaining_difference_after_apply_is_a_failure(tmp_path: Path) -> None:
    class WritesSomethingElse(WidgetKind):
        def apply(self, spec: Widget, desired: State | None) -> None:
            Path(spec.path).write_text('{"text": "something else"}')

    order = (Resource(kind="widget", name="a", spec=Widget(path=str(tmp_path / "a"))),)
    (result,) = converge(order, {"widget": WritesSomethingElse()}, Apply(0))
    assert result.outcome == "failed"
    assert isinstance(result.error, NotConverged)
    assert "color, enabled, size, tags, text" in result.error.message


def test_apply_skips_work_done_by_a_concurrent_run(tmp_path: Path) -> None:
    other = WidgetKind()

    class AppliedByOther(WidgetKind):
        """Another process applies the resource before this one gets the lock."""

        def lock_path(self, spec: Widget) -> str | None:
            other.apply(spec, other.desired_state(spec, None, {}))
            return None

        def apply(self, spec: Widget, desired: State | None) -> None:
            raise AssertionError("apply was called without a difference")

    order = (Resource(kind="widget", name="a", spec=Widget(path=str(tmp_path / "a"))),)
    (result,) = converge(order, {"widget": AppliedByOther()}, Apply(0))
    assert result.outcome == "unchanged"


def test_apply_reports_planned_changes_and_final_state(tmp_path: Path) -> None:
    class Numbered(WidgetKind):
        """Each widget gets a number that is unknown before it exists."""

        def desired_state(
            self, spec: Widget, observed: State | None, dependencies: Dependencies
        ) -> State | None:
            desired = super().desired_state(spec, observed, dependencies)
            assert desired is not None
            return {**desired, "number": (observed or {}).get("number", "new")}

        def apply(self, spec: Widget, desired: State | None) -> None:
            Path(spec.path).write_text(json.dumps({**(desired or {}), "number": "17"}))

    order = (Resource(kind="widget", name="a", spec=Widget(path=str(tmp_path / "a"))),)
    (planned,) = converge(order, {"widget": Numbered()}, DryRun())
    (applied,) = converge(order, {"widget": Numbered()}, Apply(0))
    assert applied.changes == planned.changes
    assert planned.state is not None
    assert applied.state is not None
    assert (planned.state["number"], applied.state["number"]) == ("new", "17")
    assert applied.observed == applied.state


def test_independent_resources_run_in_parallel(loop: Loop) -> None:
    barrier = threading.Barrier(3, timeout=30)
    kind = WidgetKind(before_apply=lambda _spec: _wait(barrier))
    order = tuple(loop.widget(name) for name in "abc")
    results = converge(order, {"widget": kind}, Apply(0), jobs=3)
    assert {result.outcome for result in results} == {"changed"}


def test_jobs_limits_parallel_resources(loop: Loop) -> None:
    applying = Concurrency()

    def before_apply(_spec: Widget) -> None:
        with applying:
            pass

    order = tuple(loop.widget(str(number)) for number in range(12))
    converge(order, {"widget": WidgetKind(before_apply=before_apply)}, Apply(0), jobs=2)
    assert applying.peak <= 2


def _wait(barrier: threading.Barrier) -> None:
    barrier.wait()


SHAPES: dict[str, Callable[[Loop], list[Resource]]] = {
    "a chain": lambda loop: [
        loop.widget("a"),
        loop.widget("b", "a"),
        loop.widget("c", "b"),
        loop.widget("d", "c"),
    ],
    "a diamond": lambda loop: [
        loop.widget("a"),
        loop.widget("b", "a"),
        loop.widget("c", "a"),
        loop.widget("d", "b", "c"),
    ],
    "a fan": lambda loop: [loop.widget("a"), *(loop.widget(name, "a") for name in "bcdefgh")],
    "no edges": lambda loop: [loop.widget(name) for name in "abcdefgh"],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("failing", ["", "a", "c"])
def test_converge_results_do_not_depend_on_jobs(tmp_path: Path, shape: str, failing: str) -> None:
    results_by_jobs = []
    for jobs in (1, 2, 7):
        directory = tmp_path / str(jobs)
        directory.mkdir()
        loop = Loop(directory)
        if failing:
            loop.failures[failing] = ConvergeError("write failed")
        results = loop.apply(*SHAPES[shape](loop), jobs=jobs)
        results_by_jobs.append({
            name: (
                result.outcome, result.action, result.changes, result.blocked_by,
                str(result.error),
            )
            for name, result in results.items()
        })  # fmt: skip
    assert results_by_jobs[0] == results_by_jobs[1] == results_by_jobs[2]


def test_up_to_date_resource_is_observed_once(tmp_path: Path) -> None:
    observed_paths: list[str] = []

    class CountsObservations(WidgetKind):
        def observe(self, spec: Widget) -> State | None:
            observed_paths.append(spec.path)
            return super().observe(spec)

    spec = Widget(path=str(tmp_path / "a"))
    order = (Resource(kind="widget", name="a", spec=spec),)
    converge(order, {"widget": CountsObservations()}, Apply(0))
    observed_paths.clear()
    converge(order, {"widget": CountsObservations()}, Apply(0))
    assert observed_paths == [spec.path]


def test_only_a_real_run_refreshes_the_cache_of_a_kind(tmp_path: Path) -> None:
    refreshed: list[str] = []

    class RecordsRefreshes(WidgetKind):
        def refresh_cache(self, spec: Widget) -> None:
            refreshed.append(spec.path)

    spec = Widget(path=str(tmp_path / "a"))
    order = (Resource(kind="widget", name="a", spec=spec),)
    converge(order, {"widget": RecordsRefreshes()}, DryRun())
    assert refreshed == []
    for runs in (1, 2):  # the first run creates the widget, the second finds it up to date
        converge(order, {"widget": RecordsRefreshes()}, Apply(0))
        assert refreshed == [spec.path] * runs
    converge(order, {"widget": RecordsRefreshes()}, DryRun())
    assert len(refreshed) == 2


def test_unfulfilled_precondition_fails_the_plan_and_the_apply(tmp_path: Path) -> None:
    """Nothing is locked or changed. A comparison only reports the difference."""

    def refuse(_spec: Widget) -> None:
        raise PermissionDenied("not here", hint="choose another path")

    kinds = {"widget": WidgetKind(preconditions=refuse, locked=True)}
    order = (Resource(kind="widget", name="a", spec=Widget(path=str(tmp_path / "a"))),)
    for strategy in (DryRun(), Apply(0)):
        (result,) = converge(order, kinds, strategy)
        assert result.outcome == "failed"
        assert result.error is not None
        assert (result.error.message, result.error.code) == ("not here", 77)
    (compared,) = converge(order, kinds, DryRun(compare_only=True))
    assert compared.outcome == "would-change"
    assert list(tmp_path.iterdir()) == []
