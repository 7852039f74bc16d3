"""An interpreter that was upgraded, moved, removed, or changed in the declaration."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.host import MINOR, Host, changes, reasons
from tests.integration.interpreters import private_interpreter, upgrade


def apply_with_private_interpreter(host: Host) -> Path:
    """Apply with a private interpreter, and return its executable."""
    executable = private_interpreter(host.folder / "opt/python")
    host.python = str(executable)
    host.declare(["alpha", "beta<2"])
    host.applied()
    return executable


def test_upgraded_interpreter_plans_replace(stocked: Host) -> None:
    executable = apply_with_private_interpreter(stocked)
    upgrade(executable)

    plan = stocked.converges()

    assert plan["action"] == "replace"
    before, after = changes(plan)["python"]
    assert before == f"changed {executable}"
    assert after is not None
    assert after.endswith(f" {executable}")
    assert reasons(plan)["python"] == "its interpreter was replaced"
    assert set(changes(plan)) == {"python", "generation"}


def test_reinstalled_identical_interpreter_is_not_drift(stocked: Host) -> None:
    executable = apply_with_private_interpreter(stocked)
    copy = executable.with_name("copy")
    shutil.copy(executable, copy)
    copy.rename(executable)

    stocked.settled()


def test_moved_interpreter_is_found_again_in_path(stocked: Host) -> None:
    private_interpreter(stocked.folder / "opt/python")
    stocked.env = {"PATH": f"{stocked.folder}/opt/python/bin:{stocked.folder}/opt/moved/bin"}
    stocked.declare(["alpha", "beta<2"], python=MINOR.removeprefix("python"))
    stocked.applied()
    (stocked.folder / "opt/python").rename(stocked.folder / "opt/moved")

    plan = stocked.converges()

    assert plan["action"] == "replace"
    before, after = changes(plan)["python"]
    assert before == f"missing {stocked.folder}/opt/python/bin/{MINOR}"
    assert after is not None
    assert after.endswith(f"{stocked.folder}/opt/moved/bin/{MINOR}")
    assert stocked.script("alpha") == "alpha 1.1"


def test_removed_interpreter_named_by_path_is_an_error(stocked: Host) -> None:
    executable = apply_with_private_interpreter(stocked)
    live = stocked.generation
    shutil.rmtree(stocked.folder / "opt")

    failed = stocked.apply()

    assert failed.code == 1
    assert str(executable) in failed.first["error"]["message"]
    assert failed.first["error"]["hint"].startswith("install it")
    assert stocked.generation == live


def test_patch_release_keeps_package_versions(stocked: Host) -> None:
    """The resolution is valid for all patch releases of a minor version."""
    executable = apply_with_private_interpreter(stocked)
    upgrade(executable)
    shutil.rmtree(stocked.wheels)
    stocked.wheels.mkdir()

    plan = stocked.plan().first

    assert plan["action"] == "replace"
    assert not [name for name in changes(plan) if name.startswith("package.")]


def test_changed_python_key_plans_replace(stocked: Host) -> None:
    stocked.declare(["alpha", "beta<2"])
    stocked.applied()
    other = private_interpreter(stocked.folder / "opt/python")
    stocked.declare(["alpha", "beta<2"], python=str(other))

    plan = stocked.converges()

    assert plan["action"] == "replace"
    assert reasons(plan)["python"] == "another interpreter is asked for"
    assert (stocked.generation / "bin/python").resolve() == other


def test_another_implementation_resolves_versions_again(stocked: Host) -> None:
    packages = ["alpha", "gamma; platform_python_implementation != 'CPython'"]
    stocked.declare(packages)
    stocked.applied()
    other = private_interpreter(stocked.folder / "opt/python")
    library = other.parents[1] / "lib" / MINOR / "platform.py"
    source = library.read_text(encoding="utf-8")
    library.unlink()
    library.write_text(f"{source}\ndef python_implementation(): return 'Other'\n", encoding="utf-8")
    stocked.declare(packages, python=str(other))

    plan = stocked.plan().first

    assert plan["action"] == "replace"
    assert changes(plan)["package.gamma"][0] is None


@pytest.mark.parametrize("declared", [True, False])
def test_redirected_interpreter_symlink_plans_replace(stocked: Host, declared: bool) -> None:
    other = private_interpreter(stocked.folder / "opt/python")
    link = stocked.folder / "python3"
    link.symlink_to(stocked.python)
    table = f'[interpreter.main]\npython = "{link}"\n' if declared else ""
    python = "interpreter.main" if declared else str(link)
    stocked.declare(["alpha", "beta<2"], table, python=python)
    stocked.applied()
    link.unlink()
    link.symlink_to(other)

    plan = stocked.plan()
    stocked.applied()

    assert plan.resource("venv.app")["action"] == "replace"
    if declared:
        reason = reasons(plan.resource("interpreter.main"))["python"]
        assert reason == "the path leads to another one"
    assert (stocked.generation / "bin/python").resolve() == other
    stocked.settled()


def test_script_that_starts_the_interpreter_is_not_drift(stocked: Host) -> None:
    script = stocked.write(f'#!/bin/sh\nexec {stocked.python} "$@"\n', "start")
    script.chmod(0o755)
    link = stocked.folder / "python3"
    link.symlink_to(script)

    for path in (script, link):
        stocked.declare(["alpha", "beta<2"], python=str(path))
        stocked.applied()
        stocked.settled()


def test_changed_system_site_packages_plans_replace(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    stocked.declare(["beta<2"], system_site_packages=True)

    plan = stocked.converges()

    assert plan["action"] == "replace"
    assert changes(plan)["system-site-packages"] == ("false", "true")
    config = (stocked.generation / "pyvenv.cfg").read_text()
    assert "include-system-site-packages = true" in config
