"""The selection of the points at which `selftest` kills an update."""

from __future__ import annotations

import pytest

from states.selftest.kill_sweep import sample_evenly


@pytest.mark.parametrize(
    ("kills", "selected"),
    [(1, [9]), (2, [1, 9]), (3, [1, 5, 9]), (4, [1, 4, 7, 9]), (99, [*range(1, 10)])],
)
def test_kills_are_spread_evenly_and_include_the_last(kills: int, selected: list[int]) -> None:
    assert sample_evenly(kills, 9) == selected


def test_no_change_means_no_kill() -> None:
    assert sample_evenly(5, 0) == []
