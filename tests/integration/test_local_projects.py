"""A project that lies here is built as it is: from its sources, and from nothing else there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.integration.host import Host, changes
from tests.support.wheels import make_project


@pytest.mark.parametrize("path", ["tool/venv", "tool/.venv"])
def test_a_venv_may_lie_in_the_project_that_it_is_made_from(host: Host, path: str) -> None:
    make_project(host.folder, "tool", "1.0", files={"src/tool/new.py": ""})
    host.declare(["tool @ ./tool"], path=path)

    host.converges()
    make_project(host.folder, "tool", "1.0", files={"src/tool/newer.py": ""})

    assert host.converges()["action"] == "update"


AS_SETUPTOOLS = """
import warnings
warnings.simplefilter("ignore")
from distutils.core import Distribution

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    asked = {"packages": ["tool"], "package_dir": {"": "src"}, "script_name": "setup.py"}
    distribution = Distribution(asked)
    distribution.parse_config_files()
    distribution.run_command("build")
    return _wheel(wheel_directory, _tree(distribution.get_command_obj("build").build_lib))
"""
"""Packs all that it finds in the folder that it builds in."""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="NO DISTUTILS IN THIS PYTHON")
@pytest.mark.parametrize("kept", [True, False])
def test_what_an_earlier_build_left_in_a_project_is_not_installed(host: Host, kept: bool) -> None:
    backend = (Path(__file__).parents[1] / "support/backend.py").read_text()
    files = {"_build/backend.py": backend + AS_SETUPTOOLS, "src/tool/gone.py": ""}
    tool = make_project(host.folder, "tool", "1.0", files=files)
    if kept:
        (tool / "build/lib/tool").mkdir(parents=True)
        (tool / "build/lib/tool/older.py").write_text("")
    host.declare(["tool @ ./tool"])
    host.converges()
    assert (host.site / "tool/gone.py").exists()
    (tool / "src/tool/gone.py").rename(tool / "src/tool/new.py")

    host.converges()

    names = {one.name for one in (host.site / "tool").glob("*.py")}
    assert names == {"__init__.py", "new.py"}
    assert [one.name for one in tool.glob("build/*")] == (["lib"] if kept else [])
    assert (tool / "build").exists() == kept


KILLED = """
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open(os.path.expanduser("~/.pydistutils.cfg")) as file:
        os.makedirs(file.read().split()[-1])
    installer = os.getppid()
    with open(f"/proc/{installer}/stat") as file:
        engine = int(file.read().split()[3])
    for one in (engine, installer):
        os.kill(one, 9)
"""
"""Ends who builds, in the midst of it."""


def test_what_a_killed_build_left_is_removed_by_the_next(host: Host) -> None:
    backend = (Path(__file__).parents[1] / "support/backend.py").read_text()
    tool = make_project(host.folder, "tool", "1.0", files={"_build/backend.py": backend + KILLED})
    host.declare(["tool @ ./tool"])
    assert host.apply().code == -9
    assert list(tool.glob("build/*"))
    make_project(host.folder, "tool", "1.0")

    host.converges()

    assert not list(tool.glob("build/*"))


def beside(host: Host, text: str) -> None:
    """Make a project, and another that it requires, and finds by a relative path."""
    make_project(host.folder, "part", "1.0", files={"src/part/__init__.py": f"WORD = {text!r}\n"})
    tool = make_project(host.folder, "tool", "1.0", requires=["part"])
    with (tool / "pyproject.toml").open("a") as stream:
        stream.write('[tool.uv.sources]\npart = { path = "../part" }\n')


def test_a_project_that_another_finds_beside_itself_is_installed(host: Host) -> None:
    beside(host, "old")
    host.declare(["tool @ ./tool"])

    plan = host.converges()

    assert "part" in host.versions()
    assert f"@ file://{host.folder}/part#" in (changes(plan)["package.part"][1] or "")
    assert host.run("lock", "converge.toml").code == 0
    host.declare(["tool @ ./tool"], lock="app.pylock.toml")
    host.settled()


def test_an_edit_of_a_project_that_only_another_requires_is_noticed(host: Host) -> None:
    beside(host, "old")
    host.declare(["tool @ ./tool"])
    host.applied()
    beside(host, "new")
    assert "declaration changed since" in host.run("status", "converge.toml").out

    plan = host.converges()

    assert set(changes(plan)) == {"generation", "artifacts", "package.part"}
    assert host.python_says("import part; print(part.WORD)") == "new"
