"""A how-to page as what it asks its reader to do: files to write, commands to run, lines to see."""

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
    """The files by their titles, and all commands in their order."""

    files: dict[str, str]
    commands: list[Command]


def read(path: Path) -> Page:
    """Read a page of Markdown."""
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
    """Return one shell script of all commands, so that an `export` holds for what follows.

    Each command's output and exit code end up in `outputs`, under its number.
    """
    lines = []
    for number, command in enumerate(page.commands):
        out, code = (shlex.quote(str(outputs / f"{number}.{end}")) for end in ("out", "code"))
        lines.append(f"{{ {command.line}\n}} > {out} 2>&1 < /dev/null; echo $? > {code}")
    return "\n".join(lines) + "\n"
