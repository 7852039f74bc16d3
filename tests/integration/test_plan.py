"""`plan` reports the changes that `apply` makes, and changes nothing itself."""

from __future__ import annotations

import os

import pytest

from tests.integration.host import Host
from tests.integration.mount_namespaces import mount_namespace, read_only
from tests.support.command import changes

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
argv = ["touch", "{directory}/restarted"]
on-change = ["venv.second", "venv.first"]
"""
ADDRESSES = ["interpreter.base", "venv.first", "venv.second", "link.bin/alpha", "command.restart"]


@pytest.fixture
def chain(host_with_wheels: Host) -> Host:
    """Return a host that declares one resource of each kind, each depending on another."""
    host_with_wheels.write(
        CHAIN.format(python=host_with_wheels.python, directory=host_with_wheels.directory)
    )
    (host_with_wheels.directory / "bin").mkdir()
    return host_with_wheels


def list_paths(host: Host) -> dict[str, tuple[int, int, int]]:
    """Return mode, size and modification time of each path below a host's directory."""
    entries = {}
    for directory, directories, names in os.walk(host.directory):
        for name in (*directories, *names):
            path = os.path.join(directory, name)
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
    assert (
        changes(resources["link.bin/alpha"])["to"][1] == f"{chain.directory}/venvs/second/bin/alpha"
    )


def test_apply_makes_the_planned_changes(chain: Host) -> None:
    planned = chain.plan().report

    applied = chain.apply_ok().report

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
    assert (chain.directory / "restarted").exists()
    assert not chain.apply_ok().report["changed"]


def test_plan_and_check_write_only_the_cache(chain: Host) -> None:
    chain.cache = chain.directory.parent / f"{chain.directory.name}-cache"
    before = list_paths(chain)

    chain.plan()
    chain.check()

    assert list_paths(chain) == before


def test_plan_and_check_work_on_a_read_only_disk(chain: Host) -> None:
    chain.cache = chain.directory / "cache"
    with mount_namespace(read_only(chain.directory), chain.directory) as prefix:
        plan, check = chain.plan(prefix=prefix), chain.check(prefix=prefix)

    assert plan.code == 0, plan.err
    assert plan.report["summary"]["create"] == len(ADDRESSES)
    assert check.code == 2, check.err


def test_check_of_applied_host_works_on_a_read_only_disk(applied_host: Host) -> None:
    with mount_namespace(read_only(applied_host.directory), applied_host.directory) as prefix:
        assert applied_host.check(prefix=prefix).code == 0


def test_plan_digest_identifies_the_plan(chain: Host) -> None:
    first, second = chain.plan("--jobs", "1").report, chain.plan("--jobs", "8").report
    assert first["digest"] == second["digest"]

    chain.write((chain.directory / "converge.toml").read_text().replace("beta<2", "beta==2.0"))

    assert chain.plan().report["digest"] != first["digest"]


def test_saved_plan_is_applied_or_refused(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta<2"])
    assert host_with_wheels.plan("--out", "plan.json").code == 0
    assert host_with_wheels.apply("--plan", "plan.json").code == 0
    host_with_wheels.declare(["beta==2.0"])

    assert host_with_wheels.apply("--plan", "plan.json").code == 80
    assert host_with_wheels.versions() == {"beta": "1.0"}


def test_saved_plan_applies_without_known_generation_ids(chain: Host) -> None:
    for version in ("beta<2", "beta==2.0"):
        chain.write((chain.directory / "converge.toml").read_text().replace("beta<2", version))
        chain.plan("--out", "plan.json")

        done = chain.apply("--plan", "plan.json")

        assert done.code == 0, done.out
        assert done.report["summary"]["failed"] == 0
        assert not chain.apply().report["changed"]


def test_saved_plan_covers_command_arguments(host: Host) -> None:
    declare = '[command.create]\nargv = ["touch", "{0}/{1}"]\n'.format
    host.write(declare(host.directory, "approved"))
    host.plan("--out", "plan.json")
    host.write(declare(host.directory, "other"))

    assert host.apply("--plan", "plan.json").code == 80
    assert not (host.directory / "other").exists()


def test_dry_run_reports_the_plan(chain: Host) -> None:
    dry = chain.apply("--dry-run").report

    assert dry["command"] == "plan"
    assert dry["digest"] == chain.plan().report["digest"]
    assert not (chain.directory / "venvs").exists()


def test_absent_venv_is_deleted_with_its_store(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.apply_ok()
    host_with_wheels.declare([], state="absent")

    plan = host_with_wheels.assert_converges()

    assert plan["action"] == "delete"
    assert not host_with_wheels.venv.is_symlink()
    assert not host_with_wheels.store.exists()


def test_undeclared_venv_stays_until_pruned(host_with_wheels: Host) -> None:
    other = f'[venv.other]\npath = "venvs/other"\npython = "{host_with_wheels.python}"\n'
    host_with_wheels.declare(["beta"], more=other)
    host_with_wheels.apply_ok()
    host_with_wheels.declare(["beta"])

    kept = host_with_wheels.apply_ok()
    assert (host_with_wheels.directory / "venvs/other").exists()
    assert any("venv.other" in notice for notice in kept.report["notices"])

    host_with_wheels.apply_ok("--prune")
    assert not (host_with_wheels.directory / "venvs/other").exists()
    assert host_with_wheels.venv.exists()


def test_prune_keeps_a_venv_that_contains_a_resource(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.apply_ok()
    (host_with_wheels.venv / "tool").symlink_to("/bin/true")
    file = host_with_wheels.write(f'[link."{host_with_wheels.venv}/tool"]\nto = "/bin/true"\n')

    completed = host_with_wheels.run("apply", "--json", "--prune", file)

    failed = completed.resource("venv.app")
    assert (completed.code, failed["outcome"]) == (1, "failed")
    assert "which is still declared" in failed["error"]["message"]
    assert host_with_wheels.venv.exists()


@pytest.mark.parametrize(
    "table", ['[link."{}/new"]\nto = "/bin/true"', '[venv.new]\npath = "{}/new"']
)
def test_apply_creates_nothing_inside_an_undeclared_venv(
    host_with_wheels: Host, table: str
) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.apply_ok()
    file = host_with_wheels.write(f"{table.format(host_with_wheels.venv)}\n")

    for verb in ("plan", "apply"):
        completed = host_with_wheels.run(verb, "--json", file)
        assert completed.code == 1
        assert "a generation of another venv" in completed.first["error"]["message"]
    assert not (host_with_wheels.venv / "new").is_symlink()


def test_prune_deletes_before_apply_creates(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.apply_ok()
    file = host_with_wheels.write(f'[link."new"]\nto = "{host_with_wheels.venv}/bin/python"\n')

    completed = host_with_wheels.run("apply", "--json", "--prune", file)

    assert completed.code == 1
    assert [resource["outcome"] for resource in completed.report["resources"]] == [
        "changed",
        "failed",
    ]
    assert not (host_with_wheels.directory / "new").is_symlink()
