"""How a file system is tried, and with how many kills."""

from __future__ import annotations

import pytest

from states.selftest import spread
from tests.integration.host import Host


@pytest.mark.parametrize(
    ("points", "chosen"),
    [(1, [9]), (2, [1, 9]), (3, [1, 5, 9]), (4, [1, 4, 7, 9]), (99, [*range(1, 10)])],
)
def test_as_many_points_are_chosen_as_were_asked_for(points: int, chosen: list[int]) -> None:
    assert spread(points, 9) == chosen


@pytest.mark.parametrize("points", ["0", "-3", "²", "many"])
def test_a_number_of_points_that_is_none_is_refused(host: Host, points: str) -> None:
    refused = host.run("selftest", "--dir", ".", f"--points={points}")

    assert refused.code == 64
    assert "--points" in refused.err


def test_a_file_system_that_keeps_the_promises_is_said_to(host: Host) -> None:
    done = host.run("selftest", "--dir", ".", "--points", "1")

    assert done.code == 0, done.out + done.err
    assert "kill 1 of 1" in done.err
    assert "all promises hold here" in done.out
    assert not list(host.folder.glob("converge-selftest-*"))
