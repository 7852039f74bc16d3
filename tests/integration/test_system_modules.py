"""Modules of the distribution behind `system-packages`: an upgrade or a removal is drift."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from engine.frozen import replace
from states.venv.integrity import system_modules
from states.venv.integrity.receipt import read_receipt, write_receipt
from states.venv.integrity.system_modules import observe_modules
from tests.integration.host import Host
from tests.integration.interpreters import private_interpreter
from tests.integration.test_persistent import interpreter_packages
from tests.support.command import changes

WATCHER = """
[command.restart]
argv = ["sh", "-c", "echo restarted >> restarts"]
cwd = "."
on-change = ["venv.app"]
"""


@pytest.fixture
def system(host_with_wheels: Host) -> Path:
    """Apply a venv with a distribution's module, and return the directory of the module."""
    python = private_interpreter(host_with_wheels.directory / "opt/python")
    system = interpreter_packages(python)
    assert system.is_relative_to(host_with_wheels.directory)
    (system / "libthing").mkdir(parents=True)
    (system / "libthing/__init__.py").write_text("VERSION = 1\n")
    (system / "libthing/__pycache__").mkdir()
    (system / "other.py").write_text("")
    host_with_wheels.python = str(python)
    host_with_wheels.declare(["beta"], system_packages=["libthing"], more=WATCHER)
    host_with_wheels.apply_ok()
    return system


def restarts(host: Host) -> int:
    """Return how often the command has run."""
    return len((host.directory / "restarts").read_text().splitlines())


def test_upgraded_module_is_drift(host_with_wheels: Host, system: Path) -> None:
    before = host_with_wheels.generation
    (system / "libthing/__init__.py").write_text("VERSION = 2\n")

    planned = host_with_wheels.assert_converges()

    assert planned["action"] == "repair"
    assert changes(planned)["system-packages.libthing"] == ("changed", "intact")
    assert host_with_wheels.generation != before
    assert host_with_wheels.run_python("import libthing; print(libthing.VERSION)") == "2"
    assert restarts(host_with_wheels) == 2


@pytest.mark.parametrize("change", ["new file", "new extension", "file to directory"])
def test_other_files_of_a_module_are_drift(
    host_with_wheels: Host, system: Path, change: str
) -> None:
    if change == "new file":
        (system / "libthing/more.py").write_text("")
    elif change == "new extension":
        (system / "libthing.cpython-399.so").write_text("")
    else:
        shutil.rmtree(system / "libthing")
        (system / "libthing.py").write_text("VERSION = 3\n")

    planned = host_with_wheels.assert_converges()

    assert changes(planned)["system-packages.libthing"] == ("changed", "intact")


def test_removed_module_is_drift_and_an_error(host_with_wheels: Host, system: Path) -> None:
    generation = host_with_wheels.generation
    shutil.rmtree(system / "libthing")

    check = host_with_wheels.check()
    assert check.code == 2
    assert changes(check.first)["system-packages.libthing"] == ("missing", "intact")
    for done in (host_with_wheels.plan(), host_with_wheels.apply()):
        assert done.code == 1
        assert "with the module `libthing`" in done.first["error"]["message"]
    assert host_with_wheels.generation == generation


def test_reinstalled_module_changes_nothing(host_with_wheels: Host, system: Path) -> None:
    copy = system / "copy"
    shutil.copy(system / "libthing/__init__.py", copy)
    os.replace(copy, system / "libthing/__init__.py")
    (system / "libthing/__pycache__/__init__.cpython-399.pyc").write_text("bytecode")
    (system / "other.py").write_text("changed")

    host_with_wheels.assert_no_changes()

    receipt = read_receipt(str(host_with_wheels.generation))
    assert receipt is not None
    assert [module.compare() for module in receipt.system_modules] == [("", False)]
    assert restarts(host_with_wheels) == 1


def test_observation_lists_a_module_once(
    host_with_wheels: Host, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = []

    def list_directory(path: str) -> list[str]:
        listed.append(path)
        return os.listdir(path)

    monkeypatch.setattr(system_modules, "listdir_or_empty", list_directory)
    receipt = read_receipt(str(host_with_wheels.generation))
    assert receipt is not None
    assert observe_modules(receipt.system_modules, held=False) == ({}, False)
    assert listed.count(f"{system}/libthing") == 1


def test_changed_link_is_drift(host_with_wheels: Host, system: Path) -> None:
    link = host_with_wheels.site / "libthing"
    name = os.path.relpath(link, host_with_wheels.generation)
    link.unlink()
    link.symlink_to("/usr/share")

    planned = host_with_wheels.assert_converges()

    assert changes(planned)[f"file.{name}"] == ("modified", "intact")
    assert os.readlink(host_with_wheels.site / "libthing") == str(system / "libthing")


def test_receipt_without_modules_gets_them(host_with_wheels: Host, system: Path) -> None:
    """Receipts of earlier versions don't record modules."""
    root = str(host_with_wheels.generation)
    receipt = read_receipt(root)
    assert receipt is not None
    write_receipt(replace(receipt, system_modules=()), root)
    host_with_wheels.assert_no_changes()
    assert read_receipt(root) == receipt


def test_held_generation_runs_with_an_upgraded_module(host_with_wheels: Host, system: Path) -> None:
    host_with_wheels.declare(["beta<2"], system_packages=["libthing"], more=WATCHER)
    host_with_wheels.apply_ok()
    assert host_with_wheels.run("rollback", "converge.toml").code == 0
    (system / "libthing/__init__.py").write_text("VERSION = 2\n")

    assert host_with_wheels.apply().first["outcome"] == "unchanged"
    assert host_with_wheels.versions() == {"beta": "2.0"}
    shutil.rmtree(system / "libthing")
    assert "damaged" in host_with_wheels.apply().first["error"]["message"]


def test_older_generation_with_an_older_module_is_not_reused(
    host_with_wheels: Host, system: Path
) -> None:
    first = host_with_wheels.generation
    host_with_wheels.declare(["beta<2"], system_packages=["libthing"], more=WATCHER)
    host_with_wheels.apply_ok()
    (system / "libthing/__init__.py").write_text("VERSION = 2\n")
    host_with_wheels.declare(["beta"], system_packages=["libthing"], more=WATCHER)

    host_with_wheels.assert_converges()

    assert host_with_wheels.generation != first
