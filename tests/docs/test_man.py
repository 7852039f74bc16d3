"""The manual pages match the command line and the keys, and man(1) shows them without warnings."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.generator import every_command, manual_pages, paragraph
from tests.docs.pages import ROOT

PAGES: dict[Path, str] = manual_pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_manual_page_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == PAGES[path], "run `python -m docs.man`"


def test_every_page_of_the_directory_is_generated() -> None:
    assert {path.name for path in PAGES} == {
        path.name for path in (ROOT / "docs/generated/man").iterdir()
    }


def test_page_describes_every_command() -> None:
    page = PAGES[ROOT / "docs/generated/man/converge.1"]
    assert [name for name in every_command() if f"\n.SS {name}\n" not in page] == []


@pytest.mark.skipif(shutil.which("man") is None, reason="man isn't installed")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_page_renders_without_warnings(path: Path) -> None:
    result = subprocess.run(
        ["man", "--warnings", "-l", path],
        env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "MANWIDTH": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    assert "EXIT STATUS" in result.stdout or "EXAMPLES" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    for markup in ("`", "\\f", "]("):
        assert markup not in result.stdout


def test_types_have_one_plural() -> None:
    assert "ss)" not in "".join(PAGES.values())
    assert "object of objects of strings)" in PAGES[ROOT / "docs/generated/man/converge.toml.5"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Use `--x`. See [the page](a.md).", ["Use \\fB\\-\\-x\\fR.", "See the page."]),
        (".hidden and 'quoted'", ["\\&.hidden and \\(aqquoted\\(aq"]),
        ("a\\b → c", ["a\\eb \\[u2192] c"]),
    ],
)
def test_paragraph_escapes_special_characters_of_roff(text: str, lines: list[str]) -> None:
    assert list(paragraph(text)) == lines
