"""Contract tests that run for every kind of the command."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from engine.diff import State
from engine.resource import from_dict, to_dict
from engine.settings import Settings
from engine.strategy.target import Target
from engine.system.lock import hold_lock
from states.__main__ import build_registry
from tests.crash.sweep import sample as choose_some
from tests.laws.kill_before_change import KILLED
from tests.laws.samples import SAMPLES, Sample
from tests.laws.sandbox import FileState, Sandbox, walk
from tests.support.command import ROOT, Converge

KILLS = choose_some(5, 5, 5)
"""The changes before which the command is killed: the first five, the last five, five between."""


@pytest.fixture(scope="session")
def laws_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a cache shared by all tests, so that downloads and bytecode are reused."""
    return str(tmp_path_factory.mktemp("laws-cache"))


@pytest.fixture(params=SAMPLES, ids=lambda sample: sample.kind)
def sample(request: pytest.FixtureRequest) -> Sample:
    """Return the sample of each kind in turn."""
    parameter: Sample = request.param
    return parameter


@pytest.fixture
def sandbox(sample: Sample, tmp_path: Path, laws_cache: str) -> Sandbox:
    """Return a sandbox with the files that the sample needs, and with unrelated files."""
    return _create_sandbox(sample, tmp_path, laws_cache)


def _create_sandbox(sample: Sample, parent: Path, cache: str) -> Sandbox:
    directory, state = parent / "directory", parent / "state"
    for subdirectory in ("venvs", "bin", "unrelated"):
        (directory / subdirectory).mkdir(parents=True)
    state.mkdir()
    for name in ("venvs/unrelated", "bin/unrelated", "unrelated/file", ".hidden"):
        (directory / name).write_text("unrelated")
    sample.prepare(directory)
    return Sandbox(directory, sample, Settings(cache=cache, state=str(state)))


def test_every_kind_has_a_sample(tmp_path: Path) -> None:
    kinds = build_registry(Settings(cache=str(tmp_path), state=str(tmp_path))).kinds
    assert sorted(kinds) == sorted(sample.kind for sample in SAMPLES)


def test_kind_state_is_a_flat_map_of_strings(sandbox: Sandbox) -> None:
    resource = sandbox.declare(sandbox.sample.first)
    for _ in range(2):
        planned = sandbox.plan(resource)
        for state in (planned.observed, planned.state):
            _assert_flat_map(state)
        sandbox.apply(resource)


def _assert_flat_map(state: State | None) -> None:
    if state is None:
        return
    assert state
    assert all(isinstance(text, str) for item in state.items() for text in item)
    assert json.loads(json.dumps(dict(state))) == dict(state)


def test_kind_observe_writes_nothing_and_is_repeatable(sandbox: Sandbox) -> None:
    resource = sandbox.declare(sandbox.sample.first)
    for _ in range(2):
        before, kind, spec = sandbox.snapshot(), sandbox.kind(), resource.spec
        handle = kind.open(spec)
        kind.removal_spec(spec)
        assert handle.requires_lookup is sandbox.kind().open(spec).requires_lookup
        assert [*handle.notices()] == [*handle.notices()]
        again, fresh = handle.reobserve(), sandbox.kind().open(spec)
        assert again.observed == handle.observed == fresh.observed
        assert sandbox.snapshot() == before
        sandbox.apply(resource)


def test_kind_pure_methods_are_deterministic(sandbox: Sandbox) -> None:
    spec = sandbox.declare(sandbox.sample.first).spec
    kind, other = sandbox.kind(), sandbox.kind()
    assert [*kind.owned_paths(spec)] == [*other.owned_paths(spec)]
    assert [*kind.implied_dependencies(spec)] == [*other.implied_dependencies(spec)]
    assert sandbox.declare(sandbox.sample.first).spec == spec


def test_kind_owned_paths_are_absolute_and_normalized(sandbox: Sandbox) -> None:
    for path in sandbox.kind().owned_paths(sandbox.declare(sandbox.sample.first).spec):
        assert os.path.isabs(path)
        assert os.path.normpath(path) == path


def test_kind_desired_state_is_deterministic(sandbox: Sandbox) -> None:
    resource = sandbox.declare(sandbox.sample.first)
    for _ in range(2):
        handle = sandbox.kind().open(resource.spec)
        desired = handle.goal({}).desired
        assert handle.goal({}).desired == desired
        assert handle.reobserve().goal({}).desired == desired
        sandbox.apply(resource)


def test_dry_run_writes_nothing_and_predicts_the_apply(sandbox: Sandbox) -> None:
    for table in (sandbox.sample.first, sandbox.sample.second):
        resource = sandbox.declare(table)
        before = sandbox.snapshot()

        planned = sandbox.plan(resource)

        assert planned.outcome == "would-change"
        assert sandbox.snapshot() == before
        applied = sandbox.apply(resource)
        assert applied.action == planned.action
        assert [(change.attribute, change.before) for change in applied.changes] == [
            (change.attribute, change.before) for change in planned.changes
        ]


def test_applied_state_is_the_desired_state(sandbox: Sandbox) -> None:
    for table in (sandbox.sample.first, sandbox.sample.second, sandbox.sample.first):
        resource = sandbox.declare(table)
        sandbox.apply(resource)

        assert sandbox.apply(resource).outcome == "unchanged"
        handle = sandbox.kind().open(resource.spec)
        assert handle.observed is not None
        assert handle.goal({}).desired == handle.observed


def test_changed_spec_plans_update(sandbox: Sandbox) -> None:
    sandbox.apply(sandbox.declare(sandbox.sample.first))

    result = sandbox.apply(sandbox.declare(sandbox.sample.second))

    in_place = sandbox.sample.in_place
    assert (result.action == "create") is not in_place
    assert all(change.before is not None for change in result.changes) is in_place


def test_change_reason_is_a_single_line(sandbox: Sandbox) -> None:
    for table in (sandbox.sample.first, sandbox.sample.second):
        for change in sandbox.apply(sandbox.declare(table)).changes:
            assert change.reason == change.reason.strip()
            assert "\n" not in change.reason


def test_kind_apply_is_idempotent(sandbox: Sandbox) -> None:
    resource = sandbox.declare(sandbox.sample.first)
    kind = sandbox.kind()
    handle = kind.open(resource.spec)
    handle.goal({})
    with hold_lock(handle.prepare_lock, 0):
        handle = handle.reobserve()
        target = Target(resource, kind, {}, lambda _: False)
        comparison = target.compare(handle)
        assert comparison.diff
        for _ in range(2):
            comparison.goal.apply()
            handle = handle.reobserve()
            assert not target.compare(handle).diff


def test_apply_writes_only_owned_paths(sandbox: Sandbox) -> None:
    spec = sandbox.declare(sandbox.sample.first).spec
    owned = (*sandbox.kind().owned_paths(spec), sandbox.settings.state)
    # Adding or deleting a name changes the parent directory.
    parents = {os.path.dirname(path) for path in owned}
    before = _snapshot_without(sandbox, owned)

    for table in (sandbox.sample.first, sandbox.sample.second):
        sandbox.apply(sandbox.declare(table))

    after = _snapshot_without(sandbox, owned)
    assert {path for path in before | after if before.get(path) != after.get(path)} <= parents


def _snapshot_without(sandbox: Sandbox, owned: tuple[str, ...]) -> dict[str, FileState]:
    return dict(sandbox.snapshot(without=(*owned, str(sandbox.file))))


def test_removal_deletes_only_the_resource(sandbox: Sandbox) -> None:
    resource = sandbox.declare(sandbox.sample.first)
    removal_spec = sandbox.kind().removal_spec(resource.spec)
    if removal_spec is None:
        pytest.skip("this kind doesn't support removal")
    before = walk(str(sandbox.directory))
    sandbox.apply(resource)
    removal = type(resource)(resource.kind, resource.name, removal_spec, file=resource.file)

    assert sandbox.apply(removal).action == "delete"

    assert sandbox.kind().open(removal_spec).observed is None
    assert sandbox.apply(removal).outcome == "unchanged"
    assert sandbox.kind().removal_spec(removal_spec) is None
    assert sorted(walk(str(sandbox.directory))) == sorted(before)


def test_spec_survives_the_cache(sandbox: Sandbox) -> None:
    resource = sandbox.declare(sandbox.sample.first)
    cached = json.loads(json.dumps(to_dict(resource)))
    assert from_dict(cached, build_registry(sandbox.settings).kinds) == resource


def test_kind_lock_is_in_a_private_directory(sandbox: Sandbox) -> None:
    spec = sandbox.declare(sandbox.sample.first).spec
    lock = sandbox.kind().open(spec).prepare_lock()
    if lock is not None:
        status = os.stat(os.path.dirname(lock))
        assert status.st_uid == os.geteuid()
        assert not status.st_mode & 0o022
        assert sandbox.kind().open(spec).prepare_lock() == lock


def test_run_after_a_kill_repairs_the_resource(
    sample: Sample, tmp_path: Path, laws_cache: str
) -> None:
    """The run after a kill repairs the resource, and the one after that changes nothing."""
    # Fill the cache first: cached work isn't repeated, so the number of changes is stable.
    _run_and_kill(_create_sandbox(sample, tmp_path / "warm-up", laws_cache), 0)
    total = _run_and_kill(_create_sandbox(sample, tmp_path / "complete", laws_cache), 0)
    assert total > 0
    for change in KILLS(total):
        sandbox = _create_sandbox(sample, tmp_path / f"{change}", laws_cache)
        assert _run_and_kill(sandbox, change + 1) == KILLED, change
        resource = sandbox.declare(sample.first)
        sandbox.kind().open(resource.spec)
        next_run = _command(sandbox)("apply", sandbox.file, "--json", *_only(sandbox))
        assert next_run.code == 0, (change, next_run)
        assert sandbox.apply(resource).outcome == "unchanged", change


def _run_and_kill(sandbox: Sandbox, fatal_change: int) -> int:
    """Run the command and kill it before a change; 0 means never.

    Returns:
        `KILLED`, or the number of changes if the command wasn't killed.
    """
    sandbox.declare(sandbox.sample.first)
    command = _command(sandbox)
    script = ROOT / "tests/laws/kill_before_change.py"
    result = subprocess.run(
        [
            *(command.python, script, str(fatal_change)),
            *("apply", "--quiet", sandbox.file, *_only(sandbox)),
        ],
        env=command.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode in (0, KILLED), result.stderr
    return result.returncode or int(result.stdout.split()[-1])


def _only(sandbox: Sandbox) -> tuple[str, str]:
    """Return the option that selects the resource of the sample."""
    return "--only", f"{sandbox.sample.kind}.*"


def _command(sandbox: Sandbox) -> Converge:
    directories = {
        "CONVERGE_CACHE_DIR": sandbox.settings.cache,
        "CONVERGE_STATE_DIR": sandbox.settings.state,
    }
    return Converge(home=sandbox.directory.parent / "home", extra_env=directories)
