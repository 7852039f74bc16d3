"""`list` finds the venvs of all applied files, and reads nothing but their symlinks and records."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import main
from engine.declaration.records import record_path, serialize, write_entries
from engine.resource import Resource, to_dict
from states.__main__ import COMMANDS, build_registry
from states.venv.generations.hold import Hold, set_hold
from states.venv.layout import Store, store_of
from states.venv.observe import published_state
from states.venv.spec import Venv
from tests.unit.cli_runner import restored_process_state

GENERATION = "000002-bd72401a"


class ListedHost:
    """A state directory, and stores that look published."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "state"

    def record(self, file: str, *names: str, orphaned: bool = False, exists: bool = True) -> Path:
        """Record that a file declares venvs, as an apply does."""
        path = self.directory / file
        if exists:
            tables = (f'[venv.{name}]\npath = "{name}"\npython = "3"\n' for name in names)
            path.write_text("".join(tables), encoding="utf-8")
        entries = []
        for name in names:
            spec = Venv(path=str(self.directory / name), state="absent")
            resource = Resource(kind="venv", name=name, spec=spec, file=str(path))
            entries.append({**to_dict(resource), **({"orphaned": True} if orphaned else {})})
        (self.state / "inventory").mkdir(parents=True, exist_ok=True, mode=0o700)
        record = record_path(str(path), str(self.state))
        write_entries(record, str(path), serialize(entries))
        return path

    def publish(self, name: str) -> None:
        """Create a generation of a venv and its symlink, without any content."""
        store = store_of(str(self.directory / name))
        os.makedirs(store.generation(GENERATION))
        os.symlink(f".{name}/generations/{GENERATION}", store.published)

    def rows(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
        """Return what `list --json` prints."""
        code, out, err = self.run(capsys, "--json", *arguments)
        assert code == 0, err
        venvs: list[dict[str, Any]] = json.loads(out)["venvs"]
        return venvs

    def run(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
        """Run `list`, and return its exit code and its output."""
        with restored_process_state():
            code = main(build_registry, COMMANDS, ["list", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ListedHost:
    """Return an empty host. The current directory has a declaration that `list` must not take."""
    monkeypatch.setenv("CONVERGE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CONVERGE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "converge.toml").write_text('[venv.here]\npath = "here"\npython = "3"\n')
    return ListedHost(tmp_path)


def test_list_without_file_shows_the_venvs_of_every_applied_file(
    listed: ListedHost, capsys: pytest.CaptureFixture[str]
) -> None:
    first = listed.record("one.toml", "web", "api")
    second = listed.record("two.toml", "jobs")
    listed.publish("web")
    store = store_of(str(listed.directory / "web"))

    rows = {row["address"]: row for row in listed.rows(capsys)}

    assert {address: row["file"] for address, row in rows.items()} == {
        "venv.api": str(first),
        "venv.web": str(first),
        "venv.jobs": str(second),
    }
    web = rows["venv.web"]
    assert (web["state"], web["generation"], web["path"]) == ("live", GENERATION, store.published)
    assert web["since"].startswith("20")
    assert (rows["venv.api"]["state"], rows["venv.api"]["since"]) == ("missing", None)
    assert {row["drift"] for row in rows.values()} == {None}

    code, text, _ = listed.run(capsys)
    assert code == 0
    assert [line for line in text.splitlines() if line.startswith("/")] == [str(first), str(second)]


def test_list_with_a_file_shows_the_venvs_of_that_file(
    listed: ListedHost, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also those that were never applied, and those that it no longer declares."""
    listed.record("other.toml", "jobs")
    file = listed.record("one.toml", "old", orphaned=True)
    file.write_text('[venv.new]\npath = "new"\npython = "3"\n')

    rows = listed.rows(capsys, str(file))

    assert [(row["address"], row["declared"]) for row in rows] == [
        ("venv.new", True),
        ("venv.old", False),
    ]


def test_list_marks_held_venvs_and_deleted_files(
    listed: ListedHost, capsys: pytest.CaptureFixture[str]
) -> None:
    listed.record("gone.toml", "web", exists=False)
    listed.publish("web")
    set_hold(store_of(str(listed.directory / "web")), Hold(GENERATION, "0"))

    (row,) = listed.rows(capsys)
    assert (row["held"], row["declared"]) == (True, False)

    _, text, _ = listed.run(capsys)
    assert "gone.toml  deleted\n" in text
    assert "no longer declared" in text
    assert "held" in text


def test_list_shows_a_table_that_moved_to_another_file_once(
    listed: ListedHost, capsys: pytest.CaptureFixture[str]
) -> None:
    listed.record("old.toml", "web", orphaned=True)
    file = listed.record("new.toml", "web")

    (row,) = listed.rows(capsys)

    assert (row["file"], row["declared"]) == (str(file), True)


def test_list_of_a_host_without_records_is_empty(
    listed: ListedHost, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, _ = listed.run(capsys)

    assert (code, text) == (0, "No venvs are recorded for this user.\n")


def test_failing_read_is_an_error_of_that_venv_only(
    listed: ListedHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed.record("one.toml", "web", "api")
    listed.publish("api")

    def failing(store: Store) -> tuple[str, str | None]:
        if store.published.endswith("/web"):
            raise OSError(5, "Input/output error", store.published)
        return published_state(store)

    monkeypatch.setattr("states.commands.list.published_state", failing)
    code, out, err = listed.run(capsys, "--json")

    document = json.loads(out)
    assert code == document["exit"]["code"] == 74
    assert [row["address"] for row in document["venvs"]] == ["venv.api"]
    assert [*document["errors"]] == [str(listed.directory / "web")]
    assert "venv.web: " in err


def test_damaged_and_foreign_records_are_skipped(
    listed: ListedHost, capsys: pytest.CaptureFixture[str]
) -> None:
    listed.record("one.toml", "web")
    (listed.state / "inventory/torn.json").write_text("{")
    record = record_path("/other.toml", str(listed.state))
    entry = {"kind": "venv", "name": "x", "spec": {"from": "another version"}}
    write_entries(record, "/other.toml", serialize([entry]))

    assert [row["address"] for row in listed.rows(capsys)] == ["venv.web"]
