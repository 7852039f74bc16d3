"""The handle of one venv, and the goals that the handle may decide on.

`engine.kind` describes the contract. The work itself is in `states.venv.apply`.
"""

from __future__ import annotations

from engine.result import state_digest
from engine.system.existence import is_directory
from states.interpreter.kind import executable_in
from states.venv.desired import desired_state, held_state, require_ownership
from states.venv.generations.access import create_store, lock_of
from states.venv.generations.store import publication
from states.venv.layout import NEW, store_of
from states.venv.observe import FOREIGN, Observation, observe
from states.venv.run.system_requirements import SystemRequirements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from engine.diff import Change, State
    from engine.kind import Dependencies, MayCreate
    from states.venv.resolve.selection import Selection
    from states.venv.run.shared import VenvRun
    from states.venv.spec import Venv


class VenvHandle:
    """One venv as observed.

    Args:
        spec: The declared venv.
        shared: The state of the run. The handle adds its observation.
        matching: Generations whose stat cache was just compared, and matches.

    """

    def __init__(self, spec: Venv, shared: VenvRun, matching: Container[str] = ()) -> None:
        self.spec = spec
        self.shared = shared
        self.settings = shared.settings
        self.observation = shared.latest[spec.path] = observe(spec, matching)
        self.selection: Selection | None = None
        """The interpreter and versions that this run has selected, if it had to."""
        self.is_changing = False
        """Whether this run changes the venv, or would change it."""
        self.messages: tuple[str, ...] = ()
        """Messages of the apply in this run about persistent directories."""
        self.system = SystemRequirements(spec, shared.requirers, shared.settings.cache)
        self._is_current: bool | None = None
        """The result of `is_current`, which reads the source of each local project."""

    @property
    def observed(self) -> State | None:
        """The venv as a flat map, with the required packages that `goal` found missing."""
        state = self.observation.state
        return {**state, **self.system.observed()} if state is not None else None

    @property
    def requires_lookup(self) -> bool:
        """Whether versions have to be resolved, an interpreter found, or packages looked up."""
        from states.venv.resolve.selection import is_current

        if self.spec.state == "absent" or self.observation.held:
            return False
        if self._is_current is None:
            self._is_current = is_current(self.spec, self.observation, self.settings.upgrade)
        return not self._is_current or not self.system.is_known()

    def goal(self, dependencies: Dependencies) -> VenvGoal:
        """Decide what the path must point to. Resolve versions if no generation records them.

        Raises:
            ConvergeError: The path holds foreign content, is inside a generation, or is held at
                a damaged generation. Or no interpreter or no versions satisfy the spec.

        """
        spec, observation, observed = self.spec, self.observation, self.observed
        if observed is not None and observed.get("path") == FOREIGN:
            require_ownership(spec, held=bool(observation.held))
        if spec.state == "absent":
            return Removal(self)
        if observed is not None and observation.held:
            return KeepHeld(self, held_state(spec, observed, observation))
        if observed is None:
            # Imported here: a no-op run creates nothing.
            from states.venv.generations.nesting import refuse_nested

            refuse_nested(spec.path)
        if spec.owner or spec.group:
            from states.venv.accounts import find_accounts

            find_accounts(spec)
        if self.selection is None:
            from states.venv.resolve.selection import select

            request = _interpreter_request(spec, dependencies)
            is_current = self._is_current is True
            self.selection = select(spec, request, observation, self.settings, is_current)
        self.system.look_up()
        build = Build(self, self.selection)
        self.is_changing = self.is_changing or build.desired != observed
        return build

    def prepare_lock(self) -> str | None:
        """Create the store if the venv is declared present, and return the file to lock."""
        store = store_of(self.spec.path)
        if self.spec.state == "present":
            from states.venv.build.disk_space import explain_disk_full

            observations = self.observations()
            with explain_disk_full(store, self.selection, self.settings, observations):
                create_store(store, self.spec.path)
        return lock_of(store, self.spec.path)

    def reobserve(self) -> VenvHandle:
        """Observe again, and keep the selection."""
        handle = VenvHandle(self.spec, self.shared)
        handle.selection, handle.is_changing = self.selection, self.is_changing
        handle.messages = self.messages
        return handle

    def observations(self) -> tuple[Observation, ...]:
        """Return the latest observation of each venv, this one first.

        The copy is made at once, because other threads add to the originals.
        """
        others = list(self.shared.latest.values())
        return (self.observation, *(other for other in others if other is not self.observation))

    def notices(self) -> Iterable[str]:
        """Report a resolution, a rollback in effect, and what a change did to files and data."""
        receipt = self.observation.receipt
        yield from self.selection.notices if self.selection is not None else ()
        has_data = is_directory(self.observation.store.persistent)
        is_selecting = bool(self.spec.build_settings) and self._is_current is not True
        if not (self.observation.held or self.is_changing or has_data or is_selecting):
            return
        # Imported here: most runs have nothing to report.
        from states.venv.notices import content_notices, data_notices, file_notices, held_notice

        if self.observation.held:
            yield held_notice(self.spec, self.observation)
        if self.is_changing and receipt is not None:
            yield from content_notices(receipt)
        if self.is_changing:
            yield from file_notices(self.spec, self.observation)
        yield from self.messages
        if is_selecting and self.selection is not None:
            from states.venv.resolve.builds.notices import build_notices

            yield from build_notices(self.spec, self.selection.packages)
        yield from data_notices(self.spec, self.observation, is_changing=self.is_changing)


class VenvGoal:
    """The decided state of a venv. Subclasses differ in how they reach it."""

    def __init__(self, handle: VenvHandle, desired: State | None) -> None:
        self.handle = handle
        self.desired = desired

    @property
    def identity(self) -> str:
        """The publication. `new` if applying the goal publishes a generation."""
        desired, observed = self.desired, self.handle.observed or {}
        if desired is None:
            return "absent"
        is_published = observed.get("path") == desired["path"]
        if not is_published or desired.get("generation") != observed.get("generation"):
            return NEW
        return publication(self.handle.observation.store) or state_digest(desired)

    def explain(self, change: Change) -> str:
        """Return the reason for a change."""
        from states.venv.explain import explain

        handle = self.handle
        reason = handle.system.explain(change.attribute)
        return reason or explain(handle.spec, change, handle.observation, handle.selection)

    def check_preconditions(self, may_create: MayCreate) -> None:
        """Check that the current user may change the store, and replace the path."""
        from states.venv.preconditions.publication import require_publishable

        store, path = self.handle.observation.store, self.handle.spec.path
        if not may_create(path):  # Otherwise, a command runs first, and may change the host.
            require_publishable(store, path)

    def apply(self) -> None:
        """Make the change.

        Raises:
            NotImplementedError: Subclasses implement this.

        """
        raise NotImplementedError

    def refresh_cache(self) -> None:
        """Leave the caches as they are."""


class Removal(VenvGoal):
    """The venv must not exist."""

    def __init__(self, handle: VenvHandle) -> None:
        super().__init__(handle, None)

    def check_preconditions(self, may_create: MayCreate) -> None:
        """Check also that no file system is mounted in the store."""
        from states.venv.generations.removal import require_no_mount

        super().check_preconditions(may_create)
        require_no_mount(self.handle.observation.store.root)

    def apply(self) -> None:
        """Delete the published symlink, then the store."""
        from states.venv.apply import remove

        remove(self.handle.observation.store)


class KeepHeld(VenvGoal):
    """The venv stays at the generation that it was rolled back to."""

    def apply(self) -> None:
        """Publish the held generation again."""
        from states.venv.apply import restore

        restore(self.handle.observation.store, self.handle.observation.held)


class Build(VenvGoal):
    """The path points to a generation that matches the declaration."""

    def __init__(self, handle: VenvHandle, selection: Selection) -> None:
        desired = desired_state(handle.spec, selection, handle.observation.state or {})
        if handle.observed is not None:
            desired.update(handle.system.desired())
        super().__init__(handle, desired)
        self.selection = selection

    def check_preconditions(self, may_create: MayCreate) -> None:
        """Check also that a generation can be built, unless a matching one exists."""
        from states.venv.apply import find_reusable
        from states.venv.preconditions.build import require_buildable
        from states.venv.preconditions.used_paths import (
            predict_vanishing,
            require_used_paths,
            used_paths,
        )

        super().check_preconditions(may_create)
        spec, handle = self.handle.spec, self.handle
        handle.system.require_installed(may_create)
        if may_create(spec.path):
            return
        used = used_paths(spec, handle.shared.uses, handle.observation)
        reusable = find_reusable(spec, handle.observation, self.selection)
        if reusable is not None:
            require_used_paths(used, reusable.root)
            return
        handle.messages = predict_vanishing(spec, used, handle.observation, self.selection)
        require_buildable(spec, self.selection, handle.observations(), may_create)

    def apply(self) -> None:
        """Publish a matching generation, built in a new directory if none exists."""
        from states.venv.apply import apply
        from states.venv.notices import copy_notices, file_notices

        handle = self.handle
        before = (
            *copy_notices(handle.spec, handle.observation),
            *file_notices(handle.spec, handle.observation),
        )
        # A local project's version is known only once it is built.
        handle.selection, messages = apply(
            handle.spec, self.selection, handle.shared, handle.observations()
        )
        handle.messages = (*before, *messages)

    def refresh_cache(self) -> None:
        """Rewrite the receipt and the stat cache if either is out of date."""
        spec, observation, selection = self.handle.spec, self.handle.observation, self.selection
        receipt = observation.receipt
        if receipt is None:
            return
        is_same = (receipt.inputs, receipt.request) == (spec.inputs, selection.request)
        if observation.stats_outdated or not is_same or observation.lock is None:
            from states.venv.refresh import refresh

            refresh(spec, observation, selection, self.handle.settings)


def _interpreter_request(spec: Venv, dependencies: Dependencies) -> str:
    """Return the interpreter request: the spec's, or the path of the declared interpreter."""
    state, _ = dependencies.get(spec.python, (None, ""))
    return spec.python if state is None else executable_in(state)
