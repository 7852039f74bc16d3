"""A plan says what apply does, everywhere, and leaves nothing behind."""

from __future__ import annotations

import os

import pytest

from tests.integration.host import Host, changes
from tests.integration.rooms import read_only, room

CHAIN = """
[interpreter.base]
python = "{python}"

[venv.first]
path = "venvs/first"
python = "interpreter.base"
packages = ["beta<2"]
find-links = ["wheels"]
no-index = true

[venv.second]
path = "venvs/second"
python = "interpreter.base"
packages = ["alpha"]
find-links = ["wheels"]
no-index = true
needs = ["venv.first"]

[link."bin/alpha"]
to = "venv.second:bin/alpha"

[command.restart]
argv = ["touch", "{folder}/restarted"]
on-change = ["venv.second", "venv.first"]
"""
ADDRESSES = ["interpreter.base", "venv.first", "venv.second", "link.bin/alpha", "command.restart"]


@pytest.fixture
def chain(stocked: Host) -> Host:
    stocked.write(CHAIN.format(python=stocked.python, folder=stocked.folder))
    (stocked.folder / "bin").mkdir()
    return stocked


def everything(host: Host) -> dict[str, tuple[int, int, int]]:
    """Return how each path of a host looks."""
    found = {}
    for folder, folders, names in os.walk(host.folder):
        for name in (*folders, *names):
            path = os.path.join(folder, name)
            stat = os.lstat(path)
            found[path] = (stat.st_mode, stat.st_size, stat.st_mtime_ns)
    return found


def test_a_chain_is_planned_on_an_empty_disk(chain: Host) -> None:
    plan = chain.plan()

    assert plan.code == 0, plan.err
    found = {one["address"]: one for one in plan.report["resources"]}
    assert sorted(found) == sorted(ADDRESSES)
    assert {one["action"] for one in found.values()} == {"create"}
    assert changes(found["venv.first"])["package.beta"] == (None, "1.0")
    assert changes(found["venv.second"])["package.beta"] == (None, "2.0")
    assert changes(found["link.bin/alpha"])["to"][1] == f"{chain.folder}/venvs/second/bin/alpha"


def test_what_a_plan_foretells_of_a_chain_is_what_happens(chain: Host) -> None:
    foretold = chain.plan().report

    done = chain.applied().report

    def essence(report: dict[str, object]) -> list[object]:
        resources = report["resources"]
        assert isinstance(resources, list)
        return [
            (one["address"], one["action"], sorted(set(changes(one)) - {"generation"}))
            for one in resources
        ]

    assert essence(done) == essence(foretold)
    assert (chain.folder / "restarted").exists()
    assert not chain.applied().report["changed"]


def test_planning_and_checking_write_nothing_but_a_cache(chain: Host) -> None:
    chain.cache = chain.folder.parent / f"{chain.folder.name}-cache"
    before = everything(chain)

    chain.plan()
    chain.check()

    assert everything(chain) == before


def test_planning_and_checking_work_where_nothing_can_be_written(chain: Host) -> None:
    chain.cache = chain.folder / "cache"
    with room(read_only(chain.folder), chain.folder) as inside:
        plan, check = chain.plan(prefix=inside), chain.check(prefix=inside)

    assert plan.code == 0, plan.err
    assert plan.report["summary"]["create"] == len(ADDRESSES)
    assert check.code == 2, check.err


def test_a_finished_host_is_checked_where_nothing_can_be_written(live: Host) -> None:
    with room(read_only(live.folder), live.folder) as inside:
        assert live.check(prefix=inside).code == 0


def test_a_digest_is_the_same_for_the_same_plan_and_another_for_another(chain: Host) -> None:
    first, second = chain.plan("--jobs", "1").report, chain.plan("--jobs", "8").report
    assert first["digest"] == second["digest"]

    chain.write((chain.folder / "converge.toml").read_text().replace("beta<2", "beta==2.0"))

    assert chain.plan().report["digest"] != first["digest"]


def test_a_saved_plan_is_done_or_refused(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    assert stocked.plan("--out", "plan.json").code == 0
    assert stocked.apply("--plan", "plan.json").code == 0
    stocked.declare(["beta==2.0"])

    assert stocked.apply("--plan", "plan.json").code == 80
    assert stocked.versions() == {"beta": "1.0"}


def test_a_saved_plan_of_a_chain_is_done_though_no_id_can_be_planned(chain: Host) -> None:
    for version in ("beta<2", "beta==2.0"):
        chain.write((chain.folder / "converge.toml").read_text().replace("beta<2", version))
        chain.plan("--out", "plan.json")

        done = chain.apply("--plan", "plan.json")

        assert done.code == 0, done.out
        assert done.report["summary"]["failed"] == 0
        assert not chain.apply().report["changed"]


def test_a_plan_approves_what_is_run_and_not_only_that_it_is(host: Host) -> None:
    declare = '[command.say]\nargv = ["touch", "{0}/{1}"]\n'.format
    host.write(declare(host.folder, "approved"))
    host.plan("--out", "plan.json")
    host.write(declare(host.folder, "other"))

    assert host.apply("--plan", "plan.json").code == 80
    assert not (host.folder / "other").exists()


def test_dry_run_is_plan(chain: Host) -> None:
    dry = chain.apply("--dry-run").report

    assert dry["command"] == "plan"
    assert dry["digest"] == chain.plan().report["digest"]
    assert not (chain.folder / "venvs").exists()


def test_what_is_declared_absent_is_removed_with_its_store(stocked: Host) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    stocked.declare([], state="absent")

    plan = stocked.converges()

    assert plan["action"] == "delete"
    assert not stocked.venv.is_symlink()
    assert not stocked.store.exists()


def test_what_is_no_longer_declared_stays_until_pruned(stocked: Host) -> None:
    other = f'[venv.other]\npath = "venvs/other"\npython = "{stocked.python}"\n'
    stocked.declare(["beta"], more=other)
    stocked.applied()
    stocked.declare(["beta"])

    kept = stocked.applied()
    assert (stocked.folder / "venvs/other").exists()
    assert any("venv.other" in note for note in kept.report["notes"])

    stocked.applied("--prune")
    assert not (stocked.folder / "venvs/other").exists()
    assert stocked.venv.exists()


def test_a_venv_is_not_pruned_from_around_what_is_declared_in_it(stocked: Host) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    (stocked.venv / "tool").symlink_to("/bin/true")
    file = stocked.write(f'[link."{stocked.venv}/tool"]\nto = "/bin/true"\n')

    ended = stocked.run("apply", "--json", "--prune", file)

    failed = ended.resource("venv.app")
    assert (ended.code, failed["outcome"]) == (1, "failed")
    assert "lies in it" in failed["error"]["message"]
    assert stocked.venv.exists()


@pytest.mark.parametrize(
    "table", ['[link."{}/new"]\nto = "/bin/true"', '[venv.new]\npath = "{}/new"']
)
def test_nothing_is_made_inside_a_venv_that_vanished(stocked: Host, table: str) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    file = stocked.write(f"{table.format(stocked.venv)}\n")

    for verb in ("plan", "apply"):
        ended = stocked.run(verb, "--json", file)
        assert ended.code == 1
        assert "which converge made for another venv" in ended.first["error"]["message"]
    assert not (stocked.venv / "new").is_symlink()


def test_what_is_pruned_goes_before_anything_new_comes(stocked: Host) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    file = stocked.write(f'[link."new"]\nto = "{stocked.venv}/bin/python"\n')

    ended = stocked.run("apply", "--json", "--prune", file)

    assert ended.code == 1
    assert [one["outcome"] for one in ended.report["resources"]] == ["changed", "failed"]
    assert not (stocked.folder / "new").is_symlink()
