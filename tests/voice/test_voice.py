"""The voice rules hold in the whole tree, and each rule reports a planted offense."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli

from tests.voice.check import (
    Hit,
    allowed,
    banned,
    every_hit,
    exception_for,
    file_hits,
    not_allowed,
    prose_hits,
)
from tests.voice.sources import ROOT, Passage, help_passages, tracked

PLANTED = tomli.loads((Path(__file__).parent / "planted.toml").read_text(encoding="utf-8"))["case"]
NAME_RULES = {
    "vague-name",
    "word-in-name",
    "old-name",
    "old-module",
    "missing-file",
    "old-key",
    "old-reference",
    "plural-alias",
    "long-test-name",
    "docstring-section",
}


@pytest.fixture(scope="module")
def hits() -> list[Hit]:
    """Return the hits in the tree, allowed ones included."""
    return every_hit()


def test_tree_has_no_offense(hits: list[Hit]) -> None:
    """Each offense is corrected, or `allowed.toml` lists it with a reason."""
    offenses = not_allowed(hits)
    assert not offenses, "\n".join(map(str, offenses))


def test_every_exception_has_a_reason_and_a_use(hits: list[Hit]) -> None:
    """An exception without a hit is deleted."""
    used = {exception_for(hit) for hit in hits}
    assert [entry for entry in allowed() if not entry.get("reason")] == []
    assert [entry for index, entry in enumerate(allowed()) if index not in used] == []


def _id(case: dict[str, Any]) -> str:
    return f"{case.get('rule', 'accepted')}-{case['file']}"


@pytest.mark.parametrize("case", PLANTED, ids=_id)
def test_planted_text_is_reported_or_accepted(tmp_path: Path, case: dict[str, Any]) -> None:
    """A report names the file, the line, the offense and a replacement."""
    file = tmp_path / case["file"]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(case["text"], encoding="utf-8")
    reported = list(file_hits(case["file"], tmp_path))
    if "rule" not in case:
        assert reported == []
        return
    matching = [hit for hit in reported if hit.rule == case["rule"]]
    assert matching, f"the guard accepts: {case['text']}"
    assert str(matching[0]).startswith(f"{case['file']}:{matching[0].line}: ")
    assert matching[0].instead


def test_every_rule_has_a_planted_offense() -> None:
    """A rule that can't fail proves nothing."""
    assert {case["rule"] for case in PLANTED if "rule" in case} == {*banned()["prose"], *NAME_RULES}


def test_help_is_checked() -> None:
    """The text of `--help` is a scope of its own."""
    passage = Passage(path="plan --help", line=3, scope="help", text="choose versions anew")
    assert [hit.rule for hit in prose_hits(passage)] == ["archaic"]
    assert {"--help", "plan --help", "gc --help"} <= {text.path for text in help_passages()}


def test_line_of_hit_in_paragraph(tmp_path: Path) -> None:
    """The line is that of the match, not of the paragraph."""
    (tmp_path / "page.md").write_text("# Page\n\nFirst line\nand nobody else.\n", encoding="utf-8")
    assert [hit.line for hit in file_hits("page.md", tmp_path)] == [4]


def _codespell(*files: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "codespell_lib", *files]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_codespell_finds_nothing() -> None:
    """Deliberate misspellings are listed in pyproject.toml."""
    completed = _codespell(*tracked())
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_codespell_reports_a_planted_misspelling(tmp_path: Path) -> None:
    """The spelling check can fail."""
    file = tmp_path / "page.md"
    file.write_text("re" + "cieve the file\n", encoding="utf-8")
    assert "receive" in _codespell(str(file)).stdout
