"""Names that vanish from a declaration are told of, and removed only when that is asked."""

from __future__ import annotations

import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine import progress
from engine.errors import ConvergeError
from engine.files import under_checksum
from engine.ledger import Ledger
from engine.loading import Composition
from engine.lock import holding
from tests.unit.desk import Desk, as_it_was
from tests.unit.test_signals import Run
from tests.unit.toy import Note, NoteKind, composition


@pytest.fixture
def vanished(desk: Desk) -> Desk:
    """`note.b` was applied, and is declared no longer."""
    desk.notes("a", "b")
    assert desk.run("apply").code == 0
    desk.notes("a")
    return desk


def told(desk: Desk) -> str:
    return (
        f"`note.b` is no longer declared in `{desk.folder}/notes.toml` but still there; "
        "`--prune` removes it"
    )


@pytest.mark.parametrize("verb", ["plan", "apply", "check"])
def test_orphan_is_reported_and_kept(vanished: Desk, verb: str) -> None:
    for _ in range(2):
        done = vanished.run(verb, "--json")
        assert (done.code, done.report["changed"]) == (0, False)
        assert done.report["notes"] == [told(vanished)]
    assert vanished.says("b") is not None


def test_prune_plans_and_deletes_an_orphan(vanished: Desk) -> None:
    planned = vanished.run("plan", "--json", "--prune")
    assert planned.actions() == {"note.b": "delete", "note.a": "none"}
    assert planned.of("note.b")["reason"] == "it is no longer declared"
    assert vanished.says("b") is not None
    applied = vanished.run("apply", "--json", "--prune")
    assert applied.outcomes() == {"note.b": "changed", "note.a": "unchanged"}
    assert vanished.says("b") is None
    assert vanished.run("apply", "--json", "--prune").report["resources"][0]["address"] == "note.a"
    assert vanished.run("plan", "--json").report["notes"] == []


@pytest.fixture
def decommissioned(desk: Desk) -> Desk:
    """A folder of two declarations was applied, and the file of `note.b` is there no longer."""
    for name in ("a", "b"):
        desk.notes(name, name=f"hosts/{name}.toml")
    assert desk.run("apply", f"{desk.folder}/hosts/").code == 0
    (desk.folder / "hosts" / "b.toml").unlink()
    return desk


def test_orphans_of_a_deleted_file_are_reported_and_pruned(decommissioned: Desk, places) -> None:
    folder = f"{decommissioned.folder}/hosts/"
    for verb in ("plan", "apply", "apply"):
        (note,) = decommissioned.run(verb, "--json", folder).report["notes"]
        assert note.startswith(f"`note.b` is no longer declared in `{folder}b.toml`")
    done = decommissioned.run("apply", "--json", "--prune", folder)
    assert done.outcomes() == {"note.b": "changed", "note.a": "unchanged"}
    assert not (decommissioned.folder / "hosts" / "b").exists()
    assert decommissioned.run("plan", "--json", folder).report["notes"] == []
    assert len(list((places[1] / "ledger").iterdir())) == 1


def test_orphans_of_the_last_deleted_file_are_pruned(
    decommissioned: Desk,
) -> None:
    folder = f"{decommissioned.folder}/hosts/"
    (decommissioned.folder / "hosts" / "a.toml").unlink()
    assert len(decommissioned.run("plan", "--json", folder).report["notes"]) == 2
    done = decommissioned.run("apply", "--json", "--prune", folder)
    assert done.outcomes() == {"note.a": "changed", "note.b": "changed"}
    assert decommissioned.run("apply", "--json", "--prune", folder).code == 66


def test_orphans_are_found_behind_a_symlinked_directory(
    decommissioned: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files were noted by where `..` leads behind a symlink, so there they are looked for."""
    (decommissioned.folder / "site").symlink_to("hosts")
    (decommissioned.folder / "here").mkdir()
    monkeypatch.chdir(decommissioned.folder / "here")
    assert len(decommissioned.run("plan", "--json", "../site/").report["notes"]) == 1
    done = decommissioned.run("apply", "--json", "--prune", "../site/")
    assert done.outcomes() == {"note.b": "changed", "note.a": "unchanged"}


def test_moved_file_leaves_no_orphans(decommissioned: Desk) -> None:
    hosts = decommissioned.folder / "hosts"
    decommissioned.notes("b", name="hosts/c.toml")
    for folder in (f"{hosts}/", f"{decommissioned.folder}/"):
        decommissioned.notes("z")
        done = decommissioned.run("plan", "--json", "--prune", folder)
        assert "delete" not in done.actions().values()
        assert done.report["notes"] == []
    (hosts / "c.toml").unlink()
    assert decommissioned.run("plan", "--json", f"{hosts}/a.toml").report["notes"] == []


def test_prune_rejects_only(vanished: Desk) -> None:
    done = vanished.run("apply", "--json", "--prune", "--only", "note.a")
    assert done.code == 64
    assert vanished.says("b") is not None


def test_prune_rejects_standard_input(vanished: Desk) -> None:
    """What it declared before is noted nowhere, so nothing could be found to have vanished."""
    done = vanished.run("apply", "--json", "--prune", "-")
    assert done.code == 64


def test_prune_rejects_a_pipe(vanished: Desk) -> None:
    """Two of them have one name, and nothing else in common."""
    file = str(vanished.folder / "notes.toml")
    for words in (["apply"], ["apply", "--prune"]):
        reading, writing = os.pipe()
        os.write(writing, f'[note.b]\npath = "{vanished.folder}/b"\n'.encode())
        os.close(writing)
        code = vanished.say(*words, f"/dev/fd/{reading}").code
        os.close(reading)
        assert code == (64 if "--prune" in words else 0)
    vanished.declare("", "notes.toml")
    assert vanished.run("apply", file).code == 0


def test_pipe_paths_are_relative_to_the_working_directory(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.folder)
    os.mkfifo(desk.folder / "pipe.toml")
    os.mkdir(desk.folder / "elsewhere")
    writer = threading.Thread(
        target=(desk.folder / "pipe.toml").write_text, args=['[note.a]\npath = "a"\n']
    )
    writer.start()
    assert desk.say("apply", str(desk.folder / "pipe.toml")).code == 0
    writer.join()
    assert desk.says("a") is not None


def test_deleted_working_directory_is_an_error(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    (desk.folder / "gone").mkdir()
    monkeypatch.chdir(desk.folder / "gone")
    (desk.folder / "gone").rmdir()
    done = desk.say("plan", "-", stdin=f'[note.a]\npath = "{desk.folder}/a"\n')
    assert done.code == 66
    assert done.err.startswith("error: the folder in which converge was called is gone\n")


def test_pruned_orphan_has_no_notice(vanished: Desk) -> None:
    assert vanished.run("plan", "--json", "--prune").report["notes"] == []


def test_unreadable_orphan_is_ignored(desk: Desk) -> None:
    desk.declare('[note.a]\npath = "a"\ntext = "a"\n[note.b]\npath = "there/b"\ntext = "b"\n')
    (desk.folder / "there").mkdir()
    assert desk.run("apply").code == 0
    (desk.folder / "there" / "b").unlink()
    (desk.folder / "there").rmdir()
    (desk.folder / "there").write_text("")
    desk.notes("a")
    assert desk.run("plan", "--json").code == 0


def test_orphan_deleted_by_hand_is_not_reported(vanished: Desk) -> None:
    (vanished.folder / "b").unlink()
    assert vanished.run("plan", "--json").report["notes"] == []


def test_path_taken_over_by_another_resource_is_not_orphaned(vanished: Desk) -> None:
    vanished.declare('[note.new]\npath = "b"\ntext = "b"\n')
    done = vanished.run("apply", "--json", "--prune")
    assert vanished.says("b") is not None
    assert set(done.outcomes()) == {"note.new", "note.a"}


def test_previous_path_of_a_resource_is_an_orphan(desk: Desk) -> None:
    desk.notes("a", "b")
    desk.run("apply")
    desk.declare('[note.a]\npath = "new"\n[note.b]\npath = "b"\ntext = "b"\n')
    old = f"note.a@{desk.folder}/a"
    for verb in ("plan", "apply", "apply"):
        (note,) = desk.run(verb, "--json").report["notes"]
        assert note.startswith(f"`{old}` is no longer declared")
    desk.declare('[note.a]\npath = "newer"\n[note.b]\npath = "b"\ntext = "b"\n')
    done = desk.run("apply", "--json", "--prune")
    assert done.actions() == {
        f"note.a@{desk.folder}/new": "delete",
        old: "delete",
        "note.a": "create",
        "note.b": "none",
    }
    assert [desk.says(name) is None for name in ("a", "new", "newer", "b")] == [1, 1, 0, 0]
    assert desk.run("plan", "--json").report["notes"] == []


def test_orphans_with_one_name_in_two_files_are_separate(desk: Desk) -> None:
    for file, path in (("one.toml", "x"), ("two.toml", "y")):
        desk.declare(f'[note.a]\npath = "{path}"\n', file)
        desk.run("apply", str(desk.folder / file))
        desk.declare("", file)
    files = [str(desk.folder / one) for one in ("one.toml", "two.toml")]
    done = desk.run("apply", "--json", "--prune", *files)
    assert done.outcomes() == {"note.a": "changed", f"note.a@{desk.folder}/y": "changed"}
    assert (desk.says("x"), desk.says("y")) == (None, None)


def test_resource_moved_to_another_file_is_not_orphaned(vanished: Desk) -> None:
    vanished.notes("b", name="other.toml")
    assert vanished.run("apply", str(vanished.folder / "other.toml")).code == 0
    done = vanished.run("apply", "--json", "--prune")
    assert (done.outcomes(), done.report["notes"]) == ({"note.a": "unchanged"}, [])
    assert vanished.says("b") is not None


def test_symlinked_file_shares_the_inventory(vanished: Desk) -> None:
    (vanished.folder / "alias.toml").symlink_to("notes.toml")
    vanished.notes("a", "b")
    assert vanished.run("apply", str(vanished.folder / "alias.toml")).code == 0
    vanished.notes("a")
    assert vanished.run("plan", "--json").report["notes"] == [told(vanished)]


def test_redeclared_resource_is_not_orphaned(vanished: Desk) -> None:
    vanished.run("apply")
    vanished.notes("a", "b")
    assert vanished.run("apply", "--json", "--prune").report["notes"] == []
    assert vanished.says("b") is not None


def test_failed_prune_is_reported_again(vanished: Desk) -> None:
    def trouble(spec: Note) -> None:
        raise ConvergeError("nailed down")

    vanished.composition = lambda: composition(trouble=trouble)
    done = vanished.run("apply", "--json", "--prune")
    assert done.outcomes()["note.b"] == "failed"
    assert vanished.run("plan", "--json").report["notes"] == [told(vanished)]


def test_plan_and_check_write_no_inventory(desk: Desk, places) -> None:
    desk.notes("a", "b")
    desk.run("plan")
    desk.run("check")
    assert not places[1].exists()


def test_standard_input_has_no_inventory(desk: Desk, places) -> None:
    desk.run("apply", "-", stdin=f'[note.a]\npath = "{desk.folder}/a"\n')
    assert not (places[1] / "ledger").exists()


def test_second_run_does_not_rewrite_the_inventory(vanished: Desk, places) -> None:
    vanished.run("apply")
    (entry,) = (places[1] / "ledger").iterdir()
    before = entry.stat()
    vanished.run("apply")
    assert entry.stat() == before


def test_apply_changes_nothing_without_an_inventory(desk: Desk, places) -> None:
    places[1].mkdir(parents=True)
    (places[1] / "ledger").write_text("in the way")
    desk.notes("a")
    done = desk.run("apply", "--json")
    assert (done.code, done.outcomes()) == (1, {"note.a": "failed"})
    error = done.of("note.a")["error"]
    assert error["message"].startswith("what is declared cannot be noted, so nothing was done")
    assert str(places[1] / "ledger") in error["message"]
    assert "`CONVERGE_STATE_DIR`" in error["hint"]
    assert desk.says("a") is None


def test_unwritable_inventory_is_a_notice_without_changes(desk: Desk, places) -> None:
    desk.notes("a")
    desk.run("apply")
    shutil.rmtree(places[1])
    places[1].mkdir()
    (places[1] / "ledger").write_text("in the way")
    done = desk.run("apply", "--json")
    assert (done.code, done.outcomes()) == (0, {"note.a": "unchanged"})
    (note,) = done.report["notes"]
    assert note.startswith("the notes of what is declared could not be brought up to date")


def test_resource_created_by_a_crashed_run_is_recorded(desk: Desk) -> None:
    def trouble(spec: Note) -> None:
        if spec.path.endswith("/b"):
            raise RuntimeError("died")

    desk.notes("a", "b")
    desk.composition = lambda: composition(trouble=trouble)
    assert desk.run("apply", "--jobs", "1").code == 70
    assert desk.says("a") is not None
    desk.composition = composition
    desk.notes("b")
    (note,) = desk.run("apply", "--json").report["notes"]
    assert note.startswith("`note.a` is no longer declared")


def test_resource_of_a_crashed_removal_is_recorded(vanished: Desk) -> None:
    def trouble(spec: Note) -> None:
        raise RuntimeError("died")

    vanished.notes("a", "b", b='state = "absent"')
    vanished.composition = lambda: composition(trouble=trouble)
    assert vanished.run("apply").code == 70
    vanished.composition = composition
    vanished.notes("a")
    assert vanished.run("plan", "--json").report["notes"] == [told(vanished)]


def test_pending_removal_is_recorded(vanished: Desk) -> None:
    vanished.notes("a", "b", b='state = "absent"')
    vanished.run("apply", "--only", "note.a")
    vanished.notes("a")
    assert vanished.run("plan", "--json").report["notes"] == [told(vanished)]


def test_resource_created_by_a_concurrent_run_is_recorded(desk: Desk) -> None:
    desk.notes("wait")
    slow = Run(desk, "apply")
    with open(slow.pipe, "w", encoding="utf-8"):  # it is in the midst of its note
        desk.notes("c")
        assert desk.run("apply").code == 0
    assert slow.end().code == 0
    desk.notes("wait")
    (note,) = desk.run("plan", "--json").report["notes"]
    assert note.startswith("`note.c` is no longer declared")


def test_entry_deleted_by_a_concurrent_run_is_accepted(
    desk: Desk, places: tuple[Path, Path]
) -> None:
    desk.notes("a")
    desk.run("apply")
    (entry,) = (places[1] / "ledger").iterdir()
    file = desk.declare("")
    (desk.folder / "a").unlink()
    known = Ledger((str(file),), (), composition(), str(places[1]), 60)
    waiting = threading.Event()

    class Listener(progress.Reporter):
        def step(self, address: str, text: str) -> None:
            waiting.set()

    with as_it_was(), ThreadPoolExecutor() as pool:
        progress.listen(Listener())
        with holding(lambda: str(places[1] / "ledger.lock"), 0):
            second = pool.submit(known.settle, ())
            assert waiting.wait(60)
            entry.unlink()
        second.result()


def test_removal_spec_is_computed_once_per_resource(
    desk: Desk,
) -> None:
    """A folder of a file for each of a hundred venvs would pay for it in every run."""
    asked: list[str] = []

    class Counting(NoteKind):
        def absent(self, spec: Note) -> Note | None:
            asked.append(spec.path)
            return super().absent(spec)

    kinds = {"note": Counting(), "page": NoteKind()}
    desk.composition = lambda: Composition(kinds=kinds, default="note")
    for number in range(20):
        desk.notes(f"n{number}", name=f"hosts/{number}.toml")
    for _ in range(2):
        asked.clear()
        assert desk.run("apply", "--jobs", "1", f"{desk.folder}/hosts/").code == 0
    assert len(asked) < 200


def test_orphan_of_the_second_file_is_reported(vanished: Desk) -> None:
    vanished.run("apply")  # it is noted as vanished from here
    other = str(vanished.notes("b", name="other.toml"))
    vanished.run("apply", other)
    vanished.notes(name="other.toml")
    (note,) = vanished.run("plan", "--json", other).report["notes"]
    assert note.startswith(f"`note.b` is no longer declared in `{other}`")


def test_resource_removed_as_declared_is_forgotten(vanished: Desk) -> None:
    vanished.notes("a", "b", b='state = "absent"')
    vanished.run("apply")
    vanished.notes("a")
    (vanished.folder / "b").write_text("somebody else's")
    assert vanished.run("plan", "--json").report["notes"] == []


def test_prune_is_reported_if_the_inventory_write_fails(
    vanished: Desk, places: tuple[Path, Path]
) -> None:
    ledger, away = places[1] / "ledger", places[1] / "away"

    def trouble(spec: Note) -> None:
        ledger.rename(away)
        ledger.write_text("in the way")

    vanished.composition = lambda: composition(trouble=trouble)
    done = vanished.run("apply", "--json", "--prune")
    assert (done.code, done.outcomes()["note.b"]) == (0, "changed")
    (note,) = done.report["notes"]
    assert note.startswith("the notes of what is declared could not be brought up to date")
    ledger.unlink()
    away.rename(ledger)
    vanished.composition = composition
    assert vanished.run("apply", "--json").report["notes"] == []
    assert all(f'{vanished.folder}/b"' not in entry.read_text() for entry in ledger.iterdir())


def test_inventory_contains_only_the_removal_spec(desk: Desk, places) -> None:
    desk.notes("a", a='password = "https://ann:sesame@h/"')
    desk.run("apply")
    (entry,) = (places[1] / "ledger").iterdir()
    kept = entry.read_text()
    assert "sesame" not in kept
    assert json.loads(kept.partition("\n")[2])["resources"][0]["spec"]["state"] == "absent"
    assert entry.stat().st_mode & 0o777 == 0o600


def odd_ledgers(kept: bytes) -> dict[str, bytes]:
    whole = kept.partition(b"\n")[2]
    entry = json.loads(whole)["resources"][0]
    held = {
        "no object": "[]",
        "resources that are none": '{"resources": 3}',
        "entries that are none": '{"resources": [1, "x", null, []]}',
        "an unknown kind": json.dumps({"resources": [{**entry, "kind": "zebra"}]}),
        "a spec that is none": json.dumps({"resources": [{**entry, "spec": 3}]}),
        "a path that is none": json.dumps({"resources": [{**entry, "spec": {"path": 3}}]}),
        "a path that cannot be": json.dumps({"resources": [{**entry, "spec": {"path": "/a\0b"}}]}),
        "what asks for no removal": whole.decode().replace('"absent"', '"present"'),
        "nested": "[" * 100_000,
    }
    return {
        "empty": b"",
        "torn": kept[: len(kept) // 2],
        "zeros": b"\0" * len(kept),
        "another byte": kept.replace(b'"absent"', b'"absenu"'),
        "another path": kept.replace(b"/b", b"/a"),
        **{how: under_checksum(text.encode()) for how, text in held.items()},
    }


@pytest.mark.parametrize("how", odd_ledgers(b'\n{"resources": [{}]}'))
@pytest.mark.parametrize("prune", [[], ["--prune"]])
def test_damaged_inventory_loses_only_the_notice(
    vanished: Desk, places: tuple[Path, Path], how: str, prune: list[str]
) -> None:
    (entry,) = (places[1] / "ledger").iterdir()
    entry.write_bytes(odd_ledgers(entry.read_bytes())[how])
    done = vanished.run("apply", "--json", *prune)
    assert (done.code, done.outcomes()) == (0, {"note.a": "unchanged"})
    assert vanished.says("b") is not None
