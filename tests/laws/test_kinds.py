"""The laws of the contract, over every kind that the command has."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from engine.converge import difference
from engine.kind import State
from engine.loading import freeze, thaw
from engine.lock import holding
from engine.settings import Settings
from states.__main__ import compose
from tests.crash.sweep import sample as some_of
from tests.laws.killed import KILLED
from tests.laws.samples import SAMPLES, Sample
from tests.laws.world import Look, World, below
from tests.support.command import ROOT, Converge

KILLS = some_of(5, 5, 5)
"""Of a kind that does more than so many things: the first, the last, and some between."""


@pytest.fixture(scope="session")
def laws_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What was fetched and compiled for one law serves the others."""
    return str(tmp_path_factory.mktemp("laws-cache"))


@pytest.fixture(params=SAMPLES, ids=lambda sample: sample.kind)
def sample(request: pytest.FixtureRequest) -> Sample:
    """Each kind in turn."""
    return request.param


@pytest.fixture
def world(sample: Sample, tmp_path: Path, laws_cache: str) -> World:
    """A folder with what the sample takes for granted, and with others' things in it."""
    return _world(sample, tmp_path, laws_cache)


def _world(sample: Sample, place: Path, cache: str) -> World:
    folder, state = place / "place", place / "state"
    for one in (folder / "venvs", folder / "bin", folder / "another's"):
        one.mkdir(parents=True)
    state.mkdir()
    for one in ("venvs/another", "bin/another", "another's/file", ".hidden"):
        (folder / one).write_text("not ours")
    sample.prepare(folder)
    return World(folder, sample, Settings(cache=cache, state=str(state)))


def test_every_kind_has_a_sample(tmp_path: Path) -> None:
    kinds = compose(Settings(cache=str(tmp_path), state=str(tmp_path))).kinds
    assert sorted(kinds) == sorted(one.kind for one in SAMPLES)


def test_kind_state_is_a_flat_map_of_strings(world: World) -> None:
    resource = world.declare(world.sample.first)
    for _ in range(2):
        foretold = world.foretell(resource)
        for state in (foretold.observed, foretold.state):
            _check_state(state)
        world.bring_about(resource)


def _check_state(state: State | None) -> None:
    if state is None:
        return
    assert state
    assert all(isinstance(one, str) for item in state.items() for one in item)
    assert json.loads(json.dumps(dict(state))) == dict(state)


def test_kind_observe_writes_nothing_and_is_repeatable(world: World) -> None:
    resource = world.declare(world.sample.first)
    for _ in range(2):
        before, kind, spec = world.looks(), world.kind(), resource.spec
        seen = kind.observe(spec)
        kind.asks(spec, seen)
        kind.absent(spec)
        assert [*kind.remarks(spec)] == [*kind.remarks(spec)]
        assert kind.observe(spec) == seen == world.kind().observe(spec)
        assert world.looks() == before
        world.bring_about(resource)


def test_kind_pure_methods_are_deterministic(world: World) -> None:
    spec = world.declare(world.sample.first).spec
    kind, other = world.kind(), world.kind()
    assert [*kind.claims(spec)] == [*other.claims(spec)]
    assert [*kind.needs(spec)] == [*other.needs(spec)]
    assert world.declare(world.sample.first).spec == spec


def test_kind_owned_paths_are_absolute_and_normalized(world: World) -> None:
    for claim in world.kind().claims(world.declare(world.sample.first).spec):
        assert os.path.isabs(claim)
        assert os.path.normpath(claim) == claim


def test_kind_desired_state_is_deterministic(world: World) -> None:
    resource = world.declare(world.sample.first)
    for _ in range(2):
        kind = world.kind()
        seen = kind.observe(resource.spec)
        first = kind.desire(resource.spec, seen, {})
        assert kind.desire(resource.spec, seen, {}) == first
        world.bring_about(resource)


def test_dry_run_writes_nothing_and_predicts_the_apply(world: World) -> None:
    for table in (world.sample.first, world.sample.second):
        resource = world.declare(table)
        before = world.looks()

        foretold = world.foretell(resource)

        assert foretold.outcome == "would-change"
        assert world.looks() == before
        done = world.bring_about(resource)
        assert done.action == foretold.action
        assert [(one.attribute, one.before) for one in done.changes] == [
            (one.attribute, one.before) for one in foretold.changes
        ]


def test_applied_state_is_the_desired_state(world: World) -> None:
    for table in (world.sample.first, world.sample.second, world.sample.first):
        resource = world.declare(table)
        world.bring_about(resource)

        assert world.bring_about(resource).outcome == "unchanged"
        kind = world.kind()
        seen = kind.observe(resource.spec)
        assert seen is not None
        assert kind.desire(resource.spec, seen, {}) == seen


def test_changed_spec_plans_update(world: World) -> None:
    world.bring_about(world.declare(world.sample.first))

    done = world.bring_about(world.declare(world.sample.second))

    assert (done.action == "create") is not world.sample.in_place
    assert all(one.before is not None for one in done.changes) is world.sample.in_place


def test_change_reason_is_a_single_line(world: World) -> None:
    for table in (world.sample.first, world.sample.second):
        for change in world.bring_about(world.declare(table)).changes:
            assert change.reason == change.reason.strip()
            assert "\n" not in change.reason


def test_kind_apply_is_idempotent(world: World) -> None:
    resource = world.declare(world.sample.first)
    kind = world.kind()
    spec = resource.spec
    with holding(lambda: kind.lock(spec), 0):
        diff = difference(kind, resource, {})
        for _ in range(2):
            kind.apply(spec, diff)
            assert not difference(kind, resource, {})


def test_apply_writes_only_owned_paths(world: World) -> None:
    ours = (*world.kind().claims(world.declare(world.sample.first).spec), world.settings.state)
    # A folder in which a name comes or goes has changed, too.
    around = {os.path.dirname(one) for one in ours}
    before = _others(world, ours)

    for table in (world.sample.first, world.sample.second):
        world.bring_about(world.declare(table))

    after = _others(world, ours)
    assert {path for path in before | after if before.get(path) != after.get(path)} <= around


def _others(world: World, ours: tuple[str, ...]) -> dict[str, Look]:
    return dict(world.looks(without=(*ours, str(world.file))))


def test_removal_deletes_only_the_resource(world: World) -> None:
    resource = world.declare(world.sample.first)
    absent = world.kind().absent(resource.spec)
    if absent is None:
        pytest.skip("what it makes is not for it to remove")
    before = below(str(world.folder))
    world.bring_about(resource)
    gone = type(resource)(resource.kind, resource.name, absent, file=resource.file)

    assert world.bring_about(gone).action == "delete"

    assert world.kind().observe(absent) is None
    assert world.bring_about(gone).outcome == "unchanged"
    assert world.kind().absent(absent) is None
    assert sorted(below(str(world.folder))) == sorted(before)


def test_spec_survives_the_cache(world: World) -> None:
    resource = world.declare(world.sample.first)
    kept = json.loads(json.dumps(freeze(resource)))
    assert thaw(kept, compose(world.settings)) == resource


def test_kind_lock_is_in_a_private_directory(world: World) -> None:
    spec = world.declare(world.sample.first).spec
    lock = world.kind().lock(spec)
    if lock is not None:
        folder = os.stat(os.path.dirname(lock))
        assert folder.st_uid == os.geteuid()
        assert not folder.st_mode & 0o022
        assert world.kind().lock(spec) == lock


def test_run_after_a_kill_repairs_the_resource(
    sample: Sample, tmp_path: Path, laws_cache: str
) -> None:
    """And the one after it finds nothing to do."""
    _struck(_world(sample, tmp_path / "warm", laws_cache), 0)  # what is cached is not done again
    total = _struck(_world(sample, tmp_path / "all", laws_cache), 0)
    assert total > 0
    for turn in KILLS(total):
        world = _world(sample, tmp_path / f"{turn}", laws_cache)
        assert _struck(world, turn + 1) == KILLED, turn
        resource = world.declare(sample.first)
        world.kind().observe(resource.spec)
        again = _command(world)("apply", world.file, "--json")
        assert again.code == 0, (turn, again)
        assert world.bring_about(resource).outcome == "unchanged", turn


def _struck(world: World, turn: int) -> int:
    """Run the command and kill it; return how it ended, or, not killed, how much it did."""
    world.declare(world.sample.first)
    command = _command(world)
    done = subprocess.run(
        [command.python, ROOT / "tests/laws/killed.py", str(turn), "apply", "--quiet", world.file],
        env=command.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, KILLED), done.stderr
    return done.returncode or int(done.stdout.split()[-1])


def _command(world: World) -> Converge:
    places = {
        "CONVERGE_CACHE_DIR": world.settings.cache,
        "CONVERGE_STATE_DIR": world.settings.state,
    }
    return Converge(home=world.folder.parent / "home", extra=places)
