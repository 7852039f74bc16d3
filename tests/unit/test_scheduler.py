"""The scheduler starts a resource after its dependencies, and at most `jobs` at a time."""

from __future__ import annotations

import sysconfig
import threading
import time
from contextvars import ContextVar
from typing import Any

import pytest

from engine.order.scheduler import run_scheduled
from engine.resource import Resource
from engine.result import Result
from tests.unit.concurrency import Concurrency

MARKER: ContextVar[str] = ContextVar("marker", default="unset")


def resource(name: str, *needs: str) -> Resource:
    return Resource(kind="widget", name=name, spec=None, needs=tuple(f"widget.{n}" for n in needs))


def unchanged(current: Resource) -> Result:
    return Result(resource=current, outcome="unchanged")


def test_dependencies_have_results_before_their_dependents() -> None:
    diamond = [resource("top", "left", "right"), resource("left", "base"),
               resource("right", "base"), resource("base", "settled")]  # fmt: skip
    results = {"widget.settled": unchanged(resource("settled"))}
    order = []

    def process(current: Resource) -> Result:
        assert all(need in results for need in current.needs)
        order.append(current.name)
        return unchanged(current)

    run_scheduled(diamond, results, process, jobs=4)
    assert (order[0], order[-1]) == ("base", "top")
    assert sorted(results) == [
        f"widget.{name}" for name in ("base", "left", "right", "settled", "top")
    ]


def test_sysconfig_is_initialized_before_threads_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.12, a second thread sees an incomplete cache while the first one fills it."""
    callers = []
    monkeypatch.setattr(
        sysconfig, "get_config_vars", lambda: callers.append(threading.current_thread())
    )

    def process(current: Resource) -> Result:
        assert callers == [threading.main_thread()]
        return unchanged(current)

    run_scheduled([resource("venv")], {}, process, jobs=2)


FLEET = [
    resource("venv-a"), resource("venv-b"), resource("venv-c"),
    resource("link-a", "venv-a"), resource("restart-b", "venv-b"),
    resource("restart-a", "venv-a", "link-a"), resource("all", "venv-a", "venv-b"),
]  # fmt: skip


def start_order(resources: list[Resource], results: dict[str, Result], jobs: int = 1) -> list[str]:
    """Return the names of resources in the order in which they start."""
    order: list[str] = []

    def process(current: Resource) -> Result:
        order.append(current.name)
        return unchanged(current)

    run_scheduled(resources, results, process, jobs)
    return order


def test_dependent_starts_before_resources_without_dependencies() -> None:
    assert start_order(FLEET, {}) == [
        "venv-a", "link-a", "restart-a", "venv-b", "restart-b", "all", "venv-c",
    ]  # fmt: skip


def test_dependent_of_a_settled_resource_starts_first() -> None:
    """A retry of a failed restart doesn't wait until other venvs are built."""
    settled = {"widget.venv-c": unchanged(resource("venv-c"))}
    order = start_order([resource("venv-a"), resource("restart-c", "venv-c")], settled)
    assert order == ["restart-c", "venv-a"]


def test_dependent_starts_as_soon_as_a_job_is_free() -> None:
    """`slow` occupies one of two jobs throughout, so each dependent has to take the other."""
    others_ended = threading.Event()
    order: list[str] = []

    def process(current: Resource) -> Result:
        order.append(current.name)
        if current.name == "slow":
            assert others_ended.wait(30)
        if current.name == "c":
            others_ended.set()
        return unchanged(current)

    resources = [resource("slow"), resource("a"), resource("b"), resource("c"),
                 resource("restart-slow", "slow"), resource("restart-a", "a"),
                 resource("restart-b", "b")]  # fmt: skip
    run_scheduled(resources, {}, process, jobs=2)
    assert [name for name in order if name not in ("slow", "restart-slow")] == [
        "a", "restart-a", "b", "restart-b", "c",
    ]  # fmt: skip


@pytest.mark.parametrize("jobs", [0, 1, 3])
def test_number_of_jobs_is_limited(jobs: int) -> None:
    processing = Concurrency()

    def process(current: Resource) -> Result:
        with processing:
            return unchanged(current)

    run_scheduled([resource(f"r{number}") for number in range(9)], {}, process, jobs)
    assert processing.peak == max(1, jobs)


def test_calling_thread_adds_results_and_lends_its_context() -> None:
    caller = threading.get_ident()

    class Results(dict[str, Result]):
        def __setitem__(self, address: str, result: Result) -> None:
            assert threading.get_ident() == caller
            super().__setitem__(address, result)

    markers: list[str] = []

    def process(current: Resource) -> Result:
        assert threading.get_ident() != caller
        markers.append(MARKER.get())
        MARKER.set(current.name)
        return unchanged(current)

    token = MARKER.set("caller")
    try:
        run_scheduled([resource("a"), resource("b", "a")], Results(), process, jobs=2)
        assert (markers, MARKER.get()) == (["caller", "caller"], "caller")
    finally:
        MARKER.reset(token)


def test_bug_is_raised_after_running_resources_end() -> None:
    started, ended = [], []
    both_started = threading.Barrier(2)

    def process(current: Resource) -> Result:
        started.append(current.name)
        if current.name in ("bug", "slow"):
            both_started.wait(30)
        if current.name == "bug":
            raise ZeroDivisionError
        time.sleep(0.05)
        ended.append(current.name)
        return unchanged(current)

    names = [resource("bug"), resource("slow"), resource("later"), resource("after", "bug")]
    results: dict[str, Any] = {}
    with pytest.raises(ZeroDivisionError):
        run_scheduled(names, results, process, jobs=2)
    assert (sorted(started), ended) == (["bug", "slow"], ["slow"])
