"""A link into an environment is replaced atomically, and a dangling target is an error."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.support.command import changes
from tests.support.wheels import make_wheel

LINK = '[link."bin/alpha"]\nto = "venv.app:bin/alpha"\n'


@pytest.fixture
def linked_host(host_with_wheels: Host) -> Host:
    """Return a host with a link to a script of its environment."""
    (host_with_wheels.directory / "bin").mkdir()
    host_with_wheels.declare(["alpha"], more=LINK)
    host_with_wheels.apply_ok()
    return host_with_wheels


def test_link_points_to_the_published_path(linked_host: Host) -> None:
    assert os.readlink(linked_host.directory / "bin/alpha") == f"{linked_host.venv}/bin/alpha"
    completed = subprocess.run(
        [linked_host.directory / "bin/alpha"], capture_output=True, text=True
    )
    assert completed.stdout == "alpha 1.1\n"


def test_link_is_unchanged_by_a_venv_upgrade(linked_host: Host) -> None:
    linked_host.declare(["alpha==1.0"], more=LINK)

    result = linked_host.apply_ok()

    assert result.resource("venv.app")["outcome"] == "changed"
    assert result.resource("link.bin/alpha")["outcome"] == "unchanged"
    completed = subprocess.run(
        [linked_host.directory / "bin/alpha"], capture_output=True, text=True
    )
    assert completed.stdout == "alpha 1.0\n"


@pytest.mark.parametrize("change", ["removed", "redirected"])
def test_changed_link_is_restored(linked_host: Host, change: str) -> None:
    (linked_host.directory / "bin/alpha").unlink()
    if change == "redirected":
        (linked_host.directory / "bin/alpha").symlink_to("/bin/true")

    planned = linked_host.plan().resource("link.bin/alpha")
    linked_host.apply_ok()

    assert planned["outcome"] == "would-change"
    assert os.readlink(linked_host.directory / "bin/alpha") == f"{linked_host.venv}/bin/alpha"
    linked_host.assert_no_changes()


def test_link_target_may_contain_a_colon_in_an_absolute_path(host: Host) -> None:
    (host.directory / "a:b").write_text("")
    host.write(f'[link."here"]\nto = "{host.directory}/a:b"\n')

    host.apply_ok()

    assert os.readlink(host.directory / "here") == f"{host.directory}/a:b"


@pytest.mark.parametrize("inside", ["bin/python", "./bin/python3.11", "bin"])
def test_link_to_the_interpreter_of_a_venv_is_refused(host: Host, inside: str) -> None:
    """It would be the base interpreter, which finds no package of the venv."""
    host.declare(more=f'[link."x"]\nto = "venv.app:{inside}"\n')
    through_venv = host.plan()
    host.write(f'[link."x"]\nto = "{host.directory}/other/{inside}"\n')
    (host.directory / "other/bin").mkdir(parents=True)
    (host.directory / "other/pyvenv.cfg").touch()
    through_path = host.plan()

    assert (through_venv.code, through_path.code) == (65, 1)
    for run in (through_venv, through_path):
        assert "doesn't find its venv through a link" in run.out
    assert through_venv.report["problems"][0]["line"] == 8


def test_interpreter_works_through_a_link_to_its_venv(host_with_wheels: Host) -> None:
    host = host_with_wheels
    links = '[link."x"]\nto = "venv.app:."\n[link."alpha"]\nto = "venv.app:bin/alpha"\n'
    host.declare(["alpha", "beta<2"], more=links)
    host.apply_ok()

    python: list[str | Path] = [
        host.directory / "x/bin/python",
        "-c",
        "import alpha; print(alpha.__version__)",
    ]
    commands: list[list[str | Path]] = [python, [host.directory / "alpha"]]
    for command in commands:
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert output.endswith("1.1\n")
    host.assert_no_changes()


def test_concurrent_runs_keep_each_others_links(host: Host) -> None:
    (host.directory / "there").mkdir()
    host.write(f'[link."here"]\nto = "{host.directory}/there"\n')

    for _ in range(3):
        (host.directory / "here").unlink(missing_ok=True)
        with ThreadPoolExecutor() as pool:
            results = list(pool.map(lambda _: host.apply(), range(4)))

        assert [run.code for run in results] == [0] * 4, [run.out for run in results]
        assert sorted(path.name for path in host.directory.glob(".here*")) == []


@pytest.mark.parametrize("damage", ["script", "path"])
def test_plan_omits_a_link_that_the_venv_repair_restores(linked_host: Host, damage: str) -> None:
    if damage == "script":
        (linked_host.generation / "bin/alpha").unlink()
    else:
        linked_host.venv.unlink()
        linked_host.venv.symlink_to("/usr")

    planned = linked_host.plan()
    result = linked_host.apply_ok()

    for run in (planned, result):
        assert run.resource("link.bin/alpha")["outcome"] == "unchanged"
    assert planned.report["digest"] == result.report["digest"]
    linked_host.assert_no_changes()


def test_link_cleanup_removes_only_interrupted_links(
    host: Host,
) -> None:
    (host.directory / ".here.next-0123abcd").symlink_to("/bin/true")
    (host.directory / ".here.next-file").write_text("original")
    (host.directory / ".here.next-89abcdef").mkdir()
    host.write('[link."here"]\nto = "/bin/true"\n')

    host.apply_ok()

    kept = sorted(path.name for path in host.directory.glob(".here*"))
    assert kept == [".here.next-89abcdef", ".here.next-file"]


def test_file_at_the_link_path_is_refused(linked_host: Host) -> None:
    (linked_host.directory / "bin/alpha").unlink()
    (linked_host.directory / "bin/alpha").write_text("original")

    failed = linked_host.apply()

    assert failed.code == 1
    assert "isn't a symlink" in failed.resource("link.bin/alpha")["error"]["message"]
    assert (linked_host.directory / "bin/alpha").read_text() == "original"


def test_upgrade_that_removes_the_script_of_a_link_fails(linked_host: Host) -> None:
    make_wheel(linked_host.wheels, "alpha", "2.0")
    linked_host.declare(["alpha==2.0"], more=LINK)

    failed = linked_host.apply()

    assert failed.code == 1
    error = failed.resource("venv.app")["error"]
    assert error["message"].startswith("`bin/alpha` vanishes")
    assert failed.resource("link.bin/alpha")["outcome"] == "skipped"
    assert linked_host.versions()["alpha"] == "1.1"


def test_link_to_a_missing_script_is_refused_by_plan_and_apply(linked_host: Host) -> None:
    more = LINK + '[link."bin/typo"]\nto = "venv.app:bin/alhpa"\n'
    linked_host.declare(["alpha"], more=more)

    for failed in (linked_host.plan(), linked_host.apply()):
        assert failed.code == 1
        error = failed.resource("link.bin/typo")["error"]
        assert error["message"] == "`venv.app` has no `bin/alhpa`"
        assert error["hint"].startswith("`bin` contains alpha, ")
    assert not (linked_host.directory / "bin/typo").is_symlink()
    linked_host.declare(["alpha", "beta<2"], more=more)
    assert linked_host.plan().resource("link.bin/typo")["outcome"] == "would-change"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("web:bin/python", "`web:bin/python` looks like a link into a venv"),
        ("venv.app/bin/alpha", "not a path inside a venv: `venv.app/bin/alpha`"),
        ("venv.app:../other", "not a path inside a venv: `venv.app:../other`"),
        ("./web:bin/python", ""),
    ],
)
def test_misspelled_link_target_is_one_error(host: Host, target: str, expected: str) -> None:
    host.write(f'[venv.app]\npath = "app"\nstate = "absent"\n[link.tool]\nto = "{target}"\n')
    host.write("", "web:bin/python")

    planned = host.plan()

    problems = [problem["message"] for problem in planned.report["problems"]]
    assert problems == ([expected] if expected else [])
    assert planned.code == (65 if expected else 0)


def test_link_to_a_missing_path_fails(host: Host) -> None:
    host.write('[link."tool"]\nto = "/nowhere"\n')

    failed = host.apply()

    assert failed.code == 1
    assert failed.first["error"]["message"].endswith("doesn't exist: `/nowhere`")
    assert failed.first["error"]["hint"].startswith("create the target first")
    assert not (host.directory / "tool").is_symlink()


def test_link_declared_absent_is_deleted(linked_host: Host) -> None:
    linked_host.declare(["alpha"], more='[link."bin/alpha"]\nstate = "absent"\n')

    assert linked_host.apply_ok().resource("link.bin/alpha")["action"] == "delete"
    assert not (linked_host.directory / "bin/alpha").is_symlink()
    linked_host.assert_no_changes()


def test_link_plan_names_the_target(host_with_wheels: Host) -> None:
    (host_with_wheels.directory / "bin").mkdir()
    host_with_wheels.declare(["alpha"], more=LINK)

    planned = host_with_wheels.plan().resource("link.bin/alpha")

    assert changes(planned)["to"] == (None, f"{host_with_wheels.venv}/bin/alpha")


def test_link_that_converge_did_not_create_is_not_pruned(host: Host) -> None:
    (host.directory / "foreign").symlink_to("/bin/true")
    file = host.write('[link."foreign"]\nto = "/nowhere"\n')
    assert host.run("apply", file).code == 1
    host.write("")

    result = host.run("apply", "--json", "--prune", "--allow-empty", file)

    assert result.report["notices"] == []
    assert os.readlink(host.directory / "foreign") == "/bin/true"


def test_link_with_a_changed_target_is_pruned(
    host: Host,
) -> None:
    for target in ("/bin/true", "/bin/false"):
        host.write(f'[link."tool"]\nto = "{target}"\n')
        assert host.run("apply", "converge.toml").code == 0
    file = host.write("")

    assert host.run("apply", "--prune", "--allow-empty", file).code == 0

    assert not (host.directory / "tool").is_symlink()


def test_link_into_a_venv_is_pruned_with_the_venv(linked_host: Host) -> None:
    file = linked_host.write("")

    assert (
        linked_host.run("apply", "--json", "--prune", "--allow-empty", file).report["summary"][
            "delete"
        ]
        == 2
    )

    assert not (linked_host.directory / "bin/alpha").is_symlink()
