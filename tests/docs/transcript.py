"""Run the console blocks of a page in order, and compare the output.

A block ```` ```console ```` contains commands, each after `$ `, and their output. A block marked
`<!-- file: NAME -->` is the content of a file. Values that differ between runs and hosts (IDs, times,
digests, Python versions) are masked on both sides. A page shows the signs of a terminal. Here the output is a
pipe, where signs are ASCII.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.system.encoding import with_ascii_signs
from tests.docs.pages import ROOT

HOME = "/home/ann/web"
"""The reader's working directory on the page."""
_BLOCK = re.compile(
    r"(?:^<!-- file: (?P<file>\S+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
_MASKS = (
    (re.compile(r"(\d{6})-[0-9a-f]{8}"), r"\1-xxxxxxxx"),
    (re.compile(r"sha256:[0-9a-f]+(?:\.\.\.)?"), "sha256:DIGEST"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"just now|\d+ \w+ ago"), "AGO"),
    (re.compile(r"AGO +3\.\d+\.\d+"), "AGO 3.x.y"),
    (re.compile(r"\bpython 3\.\d+\.\d+ \S+"), "python 3.x.y EXECUTABLE"),
    (re.compile(r"Python 3\.\d+\.\d+"), "Python 3.x.y"),
    (re.compile(r"python3\.\d+"), "python3.x"),
    (re.compile(r"\b\d+ files"), "N files"),
    (re.compile(r" +\d+\.\d s\b"), " SECONDS"),
    (re.compile(r"\(plan [0-9a-f]{8}\)"), "(plan DIGITS)"),
    (re.compile(r"\d+(\.\d)? (bytes|kB|MB)"), "SIZE"),
    # Columns are as wide as their longest value.
    (re.compile(r"(?<=\S) {2,}"), " "),
    # A reason that doesn't fit after a path is on the next line.
    (re.compile(r"(?<=\S)\n {4}(?=\S)"), " "),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One command of a page, and the output that the page shows."""

    command: str
    printed: str


def run(
    page: Path, directory: Path, env: Mapping[str, str], file: Callable[[str], str]
) -> Iterator[tuple[Step, str]]:
    """Run the commands of a page in a directory; yield each with its real output.

    Args:
        page: The page with the console blocks.
        directory: The working directory.
        env: Variables to add to the environment.
        file: Called with the content of each file; returns the content to write.

    """
    shell = _with_command(directory.parent / "bin", env)
    status = 0
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["file"]:
            (directory / block["file"]).write_text(file(block["text"]))
        elif block["language"] == "console":
            for step in steps(block["text"]):
                completed = subprocess.run(
                    ["bash", "-c", f"(exit {status}); {step.command}"],
                    cwd=directory,
                    env=shell,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=300,
                )
                status = completed.returncode
                yield step, completed.stdout.replace(str(directory), HOME)


def steps(text: str) -> list[Step]:
    """Split a console block into its commands."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.M)
    assert not parts[0], f"console block without a command: {parts[0]!r}"
    return [
        Step(command=command, printed=printed)
        for command, printed in zip(parts[1::2], parts[2::2], strict=True)
    ]


def masked(text: str) -> str:
    """Return the text with placeholders for values that differ between runs and hosts."""
    text = with_ascii_signs(text)
    for pattern, placeholder in _MASKS:
        text = pattern.sub(placeholder, text)
    return text


def _with_command(directory: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which `converge` runs this source tree."""
    directory.mkdir()
    script = directory / "converge"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m states "$@"\n')
    script.chmod(0o755)
    return {"PATH": f"{directory}{os.pathsep}{os.environ['PATH']}", "LANG": "C.UTF-8", **env}
