"""A resource of each kind, as somebody would declare it: all that a new kind must add here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.wheels import make_wheel


def _nothing(_folder: Path) -> None:
    """Nothing need be there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Two versions of one table; `@` stands for the folder that the declaration lies in."""

    kind: str
    first: str
    second: str
    prepare: Callable[[Path], object] = _nothing
    """Makes what the tables take for granted."""
    in_place: bool = True
    """Whether the second is a change of the first; not where another wish is another thing."""


def _two_interpreters(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name).symlink_to(sys.executable)


def _two_wheels(folder: Path) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(folder / "wheels", "beta", version)


def _two_targets(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name).write_text(name)


_VENV = f"""
[venv.sample]
path = "@/venvs/sample"
python = "{sys.executable}"
find-links = ["@/wheels"]
no-index = true
packages = """

SAMPLES = (
    Sample(
        kind="interpreter",
        first='[interpreter.sample]\npython = "@/one"',
        second='[interpreter.sample]\npython = "@/two"',
        prepare=_two_interpreters,
        in_place=False,
    ),
    Sample(
        kind="venv",
        first=f'{_VENV}["beta==1.0"]',
        second=f'{_VENV}["beta==2.0"]',
        prepare=_two_wheels,
    ),
    Sample(
        kind="link",
        first='[link."@/bin/sample"]\nto = "@/one"',
        second='[link."@/bin/sample"]\nto = "@/two"',
        prepare=_two_targets,
    ),
    Sample(
        kind="command",
        first='[command.sample]\nargv = ["true"]',
        second='[command.sample]\nargv = ["true", "again"]',
        in_place=False,
    ),
)
