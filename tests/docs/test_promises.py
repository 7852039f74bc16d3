"""Every promise names existing tests."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.docs.pages import DOCS, ROOT

PAGE = DOCS / "explanation" / "promises.md"
_SECTION = re.compile(r"^## (.*?)$.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
SLUGS = (
    "published-path-always-works",
    "never-a-mix",
    "done-survives-power-loss",
    "recovery-is-automatic",
    "two-runs-suffice",
    "second-apply-writes-nothing",
    "reads-never-write",
    "apply-does-the-plan",
    "failure-is-isolated",
    "rollback-works-offline",
    "gc-keeps-what-is-used",
    "one-run-per-venv",
    "clocks-dont-matter",
    "caches-are-disposable",
    "same-inputs-same-generation",
    "only-declared-paths",
    "signals-are-safe",
    "secrets-stay-secret",
    "full-disk-is-harmless",
    "tampering-is-repaired",
    "failing-reads-change-nothing",
    "data-is-kept",
)
_HOLDS = re.compile(r"\]\(\.\./\.\./(tests/\S+\.py)\):\s((?:\s*`test_\w+`,?)+)")


def named(section: str) -> Iterator[tuple[str, str]]:
    """Yield file and test for each test that a section names."""
    for file, tests in _HOLDS.findall(section):
        for test in re.findall(r"`(test_\w+)`", tests):
            yield file, test


SECTIONS = {match[1]: match[0] for match in _SECTION.finditer(PAGE.read_text(encoding="utf-8"))}


def test_page_lists_every_promise_in_order() -> None:
    assert tuple(SECTIONS) == SLUGS


@pytest.mark.parametrize("name", SECTIONS)
def test_promise_names_existing_tests(name: str) -> None:
    tests = list(named(SECTIONS[name]))
    assert tests
    assert len(tests) == len(re.findall(r"`test_\w+`", SECTIONS[name]))
    for file, test in tests:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"
