"""`plan` reports the changes that `apply` makes, and changes nothing itself."""

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
    """Return a host that declares one resource of each kind, each depending on another."""
    stocked.write(CHAIN.format(python=stocked.python, folder=stocked.folder))
    (stocked.folder / "bin").mkdir()
    return stocked


def list_paths(host: Host) -> dict[str, tuple[int, int, int]]:
    """Return mode, size and modification time of each path below a host's directory."""
    entries = {}
    for folder, folders, names in os.walk(host.folder):
        for name in (*folders, *names):
            path = os.path.join(folder, name)
            stat = os.lstat(path)
            entries[path] = (stat.st_mode, stat.st_size, stat.st_mtime_ns)
    return entries


def test_plan_covers_dependent_resources_on_an_empty_disk(chain: Host) -> None:
    plan = chain.plan()

    assert plan.code == 0, plan.err
    resources = {resource["address"]: resource for resource in plan.report["resources"]}
    assert sorted(resources) == sorted(ADDRESSES)
    assert {resource["action"] for resource in resources.values()} == {"create"}
    assert changes(resources["venv.first"])["package.beta"] == (None, "1.0")
    assert changes(resources["venv.second"])["package.beta"] == (None, "2.0")
    assert changes(resources["link.bin/alpha"])["to"][1] == f"{chain.folder}/venvs/second/bin/alpha"


def test_apply_makes_the_planned_changes(chain: Host) -> None:
    planned = chain.plan().report

    applied = chain.applied().report

    def summarize(report: dict[str, object]) -> list[object]:
        resources = report["resources"]
        assert isinstance(resources, list)
        return [
            (
                resource["address"],
                resource["action"],
                sorted(set(changes(resource)) - {"generation"}),
            )
            for resource in resources
        ]

    assert summarize(applied) == summarize(planned)
    assert (chain.folder / "restarted").exists()
    assert not chain.applied().report["changed"]


def test_plan_and_check_write_only_the_cache(chain: Host) -> None:
    chain.cache = chain.folder.parent / f"{chain.folder.name}-cache"
    before = list_paths(chain)

    chain.plan()
    chain.check()

    assert list_paths(chain) == before


def test_plan_and_check_work_on_a_read_only_disk(chain: Host) -> None:
    chain.cache = chain.folder / "cache"
    with room(read_only(chain.folder), chain.folder) as inside:
        plan, check = chain.plan(prefix=inside), chain.check(prefix=inside)

    assert plan.code == 0, plan.err
    assert plan.report["summary"]["create"] == len(ADDRESSES)
    assert check.code == 2, check.err


def test_check_of_applied_host_works_on_a_read_only_disk(live: Host) -> None:
    with room(read_only(live.folder), live.folder) as inside:
        assert live.check(prefix=inside).code == 0


def test_plan_digest_identifies_the_plan(chain: Host) -> None:
    first, second = chain.plan("--jobs", "1").report, chain.plan("--jobs", "8").report
    assert first["digest"] == second["digest"]

    chain.write((chain.folder / "converge.toml").read_text().replace("beta<2", "beta==2.0"))

    assert chain.plan().report["digest"] != first["digest"]


def test_saved_plan_is_applied_or_refused(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    assert stocked.plan("--out", "plan.json").code == 0
    assert stocked.apply("--plan", "plan.json").code == 0
    stocked.declare(["beta==2.0"])

    assert stocked.apply("--plan", "plan.json").code == 80
    assert stocked.versions() == {"beta": "1.0"}


def test_saved_plan_applies_without_known_generation_ids(chain: Host) -> None:
    for version in ("beta<2", "beta==2.0"):
        chain.write((chain.folder / "converge.toml").read_text().replace("beta<2", version))
        chain.plan("--out", "plan.json")

        done = chain.apply("--plan", "plan.json")

        assert done.code == 0, done.out
        assert done.report["summary"]["failed"] == 0
        assert not chain.apply().report["changed"]


def test_saved_plan_covers_command_arguments(host: Host) -> None:
    declare = '[command.create]\nargv = ["touch", "{0}/{1}"]\n'.format
    host.write(declare(host.folder, "approved"))
    host.plan("--out", "plan.json")
    host.write(declare(host.folder, "other"))

    assert host.apply("--plan", "plan.json").code == 80
    assert not (host.folder / "other").exists()


def test_dry_run_reports_the_plan(chain: Host) -> None:
    dry = chain.apply("--dry-run").report

    assert dry["command"] == "plan"
    assert dry["digest"] == chain.plan().report["digest"]
    assert not (chain.folder / "venvs").exists()


def test_absent_venv_is_deleted_with_its_store(stocked: Host) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    stocked.declare([], state="absent")

    plan = stocked.converges()

    assert plan["action"] == "delete"
    assert not stocked.venv.is_symlink()
    assert not stocked.store.exists()


def test_undeclared_venv_stays_until_pruned(stocked: Host) -> None:
    other = f'[venv.other]\npath = "venvs/other"\npython = "{stocked.python}"\n'
    stocked.declare(["beta"], more=other)
    stocked.applied()
    stocked.declare(["beta"])

    kept = stocked.applied()
    assert (stocked.folder / "venvs/other").exists()
    assert any("venv.other" in notice for notice in kept.report["notes"])

    stocked.applied("--prune")
    assert not (stocked.folder / "venvs/other").exists()
    assert stocked.venv.exists()


def test_prune_keeps_a_venv_that_contains_a_resource(stocked: Host) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    (stocked.venv / "tool").symlink_to("/bin/true")
    file = stocked.write(f'[link."{stocked.venv}/tool"]\nto = "/bin/true"\n')

    completed = stocked.run("apply", "--json", "--prune", file)

    failed = completed.resource("venv.app")
    assert (completed.code, failed["outcome"]) == (1, "failed")
    assert "lies in it" in failed["error"]["message"]
    assert stocked.venv.exists()


@pytest.mark.parametrize(
    "table", ['[link."{}/new"]\nto = "/bin/true"', '[venv.new]\npath = "{}/new"']
)
def test_apply_creates_nothing_inside_an_undeclared_venv(stocked: Host, table: str) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    file = stocked.write(f"{table.format(stocked.venv)}\n")

    for verb in ("plan", "apply"):
        completed = stocked.run(verb, "--json", file)
        assert completed.code == 1
        assert "which converge made for another venv" in completed.first["error"]["message"]
    assert not (stocked.venv / "new").is_symlink()


def test_prune_deletes_before_apply_creates(stocked: Host) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    file = stocked.write(f'[link."new"]\nto = "{stocked.venv}/bin/python"\n')

    completed = stocked.run("apply", "--json", "--prune", file)

    assert completed.code == 1
    assert [resource["outcome"] for resource in completed.report["resources"]] == [
        "changed",
        "failed",
    ]
    assert not (stocked.folder / "new").is_symlink()
