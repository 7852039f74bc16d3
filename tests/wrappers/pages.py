"""Parse a how-to page into its files, its commands, and the output lines that it shows."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

_FENCE = re.compile(r"^```(?P<kind>\w+)(?: title=(?P<title>\S+))?\n(?P<body>.*?)^```$", re.M | re.S)


@dataclass(slots=True, kw_only=True)
class Command:
    """One line after a `$`, and the lines of output that the page shows."""

    line: str
    shown: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The files of a page by title, and its commands in order."""

    files: dict[str, str]
    commands: list[Command]


def read(path: Path) -> Page:
    """Parse a Markdown page."""
    files: dict[str, str] = {}
    commands: list[Command] = []
    for fence in _FENCE.finditer(path.read_text(encoding="utf-8")):
        if fence["title"]:
            files[fence["title"]] = fence["body"]
        elif fence["kind"] == "console":
            for line in fence["body"].splitlines():
                if line.startswith("$ "):
                    commands.append(Command(line=line[2:]))
                else:
                    commands[-1].shown.append(line)
    return Page(files=files, commands=commands)


def script(page: Page, outputs: Path) -> str:
    """Return one shell script with all commands, so that an `export` applies to later commands.

    The script writes the output and exit code of each command to `outputs`, named by number.
    """
    lines = []
    for number, command in enumerate(page.commands):
        out, code = (shlex.quote(str(outputs / f"{number}.{suffix}")) for suffix in ("out", "code"))
        lines.append(f"{{ {command.line}\n}} > {out} 2>&1 < /dev/null; echo $? > {code}")
    return "\n".join(lines) + "\n"
