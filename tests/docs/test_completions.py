"""The shell completions match the command line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import tomli

from tests.docs.generator import completions
from tests.docs.pages import ROOT

COMPLETIONS: dict[Path, str] = completions()


@pytest.mark.parametrize("path", COMPLETIONS, ids=lambda path: path.name)
def test_completion_file_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == COMPLETIONS[path], "run `python -m docs.completions`"


def test_wheel_installs_each_completion_where_its_shell_searches() -> None:
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"] == {
        "completions/converge.bash": "share/bash-completion/completions/converge",
        "completions/_converge": "share/zsh/site-functions/_converge",
        "completions/converge.fish": "share/fish/vendor_completions.d/converge.fish",
    }
    assert {path.name for path in COMPLETIONS} == {
        path.name for path in (ROOT / "completions").iterdir()
    }


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
