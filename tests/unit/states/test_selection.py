"""Whether recorded versions still answer the declaration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from engine.settings import Settings
from engine.system.files import sha256
from states.venv.integrity.receipt import Package, Receipt, lock_text, write_receipt
from states.venv.layout import store_of
from states.venv.observe import Observation
from states.venv.resolve.selection import (
    Selection,
    interpreter_matches,
    is_current,
    local_projects_changed,
    matches_settings,
    select,
    settings_digest,
)
from states.venv.sources.tree import tree_digest
from states.venv.spec import Venv
from tests.unit.states.values import make_receipt

LOCK = "packages = []\n"


def _observation(tmp_path: Path, lock: str | None = LOCK, **fields: Any) -> Observation:
    """Return an observation of a published generation with a recorded lock."""
    store = store_of(str(tmp_path / "web"))
    root = Path(store.generation("000001-aaaaaaaa"))
    (root / ".converge").mkdir(parents=True)
    if lock is not None:
        (root / ".converge/pylock.toml").write_text(lock)
    receipt = make_receipt(
        **{
            "generation": "000001-aaaaaaaa",
            "path": str(root),
            "lock": sha256(LOCK.encode()),
            "inputs": "in",
            **fields,
        }
    )
    recorded = lock_text(str(root), receipt)
    return Observation(store=store, state={}, receipt=receipt, lock=recorded)


def _spec(tmp_path: Path, **fields: Any) -> Venv:
    return Venv(path=str(tmp_path / "web"), **{"inputs": "in", **fields})


def test_recorded_lock_answers_the_same_inputs(tmp_path: Path) -> None:
    """No index is needed, and the selection is the recorded one."""
    observation = _observation(tmp_path, packages=(Package(name="web", version="1.0"),))
    spec = _spec(tmp_path)
    assert is_current(spec, observation, None)
    selection = select(spec, "3", observation, Settings(cache="/cache", state="/state"))
    assert observation.receipt is not None
    assert selection == Selection(
        request="3",
        python=observation.receipt.python,
        lock=LOCK,
        packages=observation.receipt.packages,
    )


def _write(store_path: Path, identifier: str, **fields: Any) -> Receipt:
    """Write a finished generation with a receipt and a recorded lock."""
    root = store_path / "generations" / identifier
    (root / ".converge").mkdir(parents=True)
    (root / ".converge/pylock.toml").write_text(LOCK)
    receipt = make_receipt(
        generation=identifier, path=str(root), lock=sha256(LOCK.encode()), **fields
    )
    write_receipt(receipt, str(root))
    return receipt


def test_previous_generation_answers_its_own_inputs(tmp_path: Path) -> None:
    """Reverting the declaration restores its versions, of the newest match."""
    older = Package(name="web", version="1.0")
    newer = Package(name="web", version="2.0")
    _write(tmp_path / ".web", "000001-aaaaaaaa", inputs="in", packages=(older,))
    _write(tmp_path / ".web", "000002-aaaaaaaa", inputs="in", packages=(newer,))
    live = _write(tmp_path / ".web", "000003-aaaaaaaa", inputs="other")
    observation = Observation(store=store_of(str(tmp_path / "web")), state={}, receipt=live)
    selection = select(_spec(tmp_path), "3", observation, Settings(cache="/cache", state="/state"))
    assert selection.packages == (newer,)


def test_lock_is_found_in_a_store_that_was_moved(tmp_path: Path) -> None:
    """The receipt contains the previous path. Nothing has to be looked up to build it again."""
    _write(tmp_path / ".before", "000001-aaaaaaaa", inputs="in")
    live = _write(tmp_path / ".before", "000002-aaaaaaaa", inputs="other")
    (tmp_path / ".before").rename(tmp_path / ".web")
    observation = Observation(store=store_of(str(tmp_path / "web")), state={}, receipt=live)
    selection = select(_spec(tmp_path), "3", observation, Settings(cache="/cache", state="/state"))
    assert selection.lock == LOCK


def test_declared_lock_is_reduced_to_the_interpreter(tmp_path: Path) -> None:
    """An upgrade reads the lock again; a new venv has nothing else."""
    lock = tmp_path / "pylock.toml"
    lock.write_text('lock-version = "1.0"\ncreated-by = "test"\npackages = []\n')
    observation = Observation(store=store_of(str(tmp_path / "web")), state=None)
    request = str(Path(sys.executable).resolve())
    settings = Settings(cache="/cache", state="/state", upgrade=frozenset())
    selection = select(_spec(tmp_path, lock=str(lock)), request, observation, settings)
    assert (selection.request, selection.packages) == (request, ())
    assert selection.python.executable == request


UNANSWERED: dict[str, tuple[dict[str, Any], dict[str, Any], frozenset[str] | None]] = {
    "other inputs": ({"inputs": "other"}, {}, None),
    "other interpreter": ({"python": "3.12"}, {}, None),
    "full upgrade": ({}, {}, frozenset()),
    "upgrade of a package": ({}, {}, frozenset({"web"})),
    "modified lock": ({}, {"lock": "# edited\n"}, None),
    "missing lock": ({}, {"lock": None}, None),
}


@pytest.mark.parametrize(("spec", "observation", "upgrade"), UNANSWERED.values(), ids=UNANSWERED)
def test_lookup_is_needed(
    tmp_path: Path,
    spec: dict[str, Any],
    observation: dict[str, Any],
    upgrade: frozenset[str] | None,
) -> None:
    """Other inputs, an upgrade, or a damaged record."""
    assert not is_current(_spec(tmp_path, **spec), _observation(tmp_path, **observation), upgrade)


def test_new_venv_needs_a_lookup(tmp_path: Path) -> None:
    """Nothing is recorded."""
    observation = Observation(store=store_of(str(tmp_path / "web")), state=None)
    assert not is_current(_spec(tmp_path), observation, None)


def test_declared_interpreter_is_not_searched(tmp_path: Path) -> None:
    """The kind `interpreter` finds it."""
    assert is_current(_spec(tmp_path, python="interpreter.main"), _observation(tmp_path), None)


def test_edited_project_is_detected(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "a.py").write_text("1\n")
    package = Package(
        name="a", version="1", origin=f"file://{project}", content=tree_digest(str(project))
    )
    receipt = make_receipt(packages=(package, Package(name="web", version="1.0")))
    spec = _spec(tmp_path)
    assert not local_projects_changed(spec, receipt)
    (project / "a.py").write_text("2\n")
    assert local_projects_changed(spec, receipt)
    (project / "a.py").write_text("1\n")
    (project / "data").mkdir()
    (project / "data/rows.sqlite3").touch()
    assert local_projects_changed(spec, receipt)
    assert not local_projects_changed(_spec(tmp_path, source_ignore=("*.sqlite3",)), receipt)


SETTINGS = [
    {"persistent": ("etc/web",)},
    {"ignore": ("share/cache/*",)},
    {"system_packages": ("libvirt",)},
]
CONTENT = [{"inputs": "other"}, {"system_site_packages": True}, {"owner": "web"}, {"mode": "0700"}]


@pytest.mark.parametrize("fields", [*SETTINGS, *CONTENT])
def test_shaped_detects_changed_settings(tmp_path: Path, fields: dict[str, Any]) -> None:
    """Another spec needs another generation."""
    spec = _spec(tmp_path)
    receipt = make_receipt(inputs="in", settings=settings_digest(spec))
    assert matches_settings(spec, receipt)
    assert not matches_settings(_spec(tmp_path, **fields), receipt)


UNRELATED = [{"keep": 5}, {"smoke": ("web --version",)}, {"python": "3.12"}, {"adopt": True}]


@pytest.mark.parametrize("fields", UNRELATED)
def test_shaped_ignores_other_settings(tmp_path: Path, fields: dict[str, Any]) -> None:
    """They don't change the content of a generation."""
    receipt = make_receipt(inputs="in", settings=settings_digest(_spec(tmp_path)))
    assert matches_settings(_spec(tmp_path, **fields), receipt)


REQUESTS = [("3", True), ("3.11", True), (">=3.10", True), ("3.12", False), ("/usr/bin/x", False)]


@pytest.mark.parametrize(("request_", "expected"), REQUESTS)
def test_same_request(request_: str, expected: bool) -> None:
    """An equal request, or one that the interpreter satisfies."""
    assert interpreter_matches(request_, make_receipt(request="3")) is expected


def test_same_request_keeps_a_missing_path() -> None:
    """The recorded interpreter stays while its path points nowhere."""
    receipt = make_receipt(request="/missing/python3")
    assert interpreter_matches("/missing/python3", receipt)
