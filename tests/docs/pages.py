"""The project's pages in Markdown, taken apart as far as its tests need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *(page for page in sorted(DOCS.rglob("*.md")) if "templates" not in page.parts),
)
_FENCE = re.compile(r"^( *)```(\w*)\s*$")
_MARK = re.compile(r"^<!-- (.*) -->$")
_LINK = re.compile(r"\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^()\s]+)\)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    """Of its first line of content, from 1."""
    language: str
    text: str
    mark: str = ""
    """What the HTML comment on the line above it says."""

    def __str__(self) -> str:
        """Say where it stands, for the name of a test."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path, language: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page in one language."""
    opened: tuple[int, str, str, int] | None = None
    inside: list[str] = []
    mark = ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is None:
            if fence:
                opened, inside = (number + 1, fence[2], mark, len(fence[1])), []
            elif line.strip():
                comment = _MARK.match(line.strip())
                mark = comment[1] if comment else ""
        elif fence and not fence[2]:
            start, found, said, indent = opened
            if found == language:
                text = "".join(f"{row[indent:]}\n" for row in inside)
                yield Block(page=page, line=start, language=found, text=text, mark=said)
            opened, mark = None, ""
        else:
            inside.append(line)


def every(language: str) -> list[Block]:
    """Return the blocks of all pages in one language."""
    return [block for page in PAGES for block in blocks(page, language)]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks and without what is set as code."""
    text = re.sub(r"^ *```.*?^ *```\s*$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "`code`", text)


def links(page: Path) -> Iterator[str]:
    """Yield the targets of a page's links that lead to other pages of the project."""
    for target in _LINK.findall(prose(page)):
        if "://" not in target:
            yield target


def anchors(page: Path) -> set[str]:
    """Return what a link may name after `#`, by the rule that GitHub has for headings."""
    found: set[str] = set()
    text = re.sub(r"^ *```.*?^ *```\s*$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for heading in re.findall(r"^#+ +(.*)$", text, re.M):
        plain = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found.add(plain)
    return found
