"""Resources removed from a declaration are reported, and deleted only with `--prune`."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine import progress
from engine.errors import ConvergeError
from engine.inventory import Inventory
from engine.registry import KindRegistry
from engine.system.files import add_checksum
from engine.system.lock import hold_lock
from tests.unit.cli_runner import CliRunner, restored_process_state
from tests.unit.subprocesses import PausedRun
from tests.unit.widget_kind import Widget, WidgetKind, widget_registry


@pytest.fixture
def cli_with_orphan(cli: CliRunner) -> CliRunner:
    """Return a CLI runner with `widget.b` applied and then removed from the declaration."""
    cli.declare_widgets("a", "b")
    assert cli.run("apply").code == 0
    cli.declare_widgets("a")
    return cli


def orphan_notice(cli: CliRunner) -> str:
    return (
        f"`widget.b` was removed from `{cli.directory}/widgets.toml` but still exists; "
        "to delete it, run with `--prune`"
    )


@pytest.mark.parametrize("command", ["plan", "apply", "check"])
def test_orphan_is_reported_and_kept(cli_with_orphan: CliRunner, command: str) -> None:
    for _ in range(2):
        result = cli_with_orphan.run(command, "--json")
        assert (result.code, result.report["changed"]) == (0, False)
        assert result.report["notices"] == [orphan_notice(cli_with_orphan)]
    assert cli_with_orphan.read_widget("b") is not None


def test_prune_plans_and_deletes_an_orphan(cli_with_orphan: CliRunner) -> None:
    planned = cli_with_orphan.run("plan", "--json", "--prune")
    assert planned.actions() == {"widget.b": "delete", "widget.a": "none"}
    assert planned.resource("widget.b")["reason"] == "no longer declared"
    assert cli_with_orphan.read_widget("b") is not None
    applied = cli_with_orphan.run("apply", "--json", "--prune")
    assert applied.outcomes() == {"widget.b": "changed", "widget.a": "unchanged"}
    assert cli_with_orphan.read_widget("b") is None
    assert (
        cli_with_orphan.run("apply", "--json", "--prune").report["resources"][0]["address"]
        == "widget.a"
    )
    assert cli_with_orphan.run("plan", "--json").report["notices"] == []


@pytest.fixture
def cli_with_deleted_file(cli: CliRunner) -> CliRunner:
    """Return a CLI runner with two applied declarations, and the one of `widget.b` deleted."""
    for name in ("a", "b"):
        cli.declare_widgets(name, filename=f"hosts/{name}.toml")
    assert cli.run("apply", f"{cli.directory}/hosts/").code == 0
    (cli.directory / "hosts" / "b.toml").unlink()
    return cli


def test_orphans_of_a_deleted_file_are_reported_and_pruned(
    cli_with_deleted_file: CliRunner, places: tuple[Path, Path]
) -> None:
    directory = f"{cli_with_deleted_file.directory}/hosts/"
    for command in ("plan", "apply", "apply"):
        (notice,) = cli_with_deleted_file.run(command, "--json", directory).report["notices"]
        assert notice.startswith(f"`widget.b` was removed from `{directory}b.toml`")
    result = cli_with_deleted_file.run("apply", "--json", "--prune", directory)
    assert result.outcomes() == {"widget.b": "changed", "widget.a": "unchanged"}
    assert not (cli_with_deleted_file.directory / "hosts" / "b").exists()
    assert cli_with_deleted_file.run("plan", "--json", directory).report["notices"] == []
    assert len(list((places[1] / "inventory").iterdir())) == 1


def test_orphans_of_the_last_deleted_file_are_pruned(cli_with_deleted_file: CliRunner) -> None:
    directory = f"{cli_with_deleted_file.directory}/hosts/"
    (cli_with_deleted_file.directory / "hosts" / "a.toml").unlink()
    assert cli_with_deleted_file.run("apply", "--json", "--prune", directory).code == 65
    planned = cli_with_deleted_file.run("plan", "--json", "--allow-empty", directory)
    assert len(planned.report["notices"]) == 2
    arguments = ["apply", "--json", "--prune", "--allow-empty", directory]
    result = cli_with_deleted_file.run(*arguments)
    assert result.outcomes() == {"widget.a": "changed", "widget.b": "changed"}
    assert cli_with_deleted_file.run("apply", "--json", "--prune", directory).code == 66


def test_orphans_are_found_behind_a_symlinked_directory(
    cli_with_deleted_file: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inventory stores resolved paths, so the lookup resolves `..` behind a symlink."""
    (cli_with_deleted_file.directory / "site").symlink_to("hosts")
    (cli_with_deleted_file.directory / "cwd").mkdir()
    monkeypatch.chdir(cli_with_deleted_file.directory / "cwd")
    assert len(cli_with_deleted_file.run("plan", "--json", "../site/").report["notices"]) == 1
    result = cli_with_deleted_file.run("apply", "--json", "--prune", "../site/")
    assert result.outcomes() == {"widget.b": "changed", "widget.a": "unchanged"}


def test_moved_file_leaves_no_orphans(cli_with_deleted_file: CliRunner) -> None:
    hosts = cli_with_deleted_file.directory / "hosts"
    cli_with_deleted_file.declare_widgets("b", filename="hosts/c.toml")
    for directory in (f"{hosts}/", f"{cli_with_deleted_file.directory}/"):
        cli_with_deleted_file.declare_widgets("z")
        result = cli_with_deleted_file.run("plan", "--json", "--prune", directory)
        assert "delete" not in result.actions().values()
        assert result.report["notices"] == []
    (hosts / "c.toml").unlink()
    assert cli_with_deleted_file.run("plan", "--json", f"{hosts}/a.toml").report["notices"] == []


def test_prune_rejects_only(cli_with_orphan: CliRunner) -> None:
    result = cli_with_orphan.run("apply", "--json", "--prune", "--only", "widget.a")
    assert result.code == 64
    assert cli_with_orphan.read_widget("b") is not None


def test_prune_rejects_standard_input(cli_with_orphan: CliRunner) -> None:
    """Standard input has no inventory, so nothing can be orphaned."""
    result = cli_with_orphan.run("apply", "--json", "--prune", "-")
    assert result.code == 64


def test_prune_rejects_a_pipe(cli_with_orphan: CliRunner) -> None:
    """Two pipes may have the same name but are unrelated."""
    file = str(cli_with_orphan.directory / "widgets.toml")
    for arguments in (["apply"], ["apply", "--prune"]):
        reading, writing = os.pipe()
        os.write(writing, f'[widget.b]\npath = "{cli_with_orphan.directory}/b"\n'.encode())
        os.close(writing)
        code = cli_with_orphan.invoke(*arguments, f"/dev/fd/{reading}").code
        os.close(reading)
        assert code == (64 if "--prune" in arguments else 0)
    cli_with_orphan.declare("", "widgets.toml")
    assert cli_with_orphan.run("apply", "--allow-empty", file).code == 0


def test_pipe_paths_are_relative_to_the_working_directory(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cli.directory)
    os.mkfifo(cli.directory / "pipe.toml")
    os.mkdir(cli.directory / "elsewhere")
    writer = threading.Thread(
        target=(cli.directory / "pipe.toml").write_text, args=['[widget.a]\npath = "a"\n']
    )
    writer.start()
    assert cli.invoke("apply", str(cli.directory / "pipe.toml")).code == 0
    writer.join()
    assert cli.read_widget("a") is not None


def test_deleted_working_directory_is_an_error(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cli.directory / "gone").mkdir()
    monkeypatch.chdir(cli.directory / "gone")
    (cli.directory / "gone").rmdir()
    result = cli.invoke("plan", "-", stdin=f'[widget.a]\npath = "{cli.directory}/a"\n')
    assert result.code == 66
    assert result.err.startswith("error: the current directory no longer exists\n")


def test_pruned_orphan_has_no_notice(cli_with_orphan: CliRunner) -> None:
    assert cli_with_orphan.run("plan", "--json", "--prune").report["notices"] == []


def test_unreadable_orphan_is_ignored(cli: CliRunner) -> None:
    cli.declare(
        '[widget.a]\npath = "a"\ntext = "a"\n[widget.b]\npath = "subdirectory/b"\ntext = "b"\n'
    )
    (cli.directory / "subdirectory").mkdir()
    assert cli.run("apply").code == 0
    (cli.directory / "subdirectory" / "b").unlink()
    (cli.directory / "subdirectory").rmdir()
    (cli.directory / "subdirectory").write_text("")
    cli.declare_widgets("a")
    assert cli.run("plan", "--json").code == 0


def test_orphan_deleted_by_hand_is_not_reported(cli_with_orphan: CliRunner) -> None:
    (cli_with_orphan.directory / "b").unlink()
    assert cli_with_orphan.run("plan", "--json").report["notices"] == []


def test_path_taken_over_by_another_resource_is_not_orphaned(cli_with_orphan: CliRunner) -> None:
    cli_with_orphan.declare('[widget.new]\npath = "b"\ntext = "b"\n')
    result = cli_with_orphan.run("apply", "--json", "--prune")
    assert cli_with_orphan.read_widget("b") is not None
    assert set(result.outcomes()) == {"widget.new", "widget.a"}


def test_previous_path_of_a_resource_is_an_orphan(cli: CliRunner) -> None:
    cli.declare_widgets("a", "b")
    cli.run("apply")
    cli.declare('[widget.a]\npath = "new"\n[widget.b]\npath = "b"\ntext = "b"\n')
    old = f"widget.a@{cli.directory}/a"
    for command in ("plan", "apply", "apply"):
        (notice,) = cli.run(command, "--json").report["notices"]
        assert notice.startswith(f"`{old}` was removed from")
    cli.declare('[widget.a]\npath = "newer"\n[widget.b]\npath = "b"\ntext = "b"\n')
    result = cli.run("apply", "--json", "--prune")
    assert result.actions() == {
        f"widget.a@{cli.directory}/new": "delete",
        old: "delete",
        "widget.a": "create",
        "widget.b": "none",
    }
    assert [cli.read_widget(name) is None for name in ("a", "new", "newer", "b")] == [1, 1, 0, 0]
    assert cli.run("plan", "--json").report["notices"] == []


def test_orphans_with_one_name_in_two_files_are_separate(cli: CliRunner) -> None:
    for file, path in (("one.toml", "x"), ("two.toml", "y")):
        cli.declare(f'[widget.a]\npath = "{path}"\n', file)
        cli.run("apply", str(cli.directory / file))
        cli.declare("", file)
    files = [str(cli.directory / name) for name in ("one.toml", "two.toml")]
    result = cli.run("apply", "--json", "--prune", "--allow-empty", *files)
    assert result.outcomes() == {"widget.a": "changed", f"widget.a@{cli.directory}/y": "changed"}
    assert (cli.read_widget("x"), cli.read_widget("y")) == (None, None)


def test_resource_moved_to_another_file_is_not_orphaned(cli_with_orphan: CliRunner) -> None:
    cli_with_orphan.declare_widgets("b", filename="other.toml")
    assert cli_with_orphan.run("apply", str(cli_with_orphan.directory / "other.toml")).code == 0
    result = cli_with_orphan.run("apply", "--json", "--prune")
    assert (result.outcomes(), result.report["notices"]) == ({"widget.a": "unchanged"}, [])
    assert cli_with_orphan.read_widget("b") is not None


def test_symlinked_file_shares_the_inventory(cli_with_orphan: CliRunner) -> None:
    (cli_with_orphan.directory / "alias.toml").symlink_to("widgets.toml")
    cli_with_orphan.declare_widgets("a", "b")
    assert cli_with_orphan.run("apply", str(cli_with_orphan.directory / "alias.toml")).code == 0
    cli_with_orphan.declare_widgets("a")
    assert cli_with_orphan.run("plan", "--json").report["notices"] == [
        orphan_notice(cli_with_orphan)
    ]


def test_redeclared_resource_is_not_orphaned(cli_with_orphan: CliRunner) -> None:
    cli_with_orphan.run("apply")
    cli_with_orphan.declare_widgets("a", "b")
    assert cli_with_orphan.run("apply", "--json", "--prune").report["notices"] == []
    assert cli_with_orphan.read_widget("b") is not None


def test_failed_prune_is_reported_again(cli_with_orphan: CliRunner) -> None:
    def before_apply(spec: Widget) -> None:
        raise ConvergeError("read-only file system")

    cli_with_orphan.registry = lambda: widget_registry(before_apply=before_apply)
    result = cli_with_orphan.run("apply", "--json", "--prune")
    assert result.outcomes()["widget.b"] == "failed"
    assert cli_with_orphan.run("plan", "--json").report["notices"] == [
        orphan_notice(cli_with_orphan)
    ]


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE, errno.EMFILE])
def test_orphan_that_cannot_be_read_is_not_forgotten(
    cli_with_orphan: CliRunner, number: int
) -> None:
    healthy = cli_with_orphan.registry

    def before_observe(spec: Widget) -> None:
        if spec.path.endswith("/b"):
            raise OSError(number, os.strerror(number), spec.path)

    cli_with_orphan.registry = lambda: widget_registry(before_observe=before_observe)
    assert cli_with_orphan.run("apply").code == 0
    result = cli_with_orphan.run("apply", "--json", "--prune")
    assert result.outcomes() == {"widget.b": "failed", "widget.a": "unchanged"}
    cli_with_orphan.registry = healthy
    result = cli_with_orphan.run("apply", "--json", "--prune")
    assert result.outcomes() == {"widget.b": "changed", "widget.a": "unchanged"}


def test_orphan_where_nothing_can_exist_is_forgotten(cli_with_orphan: CliRunner) -> None:
    def before_observe(spec: Widget) -> None:
        if spec.path.endswith("/b"):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), spec.path)

    cli_with_orphan.registry = lambda: widget_registry(before_observe=before_observe)
    report = cli_with_orphan.run("apply", "--json", "--prune").report
    assert (report["notices"], len(report["resources"])) == ([], 1)


def test_plan_and_check_write_no_inventory(cli: CliRunner, places: tuple[Path, Path]) -> None:
    cli.declare_widgets("a", "b")
    cli.run("plan")
    cli.run("check")
    assert not places[1].exists()


def test_standard_input_has_no_inventory(cli: CliRunner, places: tuple[Path, Path]) -> None:
    cli.run("apply", "-", stdin=f'[widget.a]\npath = "{cli.directory}/a"\n')
    assert not (places[1] / "inventory").exists()


def test_second_run_does_not_rewrite_the_inventory(
    cli_with_orphan: CliRunner, places: tuple[Path, Path]
) -> None:
    cli_with_orphan.run("apply")
    (entry,) = (places[1] / "inventory").iterdir()
    before = entry.stat()
    cli_with_orphan.run("apply")
    after = entry.stat()
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


def test_apply_changes_nothing_without_an_inventory(
    cli: CliRunner, places: tuple[Path, Path]
) -> None:
    places[1].mkdir(parents=True)
    (places[1] / "inventory").write_text("in the way")
    cli.declare_widgets("a")
    result = cli.run("apply", "--json")
    assert (result.code, result.outcomes()) == (1, {"widget.a": "failed"})
    error = result.resource("widget.a")["error"]
    assert error["message"].startswith("can't record the declared resources; nothing was changed")
    assert str(places[1] / "inventory") in error["message"]
    assert "`CONVERGE_STATE_DIR`" in error["hint"]
    assert cli.read_widget("a") is None


def test_unwritable_inventory_is_a_notice_without_changes(
    cli: CliRunner, places: tuple[Path, Path]
) -> None:
    cli.declare_widgets("a")
    cli.run("apply")
    shutil.rmtree(places[1])
    places[1].mkdir()
    (places[1] / "inventory").write_text("in the way")
    result = cli.run("apply", "--json")
    assert (result.code, result.outcomes()) == (0, {"widget.a": "unchanged"})
    (notice,) = result.report["notices"]
    assert notice.startswith("can't update the record of declared resources")


def test_resource_created_by_a_crashed_run_is_recorded(cli: CliRunner) -> None:
    def before_apply(spec: Widget) -> None:
        if spec.path.endswith("/b"):
            raise RuntimeError("crashed")

    cli.declare_widgets("a", "b")
    cli.registry = lambda: widget_registry(before_apply=before_apply)
    assert cli.run("apply", "--jobs", "1").code == 70
    assert cli.read_widget("a") is not None
    cli.registry = widget_registry
    cli.declare_widgets("b")
    (notice,) = cli.run("apply", "--json").report["notices"]
    assert notice.startswith("`widget.a` was removed from")


def test_resource_of_a_crashed_removal_is_recorded(cli_with_orphan: CliRunner) -> None:
    def before_apply(spec: Widget) -> None:
        raise RuntimeError("crashed")

    cli_with_orphan.declare_widgets("a", "b", b='state = "absent"')
    cli_with_orphan.registry = lambda: widget_registry(before_apply=before_apply)
    assert cli_with_orphan.run("apply").code == 70
    cli_with_orphan.registry = widget_registry
    cli_with_orphan.declare_widgets("a")
    assert cli_with_orphan.run("plan", "--json").report["notices"] == [
        orphan_notice(cli_with_orphan)
    ]


def test_pending_removal_is_recorded(cli_with_orphan: CliRunner) -> None:
    cli_with_orphan.declare_widgets("a", "b", b='state = "absent"')
    cli_with_orphan.run("apply", "--only", "widget.a")
    cli_with_orphan.declare_widgets("a")
    assert cli_with_orphan.run("plan", "--json").report["notices"] == [
        orphan_notice(cli_with_orphan)
    ]


def test_resource_created_by_a_concurrent_run_is_recorded(cli: CliRunner) -> None:
    cli.declare_widgets("wait")
    paused = PausedRun(cli, "apply")
    with open(paused.pipe, "w", encoding="utf-8"):  # the run is writing its widget
        cli.declare_widgets("c")
        assert cli.run("apply").code == 0
    assert paused.wait().code == 0
    cli.declare_widgets("wait")
    (notice,) = cli.run("plan", "--json").report["notices"]
    assert notice.startswith("`widget.c` was removed from")


def test_entry_deleted_by_a_concurrent_run_is_accepted(
    cli: CliRunner, places: tuple[Path, Path]
) -> None:
    cli.declare_widgets("a")
    cli.run("apply")
    (entry,) = (places[1] / "inventory").iterdir()
    file = cli.declare("")
    (cli.directory / "a").unlink()
    inventory = Inventory((str(file),), (), widget_registry(), str(places[1]), 60)
    waiting = threading.Event()

    class Listener(progress.Reporter):
        def step(self, address: str, text: str) -> None:
            waiting.set()

    with restored_process_state(), ThreadPoolExecutor() as pool:
        progress.set_reporter(Listener())
        with hold_lock(lambda: str(places[1] / "inventory.lock"), 0):
            second = pool.submit(inventory.commit, ())
            assert waiting.wait(60)
            entry.unlink()
        second.result()


def test_removal_spec_is_computed_once_per_resource(cli: CliRunner) -> None:
    """Otherwise a directory with one file per resource would cost quadratic time."""
    requested_paths: list[str] = []

    class Counting(WidgetKind):
        def removal_spec(self, spec: Widget) -> Widget | None:
            requested_paths.append(spec.path)
            return super().removal_spec(spec)

    kinds = {"widget": Counting(), "gadget": WidgetKind()}
    cli.registry = lambda: KindRegistry(kinds=kinds, defaults_kind="widget")
    for number in range(20):
        cli.declare_widgets(f"n{number}", filename=f"hosts/{number}.toml")
    for _ in range(2):
        requested_paths.clear()
        assert cli.run("apply", "--jobs", "1", f"{cli.directory}/hosts/").code == 0
    assert len(requested_paths) < 200


def test_orphan_of_the_second_file_is_reported(cli_with_orphan: CliRunner) -> None:
    cli_with_orphan.run("apply")  # the inventory now records the orphan
    other = str(cli_with_orphan.declare_widgets("b", filename="other.toml"))
    cli_with_orphan.run("apply", other)
    cli_with_orphan.declare_widgets(filename="other.toml")
    (notice,) = cli_with_orphan.run("plan", "--json", "--allow-empty", other).report["notices"]
    assert notice.startswith(f"`widget.b` was removed from `{other}`")


def test_resource_removed_as_declared_is_forgotten(cli_with_orphan: CliRunner) -> None:
    cli_with_orphan.declare_widgets("a", "b", b='state = "absent"')
    cli_with_orphan.run("apply")
    cli_with_orphan.declare_widgets("a")
    (cli_with_orphan.directory / "b").write_text("unrelated")
    assert cli_with_orphan.run("plan", "--json").report["notices"] == []


def test_prune_is_reported_if_the_inventory_write_fails(
    cli_with_orphan: CliRunner, places: tuple[Path, Path]
) -> None:
    entries, backup = places[1] / "inventory", places[1] / "backup"

    def before_apply(spec: Widget) -> None:
        entries.rename(backup)
        entries.write_text("in the way")

    cli_with_orphan.registry = lambda: widget_registry(before_apply=before_apply)
    result = cli_with_orphan.run("apply", "--json", "--prune")
    assert (result.code, result.outcomes()["widget.b"]) == (0, "changed")
    (notice,) = result.report["notices"]
    assert notice.startswith("can't update the record of declared resources")
    entries.unlink()
    backup.rename(entries)
    cli_with_orphan.registry = widget_registry
    assert cli_with_orphan.run("apply", "--json").report["notices"] == []
    assert all(
        f'{cli_with_orphan.directory}/b"' not in entry.read_text() for entry in entries.iterdir()
    )


def test_inventory_contains_only_the_removal_spec(
    cli: CliRunner, places: tuple[Path, Path]
) -> None:
    cli.declare_widgets("a", a='password = "https://ann:sesame@h/"')
    cli.run("apply")
    (entry,) = (places[1] / "inventory").iterdir()
    content = entry.read_text()
    assert "sesame" not in content
    assert json.loads(content.partition("\n")[2])["resources"][0]["spec"]["state"] == "absent"
    assert entry.stat().st_mode & 0o777 == 0o600


def damaged_entries(content: bytes) -> dict[str, bytes]:
    document = content.partition(b"\n")[2]
    entry = json.loads(document)["resources"][0]
    valid_checksum = {
        "not an object": "[]",
        "resources of a wrong type": '{"resources": 3}',
        "entries of wrong types": '{"resources": [1, "x", null, []]}',
        "an unknown kind": json.dumps({"resources": [{**entry, "kind": "zebra"}]}),
        "a spec of a wrong type": json.dumps({"resources": [{**entry, "spec": 3}]}),
        "a path of a wrong type": json.dumps({"resources": [{**entry, "spec": {"path": 3}}]}),
        "a path with a NUL": json.dumps({"resources": [{**entry, "spec": {"path": "/a\0b"}}]}),
        "a spec that isn't a removal": document.decode().replace('"absent"', '"present"'),
        "deeply nested": "[" * 100_000,
    }
    return {
        "empty": b"",
        "torn": content[: len(content) // 2],
        "zeros": b"\0" * len(content),
        "another byte": content.replace(b'"absent"', b'"absenu"'),
        "another path": content.replace(b"/b", b"/a"),
        **{name: add_checksum(text.encode()) for name, text in valid_checksum.items()},
    }


@pytest.mark.parametrize("damage", damaged_entries(b'\n{"resources": [{}]}'))
@pytest.mark.parametrize("prune", [[], ["--prune"]])
def test_damaged_inventory_loses_only_the_notice(
    cli_with_orphan: CliRunner, places: tuple[Path, Path], damage: str, prune: list[str]
) -> None:
    (entry,) = (places[1] / "inventory").iterdir()
    entry.write_bytes(damaged_entries(entry.read_bytes())[damage])
    result = cli_with_orphan.run("apply", "--json", *prune)
    assert (result.code, result.outcomes()) == (0, {"widget.a": "unchanged"})
    assert cli_with_orphan.read_widget("b") is not None
