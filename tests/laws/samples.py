"""One sample declaration per kind. To test a new kind, add a sample here."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.integration.interpreters import private_interpreter
from tests.support.wheels import make_wheel


def _prepare_nothing(_directory: Path) -> None:
    """Do nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Two versions of one table. `@` is replaced by the directory of the declaration."""

    kind: str
    first: str
    second: str
    prepare: Callable[[Path], object] = _prepare_nothing
    """Creates the files that the tables refer to."""
    in_place: bool = True
    """Whether the second version updates the first. If not, it creates another resource."""


def _create_interpreters(directory: Path) -> None:
    for name in ("one", "two"):
        (directory / name).symlink_to(sys.executable)


def _create_wheels(directory: Path) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(directory / "wheels", "beta", version)


def _create_more_wheels(directory: Path) -> None:
    _create_wheels(directory)
    make_wheel(directory / "wheels", "alpha", "1.0")


def _create_targets(directory: Path) -> None:
    for name in ("one", "two"):
        (directory / name).write_text(name)


def _create_global_packages(directory: Path) -> None:
    """Create an interpreter with two packages, and an entry that belongs to no package."""
    executable = private_interpreter(directory / "prefix", os.path.realpath(sys.executable))
    (directory / "python").symlink_to(executable)
    site = directory / "prefix/lib" / executable.name / "site-packages"
    for name in ("alpha", "beta"):
        with zipfile.ZipFile(make_wheel(directory / "wheels", name, "1.0")) as wheel:
            wheel.extractall(site)
    (site / "stray.py").write_text("")


_VENV = f"""
[venv.sample]
path = "@/venvs/sample"
python = "{sys.executable}"
find-links = ["@/wheels"]
no-index = true
packages = """

_WHEELHOUSE = """
[wheelhouse.sample]
path = "@/venvs/wheels"
"""

SAMPLES = (
    Sample(
        kind="interpreter",
        first='[interpreter.sample]\npython = "@/one"',
        second='[interpreter.sample]\npython = "@/two"',
        prepare=_create_interpreters,
        in_place=False,
    ),
    Sample(
        kind="venv",
        first=f'{_VENV}["beta==1.0"]\nfiles."etc/sample".content = "1"',
        second=f'{_VENV}["beta==2.0"]\nfiles."etc/sample".content = "2"',
        prepare=_create_wheels,
    ),
    Sample(
        kind="wheelhouse",
        first=f'{_WHEELHOUSE}{_VENV}["alpha", "beta==1.0"]',
        second=f'{_WHEELHOUSE}{_VENV}["beta==1.0"]',
        prepare=_create_more_wheels,
    ),
    Sample(
        kind="link",
        first='[link."@/bin/sample"]\nto = "@/one"',
        second='[link."@/bin/sample"]\nto = "@/two"',
        prepare=_create_targets,
    ),
    Sample(
        kind="global",
        first='[global.sample]\npython = "@/python"\nallow = ["beta"]',
        second='[global.sample]\npython = "@/python"',
        prepare=_create_global_packages,
    ),
    Sample(
        kind="command",
        first='[command.sample]\nargv = ["true"]',
        second='[command.sample]\nargv = ["true", "again"]',
        in_place=False,
    ),
)
