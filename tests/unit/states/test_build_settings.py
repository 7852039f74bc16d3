"""Settings of builds: which package they apply to, and what the installer gets."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConvergeError, NoInput
from states.installer import BuildOptions
from states.installer.build_options import (
    build_tables,
    build_variables,
    cache_directory,
    narrow,
)
from states.installer.recorded_files import strip_secrets
from states.installer.uv import Uv
from states.system import cache_expiry, subprocesses
from states.venv.integrity.receipt import Package
from states.venv.resolve.builds.notices import build_notices
from states.venv.resolve.builds.options import build_options
from states.venv.resolve.builds.settings import KEYS, add_build_digests
from states.venv.spec import Venv

SDIST = Package(name="native", version="1.0", content="sha256:aa")
WHEEL = Package(name="torch", version="2.0", content="sha256:bb", wheel=True)


def _spec(**tables: Any) -> Venv:
    named = {key: tables.get(key.replace("-", "_"), {}) for key in KEYS}
    return Venv(path="/srv/web", build_settings=json.dumps(named) if tables else "")


def _builds(**tables: Any) -> dict[str, str]:
    packages = add_build_digests(_spec(**tables), (SDIST, WHEEL))
    return {package.name: package.build for package in packages}


APPLICABLE: list[dict[str, Any]] = [
    {"build_variables": {"A": "1"}},
    {"build_variables_package": {"native": {"A": "1"}}},
    {"config_settings": {"a": "1"}},
    {"config_settings_package": {"native": {"a": ["1", "2"]}}},
    {"extra_build_dependencies": {"native": [["cython", "cython<3"]]}},
]


@pytest.mark.parametrize("tables", APPLICABLE)
def test_settings_change_the_digest_of_built_packages(tables: dict[str, Any]) -> None:
    """A wheel isn't built, so its digest stays empty."""
    builds = _builds(**tables)
    assert len(builds["native"]) == 16
    assert builds["torch"] == ""


def test_settings_of_other_packages_change_no_digest() -> None:
    """Neither do no settings at all."""
    assert set(_builds(build_variables_package={"other": {"A": "1"}}).values()) == {""}
    assert set(_builds().values()) == {""}


def test_build_depends_on_the_version_of_its_requirement() -> None:
    """A package that was built against another version is built again."""
    spec = _spec(extra_build_dependencies={"native": [["torch", "torch"]]})
    newer = Package(name="torch", version="2.1", content="sha256:cc", wheel=True)
    builds = {add_build_digests(spec, (SDIST, torch))[0].build for torch in (WHEEL, newer)}
    assert len(builds) == 2


PINNED = [
    ("torch>=1", 'version = "2.0"\nwheels = [{ url = "https://x/t.whl" }]', "torch==2.0"),
    ("torch[a]; python_version > '3'", 'version = "2.0"', 'torch[a]==2.0; python_version > "3"'),
    ("torch<2", 'version = "2.0"', "torch<2"),
    ("torch @ https://x/y.whl", 'version = "2.0"', "torch @ https://x/y.whl"),
    ("torch", 'directory = { path = "/srv/torch" }', "torch @ file:///srv/torch"),
    (
        "torch",
        'vcs = { type = "git", url = "https://x/t", commit-id = "ab", subdirectory = "c" }',
        "torch @ git+https://x/t@ab#subdirectory=c",
    ),
    ("other", 'version = "2.0"', "other"),
]


@pytest.mark.parametrize(("text", "entry", "expected"), PINNED)
def test_build_requirement_has_the_version_of_the_venv(
    text: str, entry: str, expected: str
) -> None:
    """Unless it requires another one."""
    name = text.partition(" ")[0].partition("[")[0].partition("<")[0].partition(">")[0]
    spec = _spec(extra_build_dependencies={"native": [[name.rstrip(";"), text]]})
    options = build_options(spec, f'[[packages]]\nname = "torch"\n{entry}\n')
    assert options.dependencies == (("native", [expected]),)


def test_build_requirement_comes_from_the_index_of_its_package() -> None:
    """Builds query no index of one package, so the requirement names the file."""
    tables: dict[str, Any] = {key: {} for key in KEYS} | {KEYS[4]: {"native": [["torch", "torch"]]}}
    spec = Venv(
        path="/srv/web",
        build_settings=json.dumps(tables),
        package_index_url={"torch": "https://x/simple"},
    )
    lock = '[[packages]]\nname = "torch"\nversion = "2.0"\nwheels = [{ url = "https://x/t.whl" }]\n'
    assert build_options(spec, lock).dependencies == (("native", ["torch @ https://x/t.whl"]),)


def test_references_are_replaced_by_their_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing one is an error that names its key."""
    (tmp_path / "token").write_text("t0ken\n")
    monkeypatch.setenv("BUILD_A", "a-value")
    spec = _spec(
        build_variables={"A": "env:BUILD_A"},
        build_variables_package={"native": {"B": f"file:{tmp_path}/token"}},
    )
    options = build_options(spec)
    assert options.variables == (("A", "a-value"),)
    assert options.package_variables == (("native", {"B": "t0ken"}),)
    monkeypatch.delenv("BUILD_A")
    with pytest.raises(ConvergeError, match="`BUILD_A` isn't set"):
        build_options(spec)
    with pytest.raises(NoInput, match="from `build-variables`"):
        build_options(_spec(build_variables={"A": f"file:{tmp_path}/none"}))


BUILD = BuildOptions(
    variables=(("FLAGS", "-O3"), ("PATH", "/opt/bin")),
    package_variables=(("a", {"A": "1"}), ("b", {"A": "2"})),
    settings=(("all", "1"), ("mode", "all")),
    package_settings=(("a", {"mode": "own"}),),
    dependencies=(("b", ["cython"]),),
)


def test_settings_become_tables_of_the_configuration() -> None:
    """The variables of every build aren't among them."""
    assert build_tables(BUILD) == {
        "config-settings": {"all": "1", "mode": "all"},
        "config-settings-package": {"a": {"mode": "own"}},
        "extra-build-variables": {"a": {"A": "1"}, "b": {"A": "2"}},
        "extra-build-dependencies": {"b": ["cython"]},
    }
    assert build_tables(BuildOptions()) == {}


def test_settings_of_all_packages_become_those_of_each() -> None:
    """Installed packages get none, so that the installer leaves them alone."""
    assert build_tables(narrow(BUILD, {"a"})) == {
        "config-settings-package": {"a": {"all": "1", "mode": "own"}},
        "extra-build-variables": {"a": {"A": "1"}},
    }
    assert build_tables(narrow(BUILD, ())) == {}


def test_path_of_builds_precedes_the_directories_of_the_system() -> None:
    assert build_variables(BUILD, "/usr/bin") == {"FLAGS": "-O3", "PATH": "/opt/bin:/usr/bin"}


def test_each_set_of_variables_has_its_own_cache() -> None:
    """Other settings distinguish entries of one cache."""
    directories = {
        cache_directory(BuildOptions(variables=variables), "/cache")
        for variables in ((), (("A", "1"),), (("A", "2"),), (("B", "1"),))
    }
    assert len(directories) == 4
    assert "/cache/uv" in directories
    assert cache_directory(BuildOptions(settings=(("a", "1"),)), "/cache") == "/cache/uv"


def test_variables_of_builds_never_replace_those_of_uv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: dict[str, str] = {}

    def run(_argv: object, *, env: dict[str, str], **_options: object) -> subprocesses.Completed:
        environment.update(env)
        return subprocesses.Completed(0, "")

    monkeypatch.setattr(subprocesses, "run", run)
    uv = Uv(str(tmp_path), str(tmp_path))
    uv.use(BuildOptions(variables=(("FLAGS", "-O3"), ("UV_NO_CONFIG", "0"))))

    uv.run(["version"], "checking the version")

    assert environment["FLAGS"] == "-O3"
    assert environment["UV_NO_CONFIG"] == "1"
    assert environment["UV_CACHE_DIR"].startswith(f"{tmp_path}/uv-builds/")


def test_unused_caches_of_builds_expire_as_a_whole(tmp_path: Path) -> None:
    for name, age_s in (("old", 100 * 86400), ("new", 0)):
        directory = tmp_path / "uv-builds" / name
        (directory / "archive-v0").mkdir(parents=True)
        time = os.stat(directory).st_mtime - age_s
        os.utime(directory, (time, time))

    cache_expiry.delete(cache_expiry.expired(str(tmp_path)))

    assert os.listdir(tmp_path / "uv-builds") == ["new"]


def test_recorded_variables_of_a_build_are_removed(tmp_path: Path) -> None:
    """The row in RECORD has the digest of the new file."""
    info = tmp_path / "lib/python3.11/site-packages/native-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "uv_build.json").write_text('{"extra_build_variables":{"TOKEN":"t0ken"}}')
    (info / "RECORD").write_text("a.py,,\nnative-1.0.dist-info/uv_build.json,sha256=x,40\n")

    strip_secrets(str(tmp_path))

    assert (info / "uv_build.json").read_text() == "{}"
    digest = "RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o"
    assert (info / "RECORD").read_text().splitlines() == [
        "a.py,,",
        f"native-1.0.dist-info/uv_build.json,sha256={digest},2",
    ]


def test_notices_name_settings_without_effect() -> None:
    """A name that isn't similar may belong to another venv with the same defaults."""
    settings = {"torch": {"a": "1"}, "nativ": {"a": "1"}, "unrelated": {"a": "1"}}
    notices = list(build_notices(_spec(config_settings_package=settings), (SDIST, WHEEL)))
    assert len(notices) == 2
    assert "`torch` is installed from a wheel" in notices[0]
    assert "did you mean `native`?" in notices[1]
