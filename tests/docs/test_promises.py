"""Every promise names tests that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.docs.pages import DOCS, ROOT

PAGE = DOCS / "explanation" / "promises.md"
_SECTION = re.compile(r"^## (I\d+): .*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_HOLDS = re.compile(r"\]\(\.\./\.\./(tests/\S+\.py)\):\s((?:\s*`test_\w+`,?)+)")


def named(section: str) -> Iterator[tuple[str, str]]:
    """Yield file and test for each test that a section names."""
    for file, tests in _HOLDS.findall(section):
        for test in re.findall(r"`(test_\w+)`", tests):
            yield file, test


SECTIONS = {match[1]: match[0] for match in _SECTION.finditer(PAGE.read_text(encoding="utf-8"))}


def test_all_twenty_promises_are_there() -> None:
    assert list(SECTIONS) == [f"I{number}" for number in range(1, 21)]


@pytest.mark.parametrize("name", SECTIONS)
def test_a_promise_is_held_by_tests_that_there_are(name: str) -> None:
    tests = list(named(SECTIONS[name]))
    assert tests
    assert len(tests) == len(re.findall(r"`test_\w+`", SECTIONS[name]))
    for file, test in tests:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"
