"""Parse the Markdown pages of the project: blocks, links, and headings."""

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
    """The number of its first line of content, from 1."""
    language: str
    text: str
    mark: str = ""
    """The text of the HTML comment on the line above the block."""

    def __str__(self) -> str:
        """Return the page and line, for test IDs."""
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
            start, block_language, block_mark, indent = opened
            if block_language == language:
                text = "".join(f"{row[indent:]}\n" for row in inside)
                yield Block(page=page, line=start, language=language, text=text, mark=block_mark)
            opened, mark = None, ""
        else:
            inside.append(line)


def all_blocks(language: str) -> list[Block]:
    """Return the blocks of all pages in one language."""
    return [block for page in PAGES for block in blocks(page, language)]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks, and with each code span as `code`."""
    text = re.sub(r"^ *```.*?^ *```\s*$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "`code`", text)


def links(page: Path) -> Iterator[str]:
    """Yield the link targets in a page that are other pages of the project."""
    for target in _LINK.findall(prose(page)):
        if "://" not in target:
            yield target


def anchors(page: Path) -> set[str]:
    """Return the heading anchors of a page, by the rule of GitHub."""
    names: set[str] = set()
    text = re.sub(r"^ *```.*?^ *```\s*$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for heading in re.findall(r"^#+ +(.*)$", text, re.M):
        plain = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        names.add(plain)
    return names
