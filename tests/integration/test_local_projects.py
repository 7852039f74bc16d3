"""A local project is built from its current sources and from nothing else in its directory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.support.command import changes
from tests.support.wheels import make_project


@pytest.mark.parametrize("path", ["tool/venv", "tool/.venv"])
def test_venv_may_be_inside_its_own_project(host: Host, path: str) -> None:
    make_project(host.directory, "tool", "1.0", files={"src/tool/new.py": ""})
    host.declare(["tool @ ./tool"], path=path)

    host.assert_converges()
    make_project(host.directory, "tool", "1.0", files={"src/tool/newer.py": ""})

    assert host.assert_converges()["action"] == "update"


SETUPTOOLS_BACKEND = """
import warnings
warnings.simplefilter("ignore")
from distutils.core import Distribution

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    attributes = {"packages": ["tool"], "package_dir": {"": "src"}, "script_name": "setup.py"}
    distribution = Distribution(attributes)
    distribution.parse_config_files()
    distribution.run_command("build")
    return _wheel(wheel_directory, _tree(distribution.get_command_obj("build").build_lib))
"""
"""A build backend that packages everything in its build directory."""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python has no distutils")
@pytest.mark.parametrize("has_artifacts", [True, False])
def test_artifacts_of_an_earlier_build_are_not_installed(host: Host, has_artifacts: bool) -> None:
    backend = (Path(__file__).parents[1] / "support/backend.py").read_text()
    files = {"_build/backend.py": backend + SETUPTOOLS_BACKEND, "src/tool/gone.py": ""}
    tool = make_project(host.directory, "tool", "1.0", files=files)
    if has_artifacts:
        (tool / "build/lib/tool").mkdir(parents=True)
        (tool / "build/lib/tool/older.py").write_text("")
    host.declare(["tool @ ./tool"])
    host.assert_converges()
    assert (host.site / "tool/gone.py").exists()
    (tool / "src/tool/gone.py").rename(tool / "src/tool/new.py")

    host.assert_converges()

    names = {file.name for file in (host.site / "tool").glob("*.py")}
    assert names == {"__init__.py", "new.py"}
    assert [path.name for path in tool.glob("build/*")] == (["lib"] if has_artifacts else [])
    assert (tool / "build").exists() == has_artifacts


KILLING_BACKEND = """
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open(os.path.expanduser("~/.pydistutils.cfg")) as file:
        os.makedirs(file.read().split()[-1])
    installer = os.getppid()
    with open(f"/proc/{installer}/stat") as file:
        converge = int(file.read().split()[3])
    for process in (converge, installer):
        os.kill(process, 9)
"""
"""A build backend that kills converge and uv during the build."""


def test_artifacts_of_a_killed_build_are_removed(host: Host) -> None:
    backend = (Path(__file__).parents[1] / "support/backend.py").read_text()
    tool = make_project(
        host.directory, "tool", "1.0", files={"_build/backend.py": backend + KILLING_BACKEND}
    )
    host.declare(["tool @ ./tool"])
    assert host.apply().code == -9
    assert list(tool.glob("build/*"))
    make_project(host.directory, "tool", "1.0")

    host.assert_converges()

    assert not list(tool.glob("build/*"))


def make_projects(host: Host, word: str) -> None:
    """Create the project `tool`, which requires the project `part` by a relative path."""
    make_project(
        host.directory, "part", "1.0", files={"src/part/__init__.py": f"WORD = {word!r}\n"}
    )
    tool = make_project(host.directory, "tool", "1.0", requires=["part"])
    with (tool / "pyproject.toml").open("a") as stream:
        stream.write('[tool.uv.sources]\npart = { path = "../part" }\n')


def test_project_required_by_relative_path_is_installed(host: Host) -> None:
    make_projects(host, "old")
    host.declare(["tool @ ./tool"])

    plan = host.assert_converges()

    assert "part" in host.versions()
    assert f"@ file://{host.directory}/part#" in (changes(plan)["package.part"][1] or "")
    assert host.run("lock", "converge.toml").code == 0
    host.declare(["tool @ ./tool"], lock="pylock.app.toml")
    host.assert_no_changes()


def test_edited_transitive_project_is_an_update(host: Host) -> None:
    make_projects(host, "old")
    host.declare(["tool @ ./tool"])
    host.apply_ok()
    make_projects(host, "new")
    assert "declaration changed since" in host.run("status", "converge.toml").out

    plan = host.assert_converges()

    assert set(changes(plan)) == {"generation", "artifacts", "package.part"}
    assert host.run_python("import part; print(part.WORD)") == "new"
