"""Where others can lead a store elsewhere, nothing there is removed, moved or written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.integration.rooms import NOBODY

NAME = "converge.toml"
VERBS = ("gc", "gc --dry-run", "rollback app", "rollback app --release", "pin app", "absent")


@pytest.fixture
def victim(stocked: Host) -> Path:
    """A store that is somebody's, to which another user leads the one that is declared."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    stocked.declare(["beta"])
    stocked.applied()
    victim = stocked.folder / "victim"
    stocked.store.rename(victim)
    (victim / "generations" / "precious").mkdir()
    stocked.store.symlink_to(victim)
    os.lchown(stocked.store, NOBODY, NOBODY)
    return victim


def ended(host: Host, verb: str) -> int:
    """Call a verb on the declaration, or declare absence and apply; return the exit code."""
    if verb == "absent":
        host.declare(["beta"], state="absent")
        return host.apply().code
    name, *words = verb.split()
    return host.run(name, NAME, *words).code


def entries(folder: Path) -> dict[str, int]:
    """Return all that is below a folder, and when its status changed last."""
    return {str(one): one.lstat().st_ctime_ns for one in folder.rglob("*")}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("how", ["sticky", "owned"])
def test_a_store_that_another_leads_elsewhere(
    stocked: Host, victim: Path, verb: str, how: str
) -> None:
    """As anybody can in a folder like `/tmp`, and in one of their own."""
    if how == "sticky":
        stocked.store.parent.chmod(0o1777)
    else:
        os.chown(stocked.store.parent, NOBODY, NOBODY)
    before = entries(victim)

    assert ended(stocked, verb) == 77

    assert entries(victim) == before


def test_what_vanished_is_not_pruned_there(stocked: Host, victim: Path) -> None:
    stocked.write("")
    before = entries(victim)

    assert stocked.apply("--prune").code == 77

    assert entries(victim) == before


@pytest.mark.parametrize("how", ["declared", "absent", "pruned"])
def test_a_link_by_way_of_a_symlink_of_anothers(host: Host, how: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    (host.folder / "victim").mkdir()
    tool = host.folder / "victim/tool"
    (host.folder / "bin").symlink_to("victim")
    host.write('[link."bin/tool"]\nto = "/bin/true"\n')
    host.applied()
    os.lchown(host.folder / "bin", NOBODY, NOBODY)
    texts = {"declared": 'to = "/bin/false"', "absent": 'state = "absent"'}
    host.write(f'[link."bin/tool"]\n{texts[how]}\n' if how in texts else "")

    refused = host.apply(*(["--prune"] if how == "pruned" else []))

    assert refused.code == 77
    assert f"the symlink `{host.folder}/bin`" in refused.first["error"]["message"]
    assert os.readlink(tool) == "/bin/true"


def test_a_folder_on_the_way_that_another_leads_to_a_sound_store(stocked: Host) -> None:
    """What is declared is not there, and what is there was not declared."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    stocked.declare(["beta"])
    stocked.applied()
    (stocked.folder / "theirs").symlink_to("venvs")
    os.lchown(stocked.folder / "theirs", NOBODY, NOBODY)
    stocked.declare(["beta"], path="theirs/app", state="absent")

    assert stocked.apply().code == 77

    assert stocked.python_says("import beta") == ""
