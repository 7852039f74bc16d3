"""If another user can redirect a path, root changes nothing at its target."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.integration.rooms import NOBODY

FILE = "converge.toml"
COMMANDS = ("gc", "gc --dry-run", "rollback app", "rollback app --release", "pin app", "absent")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change file owners")


@pytest.fixture
def redirected_store(stocked: Host) -> Path:
    """Return a real store to which another user's symlink redirects the declared one."""
    stocked.declare(["beta"])
    stocked.applied()
    redirected_store = stocked.folder / "target"
    stocked.store.rename(redirected_store)
    (redirected_store / "generations" / "data").mkdir()
    stocked.store.symlink_to(redirected_store)
    os.lchown(stocked.store, NOBODY, NOBODY)
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
    stocked: Host, redirected_store: Path, command: str, parent: str
) -> None:
    """Any user can do this in a directory such as `/tmp`, or in their own directory."""
    if parent == "sticky":
        stocked.store.parent.chmod(0o1777)
    else:
        os.chown(stocked.store.parent, NOBODY, NOBODY)
    before = entries(redirected_store)

    assert run_command(stocked, command) == 77

    assert entries(redirected_store) == before


def test_redirected_store_is_not_pruned(stocked: Host, redirected_store: Path) -> None:
    stocked.write("")
    before = entries(redirected_store)

    assert stocked.apply("--prune").code == 77

    assert entries(redirected_store) == before


@pytest.mark.parametrize("change", ["declared", "absent", "pruned"])
def test_link_below_another_users_symlink_is_refused(host: Host, change: str) -> None:
    (host.folder / "target").mkdir()
    tool = host.folder / "target/tool"
    (host.folder / "bin").symlink_to("target")
    host.write('[link."bin/tool"]\nto = "/bin/true"\n')
    host.applied()
    os.lchown(host.folder / "bin", NOBODY, NOBODY)
    bodies = {"declared": 'to = "/bin/false"', "absent": 'state = "absent"'}
    host.write(f'[link."bin/tool"]\n{bodies[change]}\n' if change in bodies else "")

    refused = host.apply(*(["--prune"] if change == "pruned" else []))

    assert refused.code == 77
    assert f"the symlink `{host.folder}/bin`" in refused.first["error"]["message"]
    assert os.readlink(tool) == "/bin/true"


def test_redirected_parent_of_a_valid_store_is_refused(stocked: Host) -> None:
    """The declared path has no venv, and the venv at the target isn't declared."""
    stocked.declare(["beta"])
    stocked.applied()
    (stocked.folder / "other").symlink_to("venvs")
    os.lchown(stocked.folder / "other", NOBODY, NOBODY)
    stocked.declare(["beta"], path="other/app", state="absent")

    assert stocked.apply().code == 77

    assert stocked.python_says("import beta") == ""
