"""Every command of the how-to pages runs, and shows what the page says it shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wrappers.callers.caller import Place, clean_environment
from tests.wrappers.conftest import unavailable
from tests.wrappers.environments import ANSIBLE, REPOSITORY, NotHere
from tests.wrappers.pages import Page, read, script
from tests.wrappers.wheelhouse import wheelhouse
from tests.wrappers.world import World

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
_EXAMPLE_OF = {"fleet": "ansible"}
_ELSEWHERE = "https://deploy:s3cret@wheels.example/simple/"


@pytest.mark.parametrize("name", PAGES)
def test_the_files_of_a_page_are_those_of_the_example(name: str) -> None:
    """Whoever copies from the page and whoever copies the folder have the same."""
    folder = REPOSITORY / "examples" / _EXAMPLE_OF.get(name, name)
    page = read(HOW_TO / f"{name}.md")
    assert page.files
    for title, text in page.files.items():
        assert (folder / title).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_of_a_page_do_what_it_says(
    name: str,
    tmp_path: Path,
    engine: Path,
    world: World,
    tool: Callable[[str], Path],
) -> None:
    """From the example's folder and a folder of wheels, in the page's order."""
    page = read(HOW_TO / f"{name}.md")
    programs = [tool(key) for key in PAGES[name]]
    if name == "puppet" and not shutil.which("puppet"):
        unavailable("the page on Puppet needs the program puppet")
    folder = _begin(name, tmp_path, world)
    environ = clean_environment(tmp_path, *programs, engine.parent)
    at = Place(folder=folder, engine=engine, wrapper=folder, environ=environ)
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    text = script(page, outputs).replace(_ELSEWHERE, world.index.url_with_password)
    done = at.run(["bash", "-c", text])
    assert done.returncode == 0, done.stderr
    _compare(page, outputs)


def _begin(name: str, tmp_path: Path, world: World) -> Path:
    """Copy the example, and fill its folder of wheels as the page says."""
    folder = tmp_path / "here"
    shutil.copytree(REPOSITORY / "examples" / _EXAMPLE_OF.get(name, name), folder)
    for file in folder.rglob("*"):
        if file.is_file() and _ELSEWHERE in file.read_text(encoding="utf-8"):
            file.write_text(file.read_text().replace(_ELSEWHERE, world.index.url_with_password))
    subprocess.run([sys.executable, REPOSITORY / "examples" / "wheels.py"], cwd=folder, check=True)
    for wheel in (folder / "wheels").iterdir():
        shutil.copy(wheel, world.wheels)
    if name == "ansible":
        try:
            wheelhouse(folder / "wheels")
        except NotHere as why:
            unavailable(str(why))
    return folder


def _compare(page: Page, outputs: Path) -> None:
    for number, command in enumerate(page.commands):
        said = (outputs / f"{number}.out").read_text()
        code = (outputs / f"{number}.code").read_text().strip()
        assert code == "0", f"$ {command.line}\n{said}"
        flat = _flat(said)
        for line in command.shown:
            assert _flat(line) in flat, f"$ {command.line}\nshows no `{line}` in\n{said}"


def _flat(text: str) -> str:
    """Without colours, and with every run of blanks as one."""
    return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m", "", text)).strip()
