"""Links into an environment are swapped whole, and say when they lead nowhere."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.host import Host, changes
from tests.support.wheels import make_wheel

LINK = '[link."bin/alpha"]\nto = "venv.app:bin/alpha"\n'


@pytest.fixture
def linked(stocked: Host) -> Host:
    (stocked.folder / "bin").mkdir()
    stocked.declare(["alpha"], more=LINK)
    stocked.applied()
    return stocked


def test_it_leads_through_the_published_path(linked: Host) -> None:
    assert os.readlink(linked.folder / "bin/alpha") == f"{linked.venv}/bin/alpha"
    done = subprocess.run([linked.folder / "bin/alpha"], capture_output=True, text=True)
    assert done.stdout == "alpha 1.1\n"


def test_an_upgrade_leaves_it_alone(linked: Host) -> None:
    linked.declare(["alpha==1.0"], more=LINK)

    done = linked.applied()

    assert done.resource("venv.app")["outcome"] == "changed"
    assert done.resource("link.bin/alpha")["outcome"] == "unchanged"
    done_by = subprocess.run([linked.folder / "bin/alpha"], capture_output=True, text=True)
    assert done_by.stdout == "alpha 1.0\n"


@pytest.mark.parametrize("how", ["removed", "redirected"])
def test_one_that_was_meddled_with_is_put_back(linked: Host, how: str) -> None:
    (linked.folder / "bin/alpha").unlink()
    if how == "redirected":
        (linked.folder / "bin/alpha").symlink_to("/bin/true")

    planned = linked.plan().resource("link.bin/alpha")
    linked.applied()

    assert planned["outcome"] == "would-change"
    assert os.readlink(linked.folder / "bin/alpha") == f"{linked.venv}/bin/alpha"
    linked.settled()


def test_a_colon_in_an_absolute_path_is_only_a_colon(host: Host) -> None:
    (host.folder / "a:b").write_text("")
    host.write(f'[link."here"]\nto = "{host.folder}/a:b"\n')

    host.applied()

    assert os.readlink(host.folder / "here") == f"{host.folder}/a:b"


def test_engines_side_by_side_do_not_take_each_others_links_away(host: Host) -> None:
    (host.folder / "there").mkdir()
    host.write(f'[link."here"]\nto = "{host.folder}/there"\n')

    for _ in range(3):
        (host.folder / "here").unlink(missing_ok=True)
        with ThreadPoolExecutor() as pool:
            ended = list(pool.map(lambda _: host.apply(), range(4)))

        assert [one.code for one in ended] == [0] * 4, [one.out for one in ended]
        assert sorted(one.name for one in host.folder.glob(".here*")) == []


@pytest.mark.parametrize("how", ["script", "path"])
def test_a_plan_does_not_name_a_link_that_the_repair_of_its_venv_mends(
    linked: Host, how: str
) -> None:
    if how == "script":
        (linked.generation / "bin/alpha").unlink()
    else:
        linked.venv.unlink()
        linked.venv.symlink_to("/usr")

    planned = linked.plan()
    done = linked.applied()

    for said in (planned, done):
        assert said.resource("link.bin/alpha")["outcome"] == "unchanged"
    assert planned.report["digest"] == done.report["digest"]
    linked.settled()


def test_what_an_interrupted_run_left_goes_and_nothing_that_is_only_called_alike(
    host: Host,
) -> None:
    (host.folder / ".here.next-0123abcd").symlink_to("/bin/true")
    (host.folder / ".here.next-notes").write_text("mine")
    (host.folder / ".here.next-89abcdef").mkdir()
    host.write('[link."here"]\nto = "/bin/true"\n')

    host.applied()

    kept = sorted(one.name for one in host.folder.glob(".here*"))
    assert kept == [".here.next-89abcdef", ".here.next-notes"]


def test_a_file_in_its_place_is_refused(linked: Host) -> None:
    (linked.folder / "bin/alpha").unlink()
    (linked.folder / "bin/alpha").write_text("mine")

    failed = linked.apply()

    assert failed.code == 1
    assert "is no symlink" in failed.resource("link.bin/alpha")["error"]["message"]
    assert (linked.folder / "bin/alpha").read_text() == "mine"


def test_a_script_that_an_upgrade_lost_is_a_clear_failure(linked: Host) -> None:
    make_wheel(linked.wheels, "alpha", "2.0")
    linked.declare(["alpha==2.0"], more=LINK)

    failed = linked.apply()

    assert failed.code == 1
    assert failed.resource("venv.app")["outcome"] == "changed"
    link = failed.resource("link.bin/alpha")
    assert link["outcome"] == "failed"
    assert f"{linked.venv}/bin/alpha" in link["error"]["message"]
    assert "a package may have dropped this script" in link["error"]["hint"]


def test_a_path_that_is_not_there_is_a_clear_failure_too(host: Host) -> None:
    host.write('[link."tool"]\nto = "/nowhere"\n')

    failed = host.apply()

    assert failed.code == 1
    assert failed.first["error"]["message"].endswith("would lead to `/nowhere`, where nothing is")
    assert failed.first["error"]["hint"].startswith("make that first")
    assert not (host.folder / "tool").is_symlink()


def test_one_declared_absent_goes(linked: Host) -> None:
    linked.declare(["alpha"], more='[link."bin/alpha"]\nstate = "absent"\n')

    assert linked.applied().resource("link.bin/alpha")["action"] == "delete"
    assert not (linked.folder / "bin/alpha").is_symlink()
    linked.settled()


def test_its_plan_names_what_it_would_lead_to(stocked: Host) -> None:
    (stocked.folder / "bin").mkdir()
    stocked.declare(["alpha"], more=LINK)

    planned = stocked.plan().resource("link.bin/alpha")

    assert changes(planned)["to"] == (None, f"{stocked.venv}/bin/alpha")


def test_a_link_that_was_never_ours_is_not_pruned(host: Host) -> None:
    (host.folder / "foreign").symlink_to("/bin/true")
    file = host.write('[link."foreign"]\nto = "/nowhere"\n')
    assert host.run("apply", file).code == 1
    host.write("")

    done = host.run("apply", "--json", "--prune", file)

    assert done.report["notes"] == []
    assert os.readlink(host.folder / "foreign") == "/bin/true"


def test_a_link_that_vanished_is_pruned_though_it_was_declared_to_lead_elsewhere_before(
    host: Host,
) -> None:
    for target in ("/bin/true", "/bin/false"):
        file = host.write(f'[link."tool"]\nto = "{target}"\n')
        assert host.run("apply", file).code == 0
    host.write("")

    assert host.run("apply", "--prune", file).code == 0

    assert not (host.folder / "tool").is_symlink()


def test_a_link_into_a_venv_is_pruned_with_it(linked: Host) -> None:
    file = linked.write("")

    assert linked.run("apply", "--json", "--prune", file).report["summary"]["delete"] == 2

    assert not (linked.folder / "bin/alpha").is_symlink()
