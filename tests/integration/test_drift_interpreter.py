"""An interpreter that was upgraded, moved, removed, or changed in the declaration."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.host import MINOR, Host
from tests.integration.interpreters import private_interpreter, upgrade
from tests.support.command import changes, reasons
from tests.support.wheels import make_wheel


def apply_with_private_interpreter(host: Host) -> Path:
    """Apply with a private interpreter, and return its executable."""
    executable = private_interpreter(host.directory / "opt/python")
    host.python = str(executable)
    host.declare(["alpha", "beta<2"])
    host.apply_ok()
    return executable


def test_upgraded_interpreter_plans_replace(host_with_wheels: Host) -> None:
    executable = apply_with_private_interpreter(host_with_wheels)
    upgrade(executable)

    plan = host_with_wheels.assert_converges()

    assert plan["action"] == "replace"
    before, after = changes(plan)["python"]
    assert before == f"changed {executable}"
    assert after is not None
    assert after.endswith(f" {executable}")
    assert reasons(plan)["python"] == "its interpreter was replaced"
    assert set(changes(plan)) == {"python", "generation"}


def test_reinstalled_identical_interpreter_is_not_drift(host_with_wheels: Host) -> None:
    executable = apply_with_private_interpreter(host_with_wheels)
    copy = executable.with_name("copy")
    shutil.copy(executable, copy)
    copy.rename(executable)

    host_with_wheels.assert_no_changes()


def test_moved_interpreter_is_found_again_in_path(host_with_wheels: Host) -> None:
    private_interpreter(host_with_wheels.directory / "opt/python")
    host_with_wheels.env = {
        "PATH": f"{host_with_wheels.directory}/opt/python/bin:{host_with_wheels.directory}/opt/moved/bin"
    }
    host_with_wheels.declare(["alpha", "beta<2"], python=MINOR.removeprefix("python"))
    host_with_wheels.apply_ok()
    (host_with_wheels.directory / "opt/python").rename(host_with_wheels.directory / "opt/moved")

    plan = host_with_wheels.assert_converges()

    assert plan["action"] == "replace"
    before, after = changes(plan)["python"]
    assert before == f"missing {host_with_wheels.directory}/opt/python/bin/{MINOR}"
    assert after is not None
    assert after.endswith(f"{host_with_wheels.directory}/opt/moved/bin/{MINOR}")
    assert host_with_wheels.run_script("alpha") == "alpha 1.1"


def test_removed_interpreter_named_by_path_is_an_error(host_with_wheels: Host) -> None:
    executable = apply_with_private_interpreter(host_with_wheels)
    live = host_with_wheels.generation
    shutil.rmtree(host_with_wheels.directory / "opt")

    failed = host_with_wheels.apply()

    assert failed.code == 1
    assert str(executable) in failed.first["error"]["message"]
    assert failed.first["error"]["hint"].startswith("install it")
    assert host_with_wheels.generation == live


def test_patch_release_keeps_package_versions(host_with_wheels: Host) -> None:
    """The resolution is valid for all patch releases of a minor version."""
    executable = apply_with_private_interpreter(host_with_wheels)
    upgrade(executable)
    for name in ("alpha", "beta"):
        make_wheel(host_with_wheels.wheels, name, "1.9")

    plan = host_with_wheels.plan().first

    assert plan["action"] == "replace"
    assert not [name for name in changes(plan) if name.startswith("package.")]


def test_changed_python_key_plans_replace(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["alpha", "beta<2"])
    host_with_wheels.apply_ok()
    other = private_interpreter(host_with_wheels.directory / "opt/python")
    host_with_wheels.declare(["alpha", "beta<2"], python=str(other))

    plan = host_with_wheels.assert_converges()

    assert plan["action"] == "replace"
    assert reasons(plan)["python"] == "another interpreter was selected"
    assert (host_with_wheels.generation / "bin/python").resolve() == other


def test_another_implementation_resolves_versions_again(host_with_wheels: Host) -> None:
    packages = ["alpha", "gamma; platform_python_implementation != 'CPython'"]
    host_with_wheels.declare(packages)
    host_with_wheels.apply_ok()
    other = private_interpreter(host_with_wheels.directory / "opt/python")
    library = other.parents[1] / "lib" / MINOR / "platform.py"
    source = library.read_text(encoding="utf-8")
    library.unlink()
    library.write_text(f"{source}\ndef python_implementation(): return 'Other'\n", encoding="utf-8")
    host_with_wheels.declare(packages, python=str(other))

    plan = host_with_wheels.plan().first

    assert plan["action"] == "replace"
    assert changes(plan)["package.gamma"][0] is None


@pytest.mark.parametrize("declared", [True, False])
def test_redirected_interpreter_symlink_plans_replace(
    host_with_wheels: Host, declared: bool
) -> None:
    other = private_interpreter(host_with_wheels.directory / "opt/python")
    link = host_with_wheels.directory / "python3"
    link.symlink_to(host_with_wheels.python)
    table = f'[interpreter.main]\npython = "{link}"\n' if declared else ""
    python = "interpreter.main" if declared else str(link)
    host_with_wheels.declare(["alpha", "beta<2"], table, python=python)
    host_with_wheels.apply_ok()
    link.unlink()
    link.symlink_to(other)

    plan = host_with_wheels.plan()
    host_with_wheels.apply_ok()

    assert plan.resource("venv.app")["action"] == "replace"
    if declared:
        reason = reasons(plan.resource("interpreter.main"))["python"]
        assert reason == "the path resolves to another interpreter"
    assert (host_with_wheels.generation / "bin/python").resolve() == other
    host_with_wheels.assert_no_changes()


def test_script_that_starts_the_interpreter_is_not_drift(host_with_wheels: Host) -> None:
    script = host_with_wheels.write(f'#!/bin/sh\nexec {host_with_wheels.python} "$@"\n', "start")
    script.chmod(0o755)
    link = host_with_wheels.directory / "python3"
    link.symlink_to(script)

    for path in (script, link):
        host_with_wheels.declare(["alpha", "beta<2"], python=str(path))
        host_with_wheels.apply_ok()
        host_with_wheels.assert_no_changes()


def test_changed_system_site_packages_plans_replace(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta<2"])
    host_with_wheels.apply_ok()
    host_with_wheels.declare(["beta<2"], system_site_packages=True)

    plan = host_with_wheels.assert_converges()

    assert plan["action"] == "replace"
    assert changes(plan)["system-site-packages"] == ("false", "true")
    config = (host_with_wheels.generation / "pyvenv.cfg").read_text()
    assert "include-system-site-packages = true" in config
