"""Settings of builds from source: variables, settings of backends, and further requirements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.host import Host
from tests.integration.snapshots import Snapshots
from tests.support import backend
from tests.support.command import changes
from tests.support.projects import make_project, make_sdist
from tests.support.wheels import make_wheel

RECORDING = """

def _recording(build):
    def build_and_record(directory, config_settings=None, metadata_directory=None):
        import glob, json
        built = {key: value for key, value in os.environ.items() if key in ("PATH", "FLAGS", "TOKEN")}
        built["settings"] = config_settings
        try:
            import helper
            built["helper"] = helper.__version__
        except ImportError:
            pass
        (module,) = glob.glob("src/*")
        with open(module + "/built.json", "w") as file:
            json.dump(built, file)
        print("TOKEN is " + os.environ.get("TOKEN", "unset"))
        return build(directory, config_settings, metadata_directory)
    return build_and_record

build_wheel = _recording(build_wheel)
"""
"""Makes a backend write the environment of the build into the wheel."""
FILES = {"_build/backend.py": Path(backend.__file__).read_text(encoding="utf-8") + RECORDING}


SETTINGS = """
[venv.app.build-variables-package]
Native = { FLAGS = "-O3", PATH = "/opt/tools/bin", TOKEN = "env:BUILD_TOKEN" }
project = { TOKEN = "file:token" }
[venv.app.config-settings-package]
native = { plain = "a", several = ["b", "c"] }
[venv.app.extra-build-dependencies]
native = ["helper"]
"""


def built(venv: Path, module: str = "native") -> dict[str, Any]:
    """Return what the build of a package in a venv recorded."""
    (path,) = venv.glob(f"lib/*/site-packages/{module}/built.json")
    recorded: dict[str, Any] = json.loads(path.read_text())
    return recorded


def prepare(host: Host) -> None:
    """Build packages with the default settings."""
    for name in ("native", "other"):
        make_sdist(host.wheels, name, "1.0", files=FILES)
    make_project(host.directory, "project", "1.0", files=FILES)
    for version in ("1.0", "2.0"):
        files = {"helper.py": f'__version__ = "{version}"\n'}
        make_wheel(host.wheels, "helper", version, files=files)
    host.write(f"project @ file://{host.directory}/project\n", "requirements.txt")
    host.declare(["native", "other", "helper<2"], requirements=["requirements.txt"])
    host.apply_ok()


def declare_settings(host: Host) -> None:
    """Declare settings of two of the packages, one of them also in its requirement file."""
    host.env = {"BUILD_TOKEN": "t0ken-of-ann"}
    host.write("t0ken-of-bob\n", "token")
    project = f"project @ file://{host.directory}/project --config-settings a=1 -C a=2 -C b=3\n"
    host.write(project, "requirements.txt")
    packages = ["native", "other", "helper<2"]
    host.declare(packages, requirements=["requirements.txt"], more=SETTINGS)


@pytest.fixture
def applied(snapshots: Snapshots) -> Host:
    """Return a host with packages that were built with the default settings."""
    return snapshots.host("built", prepare)


def test_changed_settings_build_only_their_packages(applied: Host) -> None:
    """Each package gets its own settings, and only packages whose settings change are built.

    A secret is neither shown nor stored, and the value itself isn't an input.
    """
    other = built(applied.venv, "other")
    declare_settings(applied)

    planned = applied.plan().first
    applied.apply_ok()

    native, project = built(applied.venv), built(applied.venv, "project")
    assert native["FLAGS"] == "-O3"
    assert native["settings"] == {"plain": "a", "several": ["b", "c"]}
    assert native["helper"] == "1.0"  # As in the venv, although 2.0 exists.
    assert "/opt/tools/bin:/usr/local/sbin" in native["PATH"]
    assert project["settings"] == {"a": ["1", "2"], "b": "3"}
    assert (native["TOKEN"], project["TOKEN"]) == ("t0ken-of-ann", "t0ken-of-bob")
    assert built(applied.venv, "other") == other
    assert set(changes(planned)) == {"artifacts", "generation"}
    reasons = {change["attribute"]: change["reason"] for change in planned["changes"]}
    assert reasons["artifacts"] == "the build settings of native, project changed"
    records = [*applied.store.rglob("*"), *(applied.directory / "state").rglob("*.json")]
    for path in records:
        if path.is_file() and path.name != "built.json":
            assert b"t0ken-of" not in path.read_bytes(), path
    applied.env = {"BUILD_TOKEN": "another"}
    assert applied.check().code == 0


def test_each_venv_gets_builds_with_its_own_variables(applied: Host) -> None:
    """Neither the cache nor another venv provides a package with other variables."""
    rows = (
        f"python = {json.dumps(applied.python)}\npackages = ['native']\n"
        f"find-links = [{json.dumps(str(applied.wheels))}]\nno-index = true\n"
    )
    tables = [
        f'[venv.{name}]\npath = "venvs/{name}"\n{rows}build-variables = {{ FLAGS = "{name}" }}\n'
        for name in ("one", "two")
    ]
    applied.write("\n".join([f'[venv.app]\npath = "venvs/app"\n{rows}', *tables]))

    applied.apply_ok("--jobs", "1")

    flags = {
        name: built(applied.venv.with_name(name)).get("FLAGS") for name in ("app", "one", "two")
    }
    assert flags == {"app": None, "one": "one", "two": "two"}
    assert not applied.apply().report["changed"]


def test_settings_of_wheels_change_nothing_and_are_reported(applied: Host) -> None:
    """A wheel isn't built, and a name that isn't installed gets a suggestion."""
    settings = "[venv.app.config-settings-package]\nhelper = { a = 'b' }\nnativ = { a = 'b' }\n"
    packages = ["native", "other", "helper<2"]
    applied.declare(packages, requirements=["requirements.txt"], more=settings)

    plan = applied.plan()

    assert plan.first["action"] == "none"
    notices = "\n".join(plan.report["notices"])
    assert "`helper` is installed from a wheel" in notices
    assert "did you mean `native`?" in notices


def test_missing_secret_of_a_build_is_reported_by_plan(applied: Host) -> None:
    declare_settings(applied)
    applied.env = {}

    plan = applied.plan()

    assert plan.code == 1
    assert "`BUILD_TOKEN` isn't set" in plan.first["error"]["message"]
