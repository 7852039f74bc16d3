"""Every command of the how-to pages runs, and prints what the page shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wrappers.callers.caller import Workspace, clean_environment
from tests.wrappers.conftest import skip_unavailable
from tests.wrappers.environments import ANSIBLE, REPOSITORY, ToolUnavailable
from tests.wrappers.pages import Page, read, script
from tests.wrappers.sources import Sources
from tests.wrappers.wheelhouse import wheelhouse

HOW_TO = REPOSITORY / "docs" / "how-to"
PAGES = {
    "ansible": (ANSIBLE,),
    "salt": ("salt",),
    "pyinfra": ("pyinfra",),
    "puppet": (),
    "chef": (),
    "dsc": (),
    "fleet": (ANSIBLE,),
}
_WITHOUT_TOOLS = ("puppet", "chef", "dsc")
_EXAMPLE_OF = {"fleet": "ansible"}
_EXAMPLE_URL = "https://deploy:s3cret@wheels.example/simple/"


@pytest.mark.parametrize("name", PAGES)
def test_page_files_match_the_example(name: str) -> None:
    """The files on the page are identical to the files of the example."""
    directory = REPOSITORY / "examples" / _EXAMPLE_OF.get(name, name)
    page = read(HOW_TO / f"{name}.md")
    assert page.files
    for title, text in page.files.items():
        assert (directory / title).read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in _WITHOUT_TOOLS else pytest.mark.extended)
        for name in PAGES
    ],
)
def test_page_commands_print_the_shown_lines(
    name: str,
    tmp_path: Path,
    executable: Path,
    sources: Sources,
    tool: Callable[[str], Path],
) -> None:
    """The commands run in order, in a copy of the example with a directory of wheels."""
    page = read(HOW_TO / f"{name}.md")
    programs = [tool(key) for key in PAGES[name]]
    if name == "puppet" and not shutil.which("puppet"):
        skip_unavailable("the Puppet page needs the program `puppet`")
    directory = _copy_example(name, tmp_path, sources)
    environ = clean_environment(tmp_path, *programs, executable.parent)
    workspace = Workspace(
        directory=directory, executable=executable, wrapper=directory, environ=environ
    )
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    text = script(page, outputs).replace(_EXAMPLE_URL, sources.index.url_with_password)
    completed = workspace.run(["bash", "-c", text])
    assert completed.returncode == 0, completed.stderr
    _compare(page, outputs)


def _copy_example(name: str, tmp_path: Path, sources: Sources) -> Path:
    """Copy the example, and add the wheels that the page mentions."""
    directory = tmp_path / "here"
    shutil.copytree(REPOSITORY / "examples" / _EXAMPLE_OF.get(name, name), directory)
    for file in directory.rglob("*"):
        if file.is_file() and _EXAMPLE_URL in file.read_text(encoding="utf-8"):
            file.write_text(file.read_text().replace(_EXAMPLE_URL, sources.index.url_with_password))
    subprocess.run(
        [sys.executable, REPOSITORY / "examples" / "wheels.py"], cwd=directory, check=True
    )
    for wheel in (directory / "wheels").iterdir():
        shutil.copy(wheel, sources.wheels)
    if name == "ansible":
        try:
            wheelhouse(directory / "wheels")
        except ToolUnavailable as reason:
            skip_unavailable(str(reason))
    return directory


def _compare(page: Page, outputs: Path) -> None:
    for number, command in enumerate(page.commands):
        output = (outputs / f"{number}.out").read_text()
        code = (outputs / f"{number}.code").read_text().strip()
        assert code == "0", f"$ {command.line}\n{output}"
        normalized = _normalize(output)
        for line in command.shown:
            missing = f"$ {command.line}\ndoesn't print `{line}`:\n{output}"
            assert _normalize(line) in normalized, missing


def _normalize(text: str) -> str:
    """Return the text without colors, and with each run of whitespace as one space."""
    return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m", "", text)).strip()
