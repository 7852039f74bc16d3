"""`converge import` declares existing venvs, and adopting them changes no version."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli

from tests.integration.existing_venvs import (
    MAKERS,
    VERSIONS,
    make_wheels,
    site_of,
    uv_install,
    with_uv,
)
from tests.integration.host import MINOR, Host
from tests.integration.interpreters import private_interpreter
from tests.support.command import Completed
from tests.support.projects import make_git_project, make_project
from tests.support.wheels import make_wheel

Import = Callable[..., Completed]
VERSION = f"{MINOR.removeprefix('python')}.0"
"""A version of the interpreter, as `pyvenv.cfg` records it."""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the wheels that all tools install."""
    directory = tmp_path_factory.mktemp("import") / "wheels"
    make_wheels(directory)
    return directory


@pytest.fixture
def run_import(host: Host, wheels: Path) -> Import:
    """Return a function that imports paths with the wheels, and returns the JSON document."""

    def run(*arguments: str | Path) -> Completed:
        return host.run("import", *arguments, "--no-index", "--find-links", wheels, "--json")

    return run


def document(done: Completed) -> dict[str, Any]:
    """Return the JSON of an import that succeeded."""
    assert done.code == 0, done.out + done.err
    parsed: dict[str, Any] = json.loads(done.out)
    return parsed


def kinds(venv: dict[str, Any]) -> set[str]:
    """Return the kinds of the findings about a venv."""
    return {finding["kind"] for finding in venv["findings"]}


def changed_versions(plan: Completed) -> dict[str, Any]:
    """Return the changes of packages and of the interpreter in a plan."""
    assert plan.code == 0, plan.out + plan.err
    changes = plan.changes()
    return {name: changes[name] for name in changes if name.startswith(("package.", "python"))}


def customize(venv: Path) -> None:
    """Do what operators do: edit files of a package, and add files."""
    site = site_of(venv)
    (site / "alpha" / "settings.py").write_text("DEBUG = True\n")
    (site / "alpha" / "local.py").write_text("LOCAL = 1\n")
    (venv / "bin" / "deploy").write_text("#!/bin/sh\n")
    (venv / "etc" / "alpha" / "alpha.conf").write_text("secret = 1\n")
    (venv / "etc" / "alpha" / "alpha.conf").chmod(0o640)
    (venv / "etc" / "alpha" / "paste.ini").write_text("[edited]\n")


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_adopting_an_imported_venv_changes_no_version(
    host: Host, wheels: Path, run_import: Import, maker: Callable[[Path, Path], None]
) -> None:
    maker(host.venv, wheels)
    customize(host.venv)

    (venv,) = document(run_import(host.venv))["venvs"]

    installed = {package["name"]: package["version"] for package in venv["packages"]}
    assert installed.items() >= VERSIONS.items()
    assert [path.split("site-packages/")[-1] for path in venv["edited"]] == [
        "etc/alpha/paste.ini",
        "alpha/settings.py",
    ]
    assert {path.split("site-packages/")[-1] for path in venv["unowned"]} == {
        "alpha/local.py",
        "bin/deploy",
        "etc/alpha/alpha.conf",
    }
    table = tomli.loads((host.directory / "converge.toml").read_text())["venv"]["app"]
    # uv doesn't record what was requested. Otherwise, an extra of alpha explains gamma.
    expected = {"alpha", "gamma"} if maker is with_uv else {"alpha[extra]", "beta"}
    assert set(table["packages"]) - {"pip", "setuptools", "wheel"} == expected
    assert table["persistent"] == ["etc/alpha"]

    plan = host.plan()
    assert changed_versions(plan) == {}
    notices = "\n".join(plan.report["notices"])
    for name in ("alpha/local.py", "bin/deploy", "alpha/settings.py"):
        assert f"{name}`" in notices
    assert "copies the data in `etc/alpha`" in notices

    adopted = host.run("adopt", "converge.toml", "app")
    assert adopted.code == 0, adopted.out + adopted.err
    assert host.versions().items() >= VERSIONS.items()
    assert (host.venv / "etc/alpha/alpha.conf").read_text() == "secret = 1\n"
    assert (host.venv / "etc/alpha/alpha.conf").stat().st_mode & 0o777 == 0o640
    assert (host.venv / "etc/alpha/paste.ini").read_text() == "[edited]\n"
    assert (host.site / "alpha/settings.py").read_text() == "DEBUG = False\n"
    host.assert_no_changes()


@pytest.fixture
def existing(host: Host, wheels: Path) -> Path:
    """Return a venv that uv created."""
    with_uv(host.venv, wheels)
    return host.venv


def table_of(host: Host, name: str = "app") -> dict[str, Any]:
    """Return a table of the written declaration."""
    text = (host.directory / "converge.toml").read_text()
    table: dict[str, Any] = tomli.loads(text)["venv"][name]
    return table


def tree(directory: Path) -> dict[str, tuple[int, int]]:
    """Return the mode and the ctime of each entry below a directory."""
    entries = (path.lstat() for path in sorted(directory.rglob("*")))
    return {str(e.st_ino): (e.st_mode, e.st_ctime_ns) for e in entries}


def remove_pyvenv_cfg(venv: Path) -> str:
    (venv / "pyvenv.cfg").unlink()
    return "`pyvenv.cfg` is missing"


def remove_record(venv: Path) -> str:
    (site_of(venv) / "alpha-1.0.dist-info" / "RECORD").unlink()
    return "RECORD is unusable (missing)"


def remove_metadata(venv: Path) -> str:
    (site_of(venv) / "alpha-1.0.dist-info" / "METADATA").unlink()
    return "METADATA is missing"


def remove_interpreter(venv: Path) -> str:
    settings = venv / "pyvenv.cfg"
    settings.write_text(f"home = /opt/gone/bin\nversion_info = {VERSION}\n")
    for name in ("python", "python3"):
        (venv / "bin" / name).unlink()
        (venv / "bin" / name).symlink_to(f"/opt/gone/bin/{MINOR}")
    return "interpreter doesn't exist any more: `/opt/gone/bin`"


def interrupt_pip(venv: Path) -> str:
    for name in ("~eta", "~eta-0.9.dist-info"):
        (site_of(venv) / name).mkdir()
        (site_of(venv) / name / "METADATA").write_text("Name: beta\nVersion: 0.9\n")
    return "killed run of pip"


def install_twice(venv: Path) -> str:
    info = site_of(venv) / "beta-0.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: beta\nVersion: 0.9\n")
    (info / "RECORD").write_text("beta/__init__.py,sha256=AAAA,1\n")
    return "beta is installed twice, as 1.0 and as 0.9"


def empty_metadata_directory(venv: Path) -> str:
    (site_of(venv) / "broken.dist-info").mkdir()
    return "don't name their package"


def remove_module(venv: Path) -> str:
    (site_of(venv) / "alpha" / "data.txt").unlink()
    return "lacks files of alpha"


DAMAGES = (
    remove_pyvenv_cfg,
    remove_record,
    remove_metadata,
    remove_interpreter,
    interrupt_pip,
    install_twice,
    empty_metadata_directory,
    remove_module,
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_reported_and_the_rest_is_imported(
    host: Host, existing: Path, run_import: Import, damage: Callable[[Path], str]
) -> None:
    message = damage(existing)

    (venv,) = document(run_import(existing))["venvs"]

    assert message in " ".join(finding["message"] for finding in venv["findings"])
    comments = (host.directory / "converge.toml").read_text().replace("\n#   ", " ")
    assert f"# REVIEW: {message.split()[0]}" in comments or message in comments
    assert ("duplicate" in kinds(venv)) == (damage is install_twice)
    versions = {package["name"]: package["version"] for package in venv["packages"]}
    assert versions == VERSIONS
    plan = host.plan()
    assert {name for name in changed_versions(plan) if name != "python"} == set(), plan.out


def test_import_runs_nothing_and_writes_only_its_output(
    host: Host, existing: Path, run_import: Import
) -> None:
    marker = host.directory / "executed"
    for name in ("python", "python3", "alpha"):
        program = existing / "bin" / name
        program.unlink()
        program.write_text(f"#!/bin/sh\ntouch {marker}\n")
        program.chmod(0o755)
    (site_of(existing) / "planted.pth").write_text(f"import os; os.mknod({str(marker)!r})\n")
    before = tree(host.venv.parent)

    (venv,) = document(run_import(existing))["venvs"]

    assert not marker.exists()
    assert tree(host.venv.parent) == before
    written = {"converge.toml", "converge.schema.json", "pylock.app.toml"}
    assert set(os.listdir(host.directory)) - {"venvs", "state"} == written
    assert "edited" in kinds(venv)


def test_interpreter_inside_the_venv_is_not_started(
    host: Host, existing: Path, run_import: Import
) -> None:
    """A program of another name isn't started either: another user may have named it."""
    marker = host.directory / "executed"
    planted = existing / "bin" / MINOR
    outside = host.directory / "reboot"
    for program in (planted, outside):
        program.unlink(missing_ok=True)  # It is a symlink to the real interpreter.
        program.write_text(f"#!/bin/sh\ntouch {marker}\n")
        program.chmod(0o755)
    disguised = host.directory / "python3"
    disguised.symlink_to(outside)
    (existing / "bin" / "python").unlink()
    (existing / "bin" / "python3").unlink()
    for program in (planted, outside, disguised):
        settings = f"home = {program.parent}\nexecutable = {program}\nversion = {VERSION}\n"
        (existing / "pyvenv.cfg").write_text(settings)

        (venv,) = document(run_import(existing, "--overwrite"))["venvs"]

        assert venv["python"] is None
        assert not marker.exists()


def test_version_that_the_index_lacks_is_pinned_and_reported(
    host: Host, existing: Path, run_import: Import, wheels: Path
) -> None:
    make_wheel(wheels, "delta", "1.0")
    delta = wheels / "delta-1.0-py3-none-any.whl"
    uv_install(existing, wheels, "delta")
    delta.rename(host.directory / delta.name)

    done = run_import(existing)

    assert done.code == 1
    error = json.loads(done.out)["errors"]["venv.app"]
    assert "doesn't have `delta==1.0`; wrote `requirements.app.txt`" in error["message"]
    pins = (host.directory / "requirements.app.txt").read_text().split()
    assert pins == ["alpha==1.0", "beta==1.0", "delta==1.0", "gamma==3.0"]
    assert not (host.directory / "pylock.app.toml").exists()
    plan = host.plan()
    assert plan.code == 1  # It doesn't propose to drop the package.
    assert "delta" in plan.first["error"]["message"]
    (host.directory / delta.name).rename(delta)
    assert changed_versions(host.plan()) == {}
    delta.unlink()


def test_unreachable_index_leaves_a_pinned_requirement_file(host: Host, existing: Path) -> None:
    index = "http://127.0.0.1:9/simple"

    done = host.run("import", existing, "--index-url", index, "--json")

    assert done.code == 69
    assert table_of(host)["requirements"] == ["requirements.app.txt"]
    assert table_of(host)["no-deps"] is True
    pins = (host.directory / "requirements.app.txt").read_text().split()
    assert pins == [f"{name}=={version}" for name, version in sorted(VERSIONS.items())]
    assert host.run("validate", "converge.toml").code == 0


def test_existing_files_are_overwritten_only_on_request(
    host: Host, existing: Path, run_import: Import
) -> None:
    host.write("# mine\n")

    refused = run_import(existing)

    assert refused.code == 64
    assert (host.directory / "converge.toml").read_text() == "# mine\n"
    assert not (host.directory / "pylock.app.toml").exists()
    document(run_import(existing, "--overwrite"))
    assert table_of(host)["path"] == str(existing)


def test_several_venvs_share_one_declaration(host: Host, wheels: Path, run_import: Import) -> None:
    venvs = host.directory / "venvs"
    paths = [venvs / name for name in ("nova-31.0.0", "keystone-31.0.0", "keystone-30.0.0")]
    for path in paths:
        with_uv(path, wheels)
    (venvs / "empty").mkdir()

    done = run_import(*paths, paths[0], venvs / "empty", venvs / "gone", "--to", venvs)

    assert done.code == 1
    errors = json.loads(done.out)["errors"]
    assert set(errors) == {"venv.empty", "venv.gone"}
    assert all("not a" in error["message"] for error in errors.values())
    text = (venvs / "converge.toml").read_text()
    names = {name: table["path"] for name, table in tomli.loads(text)["venv"].items()}
    assert names == dict(
        zip(("nova", "keystone-31.0.0", "keystone-30.0.0"), map(str, paths), strict=True)
    )
    plan = host.run("plan", venvs / "converge.toml", "--json")
    assert plan.code == 0, plan.out
    assert not [c for r in plan.report["resources"] for c in r["changes"] if "package" in c]


def test_managed_venv_is_not_imported(host: Host, wheels: Path, run_import: Import) -> None:
    host.declare(["gamma"], find_links=[str(wheels)])
    host.apply_ok()

    refused = run_import(host.venv, "--to", host.venv.parent)

    assert refused.code == 1
    assert "converge already manages" in refused.out
    assert not (host.venv.parent / "converge.toml").exists()


def test_direct_origins_are_declared(host: Host, existing: Path, run_import: Import) -> None:
    sources = host.directory / "sources"
    clone = make_git_project(sources, "cloned", "1.0")
    project = make_project(sources, "local", "2.0")
    editable = make_project(sources, "editable", "3.0")
    wheel = make_wheel(sources, "archived", "5.0")
    uv_install(existing, sources, f"cloned @ git+file://{clone.path}", str(project), str(wheel))
    uv_install(existing, sources, "--editable", str(editable))
    commit = clone.git("rev-parse", "HEAD").strip()

    (venv,) = document(run_import(existing))["venvs"]

    packages = table_of(host)["packages"]
    assert f"cloned @ git+file://{clone.path}@{commit}" in packages
    assert f"local @ file://{project}" in packages
    assert f"editable @ file://{editable}" in packages
    assert any(text.startswith(f"archived @ file://{wheel}") for text in packages)
    assert "editable" in kinds(venv)
    changed = changed_versions(host.plan())
    # uv records their versions, but not their content.
    assert set(changed) == {"package.local", "package.editable", "package.archived"}
    for before, after in changed.values():
        assert before.split(" @ ")[0] == after.split(" @ ")[0]
    assert host.run("adopt", "converge.toml", "app").code == 0
    host.assert_no_changes()


def test_origins_that_are_gone_are_reported(host: Host, existing: Path, run_import: Import) -> None:
    sources = host.directory / "sources"
    project = make_project(sources, "gone", "4.0")
    clone = make_git_project(existing / "src", "cloned", "1.0")
    remote = make_git_project(sources, "cloned", "1.0")
    clone.git("remote", "add", "origin", f"file://{remote.path}")
    uv_install(existing, sources, str(project), "--editable", str(clone.path))
    commit = clone.git("rev-parse", "HEAD").strip()
    project.rename(sources / "renamed")

    done = run_import(existing)

    assert done.code == 1  # No index has `gone`.
    (venv,) = json.loads(done.out)["venvs"]
    messages = " ".join(finding["message"] for finding in venv["findings"])
    assert f"gone came from the project `{project}`, which doesn't exist any more" in messages
    assert f"cloned came from the clone `{clone.path}`" in messages
    pins = (host.directory / "requirements.app.txt").read_text().splitlines()
    assert "gone==4.0" in pins
    assert f"cloned @ git+file://{remote.path}@{commit}" in pins
    assert venv["unowned"] == []


def test_distribution_modules_and_settings_are_declared(
    host: Host, existing: Path, run_import: Import
) -> None:
    executable = private_interpreter(host.directory / "distribution")
    modules = executable.parents[1] / "lib" / MINOR / "site-packages"
    (modules / "libvirt.py").write_text("")
    (modules / "guestfs").mkdir()
    (modules / "libvirt-1.egg-info").write_text("Name: libvirt\n")
    (modules / "libvirtmod.cpython-311-x86_64-linux-gnu.so").write_text("")
    site = site_of(existing)
    for path in modules.iterdir():
        (site / path.name).symlink_to(path)
    (site / "dangling.py").symlink_to("/usr/lib/python3/dist-packages/dangling.py")
    settings = f"home = {executable.parent}\ninclude-system-site-packages = true\n"
    (existing / "pyvenv.cfg").write_text(f"{settings}version_info = {VERSION}\n")
    existing.chmod(0o750)

    (venv,) = document(run_import(existing))["venvs"]

    table = table_of(host)
    assert table["system-packages"] == ["guestfs", "libvirt", "libvirtmod"]
    assert table["system-site-packages"] is True
    assert table["python"] == str(executable)
    assert table["mode"] == "0750"
    (symlink,) = [finding for finding in venv["findings"] if finding["kind"] == "symlink"]
    assert [path.split(" -> ")[0].rpartition("/")[2] for path in symlink["paths"]] == [
        "dangling.py"
    ]
    assert "unowned" not in kinds(venv)


def test_password_on_the_command_line_is_rejected(host: Host, existing: Path) -> None:
    url = "https://deploy:hunter2@index.example/simple"

    refused = host.run("import", existing, "--index-url", url)

    assert refused.code == 64
    assert "hunter2" not in refused.out + refused.err
    assert not (host.directory / "converge.toml").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_origin_from_another_user_is_not_built(
    host: Host, existing: Path, run_import: Import
) -> None:
    sources = host.directory / "sources"
    project = make_project(sources, "local", "2.0")
    uv_install(existing, sources, str(project))
    for path in (existing, *existing.rglob("*")):
        os.chown(path, 1234, 1234, follow_symlinks=False)

    done = run_import(existing)

    assert done.code == 77
    assert "another user can change" in done.out
    assert f"local @ file://{project}" in (host.directory / "requirements.app.txt").read_text()


def test_empty_venv_is_imported(host: Host, run_import: Import) -> None:
    site = host.venv / "lib" / MINOR / "site-packages"
    site.mkdir(parents=True)
    (host.venv / "pyvenv.cfg").write_text(
        f"home = {Path(host.python).parent}\nversion = {VERSION}\n"
    )

    (venv,) = document(run_import(host.venv))["venvs"]

    assert venv["packages"] == []
    assert table_of(host)["packages"] == []
    assert changed_versions(host.plan()).keys() <= {"python"}


def test_interpreter_installation_is_rejected(host: Host, run_import: Import) -> None:
    """An adoption would replace it."""
    prefix = host.directory / "installed"
    private_interpreter(prefix)

    refused = run_import(prefix)

    assert refused.code == 1
    assert "is the installation of an interpreter" in refused.out
    assert not (host.directory / "converge.toml").exists()
