"""Running the console blocks of a page one after the other, and comparing what is seen.

A block ```` ```console ```` holds commands, each after `$ `, and what they print. A block
marked `<!-- file: NAME -->` is the content of a file. What differs from run to run and
from host to host (ids, times, digests, versions of Python) is masked on both sides.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import ROOT

HOME = "/home/ann/web"
"""The folder that the reader works in, as the page has it."""
_BLOCK = re.compile(
    r"(?:^<!-- file: (?P<file>\S+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
_MASKS = (
    (re.compile(r"(\d{6})-[0-9a-f]{8}"), r"\1-xxxxxxxx"),
    (re.compile(r"sha256:[0-9a-f]+…?"), "sha256:…"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"just now|\d+ \w+ ago"), "AGO"),
    (re.compile(r"\bpython 3\.\d+\.\d+ \S+"), "python 3.x.y EXECUTABLE"),
    (re.compile(r"Python 3\.\d+\.\d+"), "Python 3.x.y"),
    (re.compile(r"python3\.\d+"), "python3.x"),
    (re.compile(r"\b\d+ files"), "N files"),
    (re.compile(r"\d+ of \d+ differ"), "N of M differ"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One command of a page, and what the page says that it prints."""

    command: str
    printed: str


def run(
    page: Path, folder: Path, env: Mapping[str, str], file: Callable[[str], str]
) -> Iterator[tuple[Step, str]]:
    """Run the commands of a page in a folder; yield each with what it really printed.

    `file` may alter the content of a file before it is written.
    """
    shell = _with_command(folder.parent / "bin", env)
    status = 0
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["file"]:
            (folder / block["file"]).write_text(file(block["text"]))
        elif block["language"] == "console":
            for step in steps(block["text"]):
                done = subprocess.run(
                    ["bash", "-c", f"(exit {status}); {step.command}"],
                    cwd=folder,
                    env=shell,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=300,
                )
                status = done.returncode
                yield step, done.stdout.replace(str(folder), HOME)


def steps(text: str) -> list[Step]:
    """Take a console block apart."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.M)
    assert not parts[0], f"a console block begins with a command: {parts[0]!r}"
    return [
        Step(command=command, printed=printed)
        for command, printed in zip(parts[1::2], parts[2::2], strict=True)
    ]


def masked(text: str) -> str:
    """Return a text without what differs from run to run and from host to host."""
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    return text


def _with_command(folder: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which `converge` is this project's own."""
    folder.mkdir()
    script = folder / "converge"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m states "$@"\n')
    script.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "LANG": "C.UTF-8", **env}
