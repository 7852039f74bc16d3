"""A `uv.lock` or a `pyproject.toml` as the input of a venv, with real uv."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli
from uv import find_uv_bin

from engine.errors import ConvergeError, IntegrityError
from engine.settings import Settings
from states.interpreter.discovery import find
from states.venv.resolve.projects.uv_lock import export_uv_lock
from states.venv.spec import Venv
from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.support.index import Index
from tests.support.projects import make_project
from tests.support.wheels import make_wheel

MORE = """
[project.optional-dependencies]
fast = ["gamma"]
[dependency-groups]
prod = ["delta", { include-group = "base" }]
base = ["epsilon"]
dev = ["never-installed"]
[tool.uv.sources]
local = { path = "../local" }
"""
RUN_MARKER = "open({!r}, 'w').close()\n"


def make_uv_project(host: Host, index: Index) -> Path:
    """Create the project `web` with a `uv.lock`; running its build backend creates the file `executed`."""
    make_wheels(index.directory)
    for name in ("delta", "epsilon", "never-installed"):
        make_wheel(index.directory, name, "1.0")
    make_project(host.directory, "local", "1.0", requires=["beta<2"])
    project = make_project(host.directory, "web", "1.0", requires=["alpha", "local"])
    file = project / "pyproject.toml"
    file.write_text(file.read_text() + MORE)
    environment = {**host.environment(), "UV_DEFAULT_INDEX": index.url}
    environment |= {"UV_CACHE_DIR": str(host.directory / "uv"), "UV_PYTHON": host.python}
    lock = [find_uv_bin(), "lock", "--quiet", "--no-build", "--project", str(project)]
    subprocess.run(lock, env=environment, check=True)
    backend = project / "_build/backend.py"
    backend.write_text(backend.read_text() + RUN_MARKER.format(str(host.directory / "executed")))
    return project


def contents(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


def test_project_is_installed_as_its_lock_defines(host: Host, index: Index) -> None:
    project = make_uv_project(host, index)
    make_wheel(index.directory, "alpha", "9.0")
    index.requests.clear()
    before = contents(project)
    sources: dict[str, Any] = {"find_links": [], "no_index": False, "index_url": index.url}
    host.declare([], lock="web/uv.lock", extras=["fast"], groups=["prod"], **sources)

    plan = host.plan()
    again = host.plan()

    assert plan.code == 0, plan.out + plan.err
    assert "reading `" in plan.err
    assert "reading `" not in again.err, "the versions are remembered"
    assert plan.report["digest"] == again.report["digest"]
    assert contents(project) == before
    assert not (host.directory / "executed").exists(), "a plan runs no code of the project"
    assert index.paths() == [], "a plan queries no index"
    done = host.apply_ok()
    assert "reading `" not in done.err
    assert host.versions() == {
        **dict.fromkeys(("web", "local", "delta", "epsilon", "beta"), "1.0"),
        "alpha": "1.1",
        "gamma": "3.0",
    }
    assert not [path for path in index.paths() if not path.startswith("/files/")]
    unchanged = host.apply_ok()
    assert not unchanged.report["changed"]
    assert "reading `" not in unchanged.err
    (project / "src/web/__init__.py").write_text("edited = True\n")
    assert host.check().code == 2
    host.declare([], lock="web/uv.lock", no_install_project=True, **sources)
    removed = {name for name, (_, after) in host.plan().changes().items() if after is None}
    assert removed == {f"package.{name}" for name in ("web", "gamma", "delta", "epsilon")}


def test_lock_command_leaves_a_uv_lock_alone(host: Host) -> None:
    host.write("version = 1\n", "uv.lock")
    host.declare([], lock="uv.lock")

    locking = host.run("lock", "converge.toml")

    assert locking.code == 0, locking.err
    assert f"uv maintains `{host.directory}/uv.lock`; run `uv lock` to update it" in locking.out
    assert (host.directory / "uv.lock").read_text() == "version = 1\n"


def test_requirements_of_a_project_are_resolved(host_with_wheels: Host) -> None:
    host = host_with_wheels
    make_wheel(host.wheels, "delta", "1.0")
    text = '[project]\nname = "web"\nversion = "1"\ndependencies = ["beta<2"]\n'
    text += '[project.optional-dependencies]\nfast = ["gamma"]\nslow = ["nothing-like-it"]\n'
    host.write(text + '[dependency-groups]\nprod = ["delta"]\n', "web/pyproject.toml")
    host.declare([], requirements=["web/pyproject.toml"], extras=["fast"], groups=["prod"])

    plan = host.plan()

    assert plan.code == 0, plan.out + plan.err
    added = {name: after for name, (_, after) in plan.changes().items() if "package." in name}
    assert added == {"package.beta": "1.0", "package.gamma": "3.0", "package.delta": "1.0"}


def test_plan_reports_an_unsupported_interpreter(host: Host) -> None:
    project = '[project]\nname = "web"\nversion = "1"\nrequires-python = ">=3.99"\n'
    host.write(project + "dependencies = []\n", "web/pyproject.toml")
    host.declare([], requirements=["web/pyproject.toml"])

    plan = host.plan()

    assert plan.code == 1
    assert "requires Python >=3.99, not 3." in plan.first["error"]["message"]


WORKSPACE_LOCK = """\
version = 1
requires-python = ">=3.8"
[manifest]
members = ["api", "core"]
[manifest.dependency-groups]
tools = [{ name = "tool" }]

[[package]]
name = "api"
version = "1"
source = { editable = "packages/api" }
dependencies = [{ name = "core" }, { name = "windows", marker = "sys_platform == 'win32'" }]

[[package]]
name = "core"
source = { editable = "packages/core" }
dependencies = [{ name = "outside" }, { name = "flat" }, { name = "elsewhere" }]

[[package]]
name = "outside"
version = "1"
source = { directory = "../outside" }

[[package]]
name = "elsewhere"
version = "1"
source = { directory = "/opt/elsewhere" }

[[package]]
name = "flat"
version = "1.0"
source = { registry = "../wheels" }
wheels = [{ path = "flat-1.0-py3-none-any.whl" }]

[[package]]
name = "tool"
version = "1.0"
source = { registry = "https://private.example/simple" }
wheels = [{ url = "https://private.example/tool-1.0-py3-none-any.whl", hash = "sha256:HASH" }]

[[package]]
name = "windows"
version = "1.0"
source = { registry = "https://private.example/simple" }
wheels = [{ url = "https://private.example/windows-1.0-py3-none-any.whl", hash = "sha256:HASH" }]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return the directory of a workspace that isn't a project itself."""
    directory = tmp_path / "with space/mono"
    for name in ("api", "core"):
        make_project(directory / "packages", name, "1", static=name == "api")
    with (directory / "packages/core/pyproject.toml").open("a") as stream:
        stream.write('[project]\nname = "core"\ndynamic = ["version", "dependencies"]\n')
    backend = directory / "packages/core/_build/backend.py"
    backend.write_text(RUN_MARKER.format(str(tmp_path / "executed")) + "raise SystemExit(1)\n")
    root = '[tool.uv.workspace]\nmembers = ["packages/*"]\n[dependency-groups]\ntools = ["tool"]\n'
    (directory / "pyproject.toml").write_text(root)
    (directory / "uv.lock").write_text(WORKSPACE_LOCK.replace("HASH", "a" * 64))
    make_wheel(directory.parent / "wheels", "flat", "1.0")
    (directory.parent / "cache").mkdir(mode=0o700)
    return directory


def states(directory: Path) -> dict[Path, int]:
    """Return the ctime of each entry outside of the cache."""
    entries = (path for path in directory.rglob("*") if "cache" not in path.parts)
    return {path: path.lstat().st_ctime_ns for path in entries}


def export(workspace: Path, **fields: object) -> dict[str, str]:
    """Select from the lock of a workspace in this process; return each path or URL by name."""
    spec = Venv(**{"path": "/venv", "lock": str(workspace / "uv.lock"), **fields})  # type: ignore[arg-type]
    settings = Settings(cache=str(workspace.parent / "cache"), state="")
    python = find(os.path.realpath(sys.executable))
    resolution = export_uv_lock(spec, python, settings, str)
    places = {}
    for package in tomli.loads(resolution.lock)["packages"]:
        (source,) = package.get("wheels") or [package["directory"]]
        places[package["name"]] = source.get("path") or source["url"]
    return places


def test_paths_in_a_lock_are_those_of_the_project(workspace: Path) -> None:
    parent = workspace.parent
    before = contents(workspace)
    assert export(workspace, workspace_member="api") == {
        "api": f"{workspace}/packages/api",
        "core": f"{workspace}/packages/core",
        "outside": f"{parent}/outside",
        "elsewhere": "/opt/elsewhere",
        "flat": f"{parent}/wheels/flat-1.0-py3-none-any.whl",
    }
    assert contents(workspace) == before
    # The metadata of `core` is dynamic, but nothing is built.
    assert not (workspace.parent.parent / "executed").exists()


def test_selection_decides_which_members_are_installed(workspace: Path) -> None:
    dependencies = {"outside", "elsewhere", "flat"}
    assert set(export(workspace, workspace_member="core")) == {"core", *dependencies}
    only = export(workspace, workspace_member="api", no_install_project=True)
    assert set(only) == {"core", *dependencies}
    assert set(export(workspace)) == {"api", "core", *dependencies}
    assert set(export(workspace, no_install_project=True)) == dependencies
    assert set(export(workspace, groups=("tools",))) == {"api", "core", "tool", *dependencies}


def test_hostile_lock_creates_nothing_outside(workspace: Path) -> None:
    """Its paths leave the project, or need a link as the parent of another entry."""
    outside = workspace.parent.parent / "outside"
    outside.mkdir()
    depth = len(workspace.parts)
    (outside / "pyproject.toml").write_text("[project]\nname = 'core'\n")
    lock = workspace / "uv.lock"
    escape = "../" * (depth + 40) + str(outside)[1:]
    text = lock.read_text().replace("packages/core", escape)
    text = text.replace("../wheels", str(workspace.parent.parent))
    text = text.replace('"flat-1.0-py3-none-any.whl" }', '"outside" }, { path = "outside/x" }')
    lock.write_text(text)
    before = states(workspace.parent.parent)

    with pytest.raises(ConvergeError):
        export(workspace)

    assert states(workspace.parent.parent) == before


def test_file_without_a_hash_is_rejected(workspace: Path) -> None:
    lock = workspace / "uv.lock"
    lock.write_text(lock.read_text().replace(f"sha256:{'a' * 64}", f"sha512:{'a' * 128}"))

    with pytest.raises(IntegrityError) as caught:
        export(workspace, groups=("tools",))

    assert caught.value.message.startswith("no SHA-256 hash for tool 1.0")
    assert "run `uv lock --project" in str(caught.value.hint)
