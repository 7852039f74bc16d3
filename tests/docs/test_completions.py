"""The shell completions match the command line."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT

_spec = importlib.util.spec_from_file_location("completions", DOCS / "completions.py")
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

COMPLETIONS: dict[Path, str] = _module.completions()


@pytest.mark.parametrize("path", COMPLETIONS, ids=lambda path: path.name)
def test_completion_file_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == COMPLETIONS[path], "run `python -m docs.completions`"


@pytest.mark.parametrize(
    ("line", "replies"),
    [
        ("converge ro", ["rollback"]),
        ("converge apply --upg", ["--upgrade", "--upgrade-package"]),
        ("converge apply --color al", ["always"]),
        ("converge plan pyproj", ["pyproject.toml"]),
    ],
)
def test_bash_completes_commands_options_and_files(line: str, replies: list[str]) -> None:
    script = """
    source completions/converge.bash
    COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _shtab_converge
    printf '%s\\n' "${COMPREPLY[@]}"
    """
    process = subprocess.run(
        ["bash", "-c", script, "bash", line],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.split() == replies
