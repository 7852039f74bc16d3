"""The shell completions match the command line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli

from engine.settings import Settings
from states.__main__ import build_registry
from states.completion import KINDS, print_candidates
from tests.docs.generator import completions
from tests.docs.pages import ROOT

COMPLETIONS: dict[Path, str] = completions()


@pytest.mark.parametrize("path", COMPLETIONS, ids=lambda path: path.name)
def test_completion_file_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == COMPLETIONS[path], "run `python -m docs.completions`"


def test_wheel_installs_files_where_shells_and_man_search() -> None:
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"] == {
        "docs/generated/completions/converge.bash": "share/bash-completion/completions/converge",
        "docs/generated/completions/_converge": "share/zsh/site-functions/_converge",
        "docs/generated/completions/converge.fish": "share/fish/vendor_completions.d/converge.fish",
        "docs/generated/man/converge.1": "share/man/man1/converge.1",
        "docs/generated/man/converge.toml.5": "share/man/man5/converge.toml.5",
    }
    assert {path.name for path in COMPLETIONS} == {
        path.name for path in (ROOT / "docs/generated/completions").iterdir()
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
    source docs/generated/completions/converge.bash
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


DECLARATION = """
[defaults]
python = "3"
[venv.web]
path = "venvs/web"
[venv.api]
path = "venvs/api"
[link."bin/tool"]
to = "venv.web:bin/tool"
[command."$(touch planted)"]
argv = ["true"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a directory with a declaration, a venv with two generations, and the command."""
    (tmp_path / "converge.toml").write_text(DECLARATION)
    (tmp_path / "other.toml").write_text('[venv.jobs]\npath = "jobs"\n')
    for name in ("000001-bd72401a", "000002-bd72401a"):
        (tmp_path / "venvs/.web/generations" / name).mkdir(parents=True)
    script = tmp_path / "bin/converge"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m states "$@"\n')
    script.chmod(0o755)
    return tmp_path


def complete_in_bash(project: Path, line: str) -> list[str]:
    """Return the replies for a line, whose last word is the one to complete."""
    script = f"""
    source {ROOT}/docs/generated/completions/converge.bash
    cd "$2"
    IFS=' ' read -ra COMP_WORDS <<< "$1"
    [[ "$1" == *' ' ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    _shtab_converge
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    process = subprocess.run(
        ["bash", "-c", script, "bash", line, project],
        env={"PATH": f"{project / 'bin'}:/usr/bin:/bin", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stderr == ""
    return process.stdout.split()


@pytest.mark.parametrize(
    ("line", "replies"),
    [
        ("converge apply --only ", ["link.bin/tool", "venv.api", "venv.web"]),
        ("converge apply other.toml --only v", ["venv.jobs"]),
        ("converge rollback w", ["web"]),
        ("converge rollback converge.toml web ", ["api"]),
        ("converge rollback web --to 0", ["000001-bd72401a", "000002-bd72401a"]),
        ("converge pin converge.toml web 000002", ["000002-bd72401a"]),
        ("converge pin web 000001", ["000001-bd72401a"]),
        ("converge rollback --to 0", []),
        ("converge apply missing.toml --only x", []),
        ("converge show venv.w", ["venv.web"]),
        ("converge show other.toml v", ["venv.jobs"]),
        ("converge show oth", ["other.toml"]),
    ],
)
def test_bash_completes_names_from_the_declaration(
    project: Path, line: str, replies: list[str]
) -> None:
    assert complete_in_bash(project, line) == replies
    assert not (project / "planted").exists()


@pytest.mark.parametrize("content", ["[venv", "venv = 1", "[venv.a]\npath = 1", "\0", None])
def test_completion_is_silent_on_errors(
    project: Path, content: str | None, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    (project / "converge.toml").unlink()
    if content is not None:
        (project / "converge.toml").write_text(content)
    monkeypatch.chdir(project)
    for arguments in (["addresses"], ["generations", "pin", "a"], ["unknown"], []):
        assert print_candidates(arguments) == 0
    out, err = capfd.readouterr()
    assert (out.removesuffix("venv.a\n"), err) == ("", "")


def test_completion_imports_nothing_heavy(project: Path) -> None:
    program = (
        "import sys; sys.argv[1:] = ['__complete', 'addresses'];"
        "from states.__main__ import main; main(); print(*sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    *candidates, modules = process.stdout.splitlines()
    assert candidates == ["link.bin/tool", "venv.api", "venv.web"]
    heavy = {"pydantic", "networkx", "rich", "virtualenv", "subprocess", "asyncio"}
    assert heavy.isdisjoint(modules.split())


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish isn't installed")
def test_fish_completes_names_from_the_declaration(project: Path) -> None:
    script = f"source {ROOT}/docs/generated/completions/converge.fish; complete -C 'converge rollback converge.toml w'"
    process = subprocess.run(
        ["fish", "--no-config", "-c", script],
        cwd=project,
        env={"PATH": f"{project / 'bin'}:/usr/bin:/bin", "HOME": str(project)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.startswith("web\t")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh isn't installed")
def test_zsh_completes_names_from_the_declaration(project: Path) -> None:
    """A pseudoterminal is the only way to run the completions of zsh."""
    script = f"""
    zmodload zsh/zpty
    zpty z zsh -f -i
    zpty -w z 'fpath=({ROOT}/docs/generated/completions $fpath); autoload -U compinit; compinit -u -D'
    zpty -w z 'bindkey "^I" complete-word; print rea""dy'
    zpty -r z line '*ready*'
    zpty -w -n z "converge apply --only venv.w"$'\\t'
    zpty -r z line '*venv.web*' && print -r -- "$line"
    """
    process = subprocess.run(
        ["timeout", "60", "zsh", "-f", "-c", script],
        cwd=project,
        env={"PATH": f"{project / 'bin'}:/usr/bin:/bin", "HOME": str(project), "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "venv.web" in process.stdout


def test_addresses_of_every_kind_are_completed() -> None:
    assert set(KINDS) == set(build_registry(Settings(cache="/cache", state="/state")).kinds)
