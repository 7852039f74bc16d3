"""What a rollback rejected does not come back unasked, and goes back to what was live before."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.support.wheels import make_wheel

from .host import Host, changes
from .interpreters import private_interpreter, upgrade

NAME = "converge.toml"
RECEIPT = ".converge/receipt.json"


@pytest.fixture
def host(host: Host) -> Host:
    """A host with three versions of one package to choose from."""
    for version in ("1.0", "2.0", "3.0"):
        make_wheel(host.wheels, "beta", version)
    return host


@pytest.fixture
def held(host: Host) -> Host:
    """A host that was rolled back from 2.0 to 1.0."""
    went_through(host, "1.0", "2.0")
    back(host)
    return host


def went_through(host: Host, *versions: str, **keys: object) -> None:
    """Apply one version after the other."""
    for version in versions:
        host.declare([f"beta=={version}"], **keys)
        host.applied()


def back(host: Host, *words: str) -> None:
    """Roll back, and insist on success."""
    done = host.run("rollback", NAME, "app", *words)
    assert done.code == 0, done.err


def version(host: Host) -> str:
    """What is live."""
    return host.versions()["beta"]


def void(host: Host) -> None:
    """Leave what a rollback leaves that is killed between its note and its switch."""
    live = host.venv.readlink()
    back(host)
    host.venv.unlink()
    host.venv.symlink_to(live)


@pytest.mark.parametrize("wrong", ["missing", "elsewhere", "an empty folder"])
def test_a_held_path_that_leads_nowhere_leads_to_what_is_held_again(held: Host, wrong: str) -> None:
    before = held.generation
    held.venv.unlink()
    if wrong == "elsewhere":
        held.venv.symlink_to("/etc")
    elif wrong == "an empty folder":
        held.venv.mkdir()

    plan = held.converges()

    assert set(changes(plan)) == {"path"}
    assert held.generation == before
    assert any("is held at" in note for note in held.apply().report["notes"])


@pytest.mark.parametrize("path", ["there", "missing"])
@pytest.mark.parametrize("wrong", ["torn", "no receipt", "deleted", "metadata gone"])
def test_what_was_rejected_does_not_replace_a_damaged_one_that_is_held(
    held: Host, wrong: str, path: str
) -> None:
    before = held.generation
    if wrong == "torn":
        with (before / RECEIPT).open("ab") as stream:
            stream.write(b"x")
    elif wrong == "no receipt":
        (before / RECEIPT).unlink()
    elif wrong == "deleted":
        shutil.rmtree(before)
    else:
        shutil.rmtree(held.site / "beta-1.0.dist-info")
    if path == "missing":
        held.venv.unlink()

    for run in (held.plan(), held.apply(), held.check()):
        assert run.code == 1
        assert "the held generation of" in run.first["error"]["message"]
        assert "release" in run.first["error"]["hint"]
    assert held.venv.is_symlink() == (path == "there")

    back(held, "--release")
    held.applied()
    assert version(held) == "2.0"


@pytest.mark.parametrize("path", ["there", "missing"])
def test_one_that_is_held_without_its_interpreter_is_told(host: Host, path: str) -> None:
    executable = private_interpreter(host.folder / "opt")
    went_through(host, "1.0", "2.0", python=str(executable))
    back(host)
    executable.unlink()
    if path == "missing":
        host.venv.unlink()

    for run in (host.plan(), host.apply(), host.check()):
        assert run.code == 1
        assert f"missing {executable}" in run.first["error"]["message"]
    assert host.venv.is_symlink() == (path == "there")


def test_one_that_is_held_and_runs_with_an_upgraded_interpreter_stays(host: Host) -> None:
    executable = private_interpreter(host.folder / "opt")
    went_through(host, "1.0", "2.0", python=str(executable))
    back(host)
    upgrade(executable)

    host.settled()

    assert version(host) == "1.0"


def test_the_status_of_what_is_held_says_so_and_tells_of_no_drift(held: Host) -> None:
    assert held.check().code == 0
    (line,) = held.run("status", NAME).out.splitlines()
    assert line.endswith("  as sealed  held")
    (row,) = json.loads(held.run("status", NAME, "--json").out)["venvs"]
    assert (row["held"], row["drift"]) == (True, [])

    (held.site / "beta/__init__.py").unlink()
    assert "DRIFT: file" in held.run("status", NAME).out

    back(held, "--release")
    assert "held" not in held.run("status", NAME).out


def test_what_is_held_is_not_collected_though_no_path_leads_to_it(held: Host) -> None:
    before = held.generation
    held.venv.unlink()

    assert held.run("gc", NAME, "--keep", "0").code == 0
    held.applied()

    assert held.generations() == [before.name]
    assert held.generation == before


@pytest.mark.parametrize("wrong", ["missing", "elsewhere", "dangling"])
def test_what_the_path_is_to_lead_to_again_is_not_collected(host: Host, wrong: str) -> None:
    went_through(host, "1.0", "2.0")
    live = host.generation
    host.venv.unlink()
    if wrong != "missing":
        to = "/etc" if wrong == "elsewhere" else f"{host.store.name}/generations/000009-0123abcd"
        host.venv.symlink_to(to)

    assert host.run("gc", NAME, "--keep", "0").code == 0
    host.applied()

    assert host.generations() == [live.name]
    assert host.generation == live


def test_a_rollback_where_no_path_is_goes_to_what_is_held(held: Host) -> None:
    before = held.generation
    held.venv.unlink()

    back(held)

    assert held.generation == before


def test_status_says_that_it_is_held_and_finds_no_drift_where_a_guard_finds_none(
    held: Host,
) -> None:
    """It was made by another declaration than today's, and is to stay all the same."""
    (row,) = json.loads(held.run("status", NAME, "--json").out)["venvs"]
    told = held.run("status", NAME).out

    assert held.check().code == 0
    assert (row["held"], row["drift"]) == (True, [])
    assert told.rstrip().endswith("as sealed  held")
    assert held.run("rollback", NAME, "app", "--release").code == 0
    (row,) = json.loads(held.run("status", NAME, "--json").out)["venvs"]
    assert (row["held"], row["drift"]) == (False, ["declaration changed since"])


def test_what_is_told_of_a_hold_releases_it_whatever_its_name(held: Host) -> None:
    declared = held.folder / NAME
    declared.write_text(declared.read_text().replace("venv.app", 'venv."app-2026.1"'))

    (note,) = held.apply().report["notes"]
    words = note.partition("`converge ")[2].partition("`")[0].replace("FILE", NAME).split()

    assert held.run(*words).out.startswith("venv.app-2026.1 released")


def test_a_held_environment_that_is_declared_absent_goes(held: Host) -> None:
    held.declare(["beta==2.0"], state="absent")

    held.applied()

    assert not held.store.exists()


def test_an_interrupted_rollback_holds_nothing_later(host: Host) -> None:
    went_through(host, "1.0", "2.0")
    void(host)
    assert "held" not in host.run("history", NAME, "app").out

    plan = host.converges()

    assert set(changes(plan)) == {"leftover.held"}
    assert not (host.store / "held").is_symlink()
    host.venv.unlink()
    host.applied()
    assert version(host) == "2.0"


def test_gc_clears_what_an_interrupted_rollback_left(host: Host) -> None:
    went_through(host, "1.0", "2.0")
    void(host)

    assert host.run("gc", NAME, "--keep", "0").code == 0

    assert host.generations() == [host.generation.name]
    host.settled()


def test_a_rollback_that_was_begun_counts_where_the_other_one_is_no_more(host: Host) -> None:
    went_through(host, "1.0", "2.0")
    void(host)
    shutil.rmtree(host.generation)

    host.converges()

    assert version(host) == "1.0"


def test_the_one_that_was_live_is_kept_rather_than_the_rejected_one(held: Host) -> None:
    went_through(held, "3.0")

    assert held.run("gc", NAME).code == 0
    assert len(held.generations()) == 2
    back(held)

    assert version(held) == "1.0"


def test_one_that_came_back_is_what_was_live_before(host: Host) -> None:
    went_through(host, "1.0", "2.0", "1.0", "3.0")

    back(host)

    assert version(host) == "1.0"


def test_from_one_that_came_back_a_rollback_goes_to_the_one_before_it(host: Host) -> None:
    went_through(host, "1.0", "2.0", "1.0")

    back(host)

    assert version(host) == "2.0"


def test_a_second_rollback_does_not_return_to_what_the_first_one_left(host: Host) -> None:
    went_through(host, "1.0", "2.0", "3.0", keep=2)

    back(host)
    assert version(host) == "2.0"
    assert host.run("gc", NAME, "--keep", "1").code == 0
    back(host)
    assert version(host) == "1.0"

    assert host.run("rollback", NAME, "app").code == 1


def test_a_repair_is_not_what_a_rollback_undoes(host: Host) -> None:
    went_through(host, "1.0", "2.0", keep=2)
    back(host)
    went_through(host, "3.0", keep=2)
    (host.site / "beta" / "__init__.py").write_text("")
    host.converges()

    back(host)

    assert version(host) == "1.0"


@pytest.mark.parametrize("loss", ["missing", "nonsense", "of another time"])
def test_without_the_note_the_newest_former_one_is_gone_back_to(host: Host, loss: str) -> None:
    went_through(host, "1.0", "2.0", "1.0", "3.0", keep=2)
    note = host.store / "former"
    told = str(note.readlink())
    note.unlink()
    if loss == "nonsense":
        note.symlink_to("nonsense")
    elif loss == "of another time":
        note.symlink_to(":".join(reversed(told.split(":"))))

    host.settled()
    back(host)

    assert version(host) == "2.0"


def test_a_noted_one_that_is_gone_is_passed_over(host: Host) -> None:
    went_through(host, "1.0", "2.0", "1.0", "3.0", keep=2)
    noted = str((host.store / "former").readlink()).partition(":")[0]
    shutil.rmtree(host.store / "generations" / noted)

    back(host)

    assert version(host) == "2.0"


@pytest.mark.parametrize("wrong", ["--to=9", "--to=", "--to=0", "--to=000001 --release"])
def test_what_names_no_generation_or_more_than_one_is_refused(host: Host, wrong: str) -> None:
    went_through(host, "1.0", "2.0", "3.0", keep=2)
    live = host.generation

    refused = host.run("rollback", NAME, "app", *wrong.split())

    assert refused.code == 64
    assert host.generation == live
    if "--release" not in wrong:
        assert all((one in refused.err) == (one != live.name) for one in host.generations())


def test_an_empty_name_does_not_stand_for_the_live_one_that_is_to_be_pinned(host: Host) -> None:
    went_through(host, "1.0")

    refused = host.run("pin", NAME, "app", "")

    assert refused.code == 64
    status = json.loads(host.run("status", "--json", NAME).out)
    assert not status["venvs"][0]["pinned"]


@pytest.mark.parametrize("wrong", ["moved", "planted", "without its interpreter"])
def test_what_cannot_be_gone_back_to_is_told_as_it_is(host: Host, wrong: str) -> None:
    executable = private_interpreter(host.folder / "opt")
    went_through(host, "1.0", "2.0", python=str(executable))
    if wrong == "moved":
        host.venv.parent.rename(host.folder / "moved")
        host.declare(["beta==2.0"], python=str(executable), path="moved/app")
    elif wrong == "planted":
        former = host.store / "generations" / host.generations()[0]
        (former / ".converge/planted").touch()
    else:
        executable.unlink()

    refused = host.run("rollback", NAME, "app")
    looked = host.run("verify", NAME, "--all")

    assert refused.code == 1
    if wrong == "without its interpreter":
        assert f"missing {executable}" in refused.err
        assert "verify" not in refused.err
    else:
        assert "`converge verify --all` says what is wrong" in refused.err
        assert looked.code != 0
        assert ("made at" if wrong == "moved" else "planted") in looked.out


def test_another_one_is_named_where_the_former_one_is_damaged(host: Host) -> None:
    went_through(host, "1.0", "2.0", "3.0", keep=2)
    oldest, former, _ = host.generations()
    (host.store / "generations" / former / "bin/python").unlink()

    refused = host.run("rollback", NAME, "app")

    assert refused.code == 1
    assert refused.err.rstrip().endswith(f"`--to` takes the beginning of {oldest}")
