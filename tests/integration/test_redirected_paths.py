"""If another user can redirect a path, root changes nothing at its target."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.integration.mount_namespaces import UNPRIVILEGED_UID

FILE = "converge.toml"
COMMANDS = ("gc", "gc --dry-run", "rollback app", "rollback app --release", "pin app", "absent")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change file owners")


@pytest.fixture
def redirected_store(host_with_wheels: Host) -> Path:
    """Return a real store to which another user's symlink redirects the declared one."""
    host_with_wheels.declare(["beta"])
    host_with_wheels.apply_ok()
    redirected_store = host_with_wheels.directory / "target"
    host_with_wheels.store.rename(redirected_store)
    (redirected_store / "generations" / "data").mkdir()
    host_with_wheels.store.symlink_to(redirected_store)
    os.lchown(host_with_wheels.store, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
    return redirected_store


def run_command(host: Host, command: str) -> int:
    """Run a command, or apply with `state = "absent"`, and return the exit code."""
    if command == "absent":
        host.declare(["beta"], state="absent")
        return host.apply().code
    name, *arguments = command.split()
    return host.run(name, FILE, *arguments).code


def entries(directory: Path) -> dict[str, int]:
    """Return the ctime of every path below a directory."""
    return {str(path): path.lstat().st_ctime_ns for path in directory.rglob("*")}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("parent", ["sticky", "owned"])
def test_redirected_store_is_refused_and_unchanged(
    host_with_wheels: Host, redirected_store: Path, command: str, parent: str
) -> None:
    """Any user can do this in a directory such as `/tmp`, or in their own directory."""
    if parent == "sticky":
        host_with_wheels.store.parent.chmod(0o1777)
    else:
        os.chown(host_with_wheels.store.parent, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
    before = entries(redirected_store)

    assert run_command(host_with_wheels, command) == 77

    assert entries(redirected_store) == before


def test_redirected_store_is_not_pruned(host_with_wheels: Host, redirected_store: Path) -> None:
    host_with_wheels.write("")
    before = entries(redirected_store)

    assert host_with_wheels.apply("--prune", "--allow-empty").code == 77

    assert entries(redirected_store) == before


@pytest.mark.parametrize("change", ["declared", "absent", "pruned"])
def test_link_below_another_users_symlink_is_refused(host: Host, change: str) -> None:
    (host.directory / "target").mkdir()
    tool = host.directory / "target/tool"
    (host.directory / "bin").symlink_to("target")
    host.write('[link."bin/tool"]\nto = "/bin/true"\n')
    host.apply_ok()
    os.lchown(host.directory / "bin", UNPRIVILEGED_UID, UNPRIVILEGED_UID)
    bodies = {"declared": 'to = "/bin/false"', "absent": 'state = "absent"'}
    host.write(f'[link."bin/tool"]\n{bodies[change]}\n' if change in bodies else "")

    refused = host.apply(*(["--prune", "--allow-empty"] if change == "pruned" else []))

    assert refused.code == 77
    assert f"unsafe symlink `{host.directory}/bin`" in refused.first["error"]["message"]
    assert os.readlink(tool) == "/bin/true"


def test_redirected_parent_of_a_valid_store_is_refused(host_with_wheels: Host) -> None:
    """The declared path has no venv, and the venv at the target isn't declared."""
    host_with_wheels.declare(["beta"])
    host_with_wheels.apply_ok()
    (host_with_wheels.directory / "other").symlink_to("venvs")
    os.lchown(host_with_wheels.directory / "other", UNPRIVILEGED_UID, UNPRIVILEGED_UID)
    host_with_wheels.declare(["beta"], path="other/app", state="absent")

    assert host_with_wheels.apply().code == 77

    assert host_with_wheels.run_python("import beta") == ""


def test_venv_behind_a_moved_parent_is_unchanged(host_with_wheels: Host) -> None:
    """An administrator moves a directory to another disk, and leaves a symlink."""
    for version in ("1.0", "1.1"):
        host_with_wheels.declare([f"alpha=={version}", "beta<2"])
        host_with_wheels.apply_ok()
    parent = host_with_wheels.venv.parent
    shutil.copytree(parent, host_with_wheels.directory / "disk", symlinks=True)
    shutil.rmtree(parent)
    parent.symlink_to("disk")

    host_with_wheels.assert_no_changes()
    assert host_with_wheels.run("verify", "converge.toml", "--all").code == 0
    assert host_with_wheels.run("rollback", "converge.toml", "app").code == 0
    assert host_with_wheels.run_script("alpha") == "alpha 1.0"
    host_with_wheels.declare(["alpha==1.0", "beta==2.0"])
    updated = host_with_wheels.apply_ok()
    assert "reusing 1 package" in updated.err
    assert host_with_wheels.run_script("alpha") == "alpha 1.0"
