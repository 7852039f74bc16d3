"""The handle of one wheelhouse, and its goals. `engine.kind` describes the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.result import state_digest
from states.venv.generations.access import create_store, lock_of
from states.venv.generations.store import publication
from states.venv.layout import NEW, store_of
from states.venv.observe import FOREIGN
from states.wheelhouse.generations.receipt import read_selected
from states.wheelhouse.observe import observe
from states.wheelhouse.select.plan import make_plan
from states.wheelhouse.select.selection import is_current, select
from states.wheelhouse.store.hosts import require_same_host
from states.wheelhouse.store.wheels import list_wheels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.diff import Change, State
    from engine.kind import Dependencies, MayCreate
    from engine.settings import Settings
    from states.wheelhouse.select.plan import Plan
    from states.wheelhouse.spec import Wheelhouse

_INTACT = "intact"


class WheelhouseHandle:
    """One wheelhouse as observed.

    Args:
        spec: The declared wheelhouse.
        settings: The settings of the run.
        plan: The versions that this run has selected, if it had to.

    """

    def __init__(self, spec: Wheelhouse, settings: Settings, plan: Plan | None = None) -> None:
        self.spec = spec
        self.settings = settings
        self.observation = observe(spec)
        self.plan = plan
        self.messages: tuple[str, ...] = ()
        """Messages of the apply in this run."""

    @property
    def observed(self) -> State | None:
        """The wheelhouse as a flat map."""
        return self.observation.state

    @property
    def requires_lookup(self) -> bool:
        """Whether versions have to be resolved, or an interpreter found."""
        receipt = self.observation.receipt
        if self.spec.state == "absent":
            return False
        is_upgrade = self.settings.upgrade is not None
        return is_upgrade or receipt is None or not is_current(self.spec, receipt.targets)

    def goal(self, dependencies: Dependencies) -> WheelhouseGoal:
        """Decide the content. Resolves versions if the live generation doesn't record them.

        Raises:
            ConvergeError: The path holds foreign content, belongs to another build host, or is
                inside a venv. Or no interpreter or no versions satisfy a venv.

        """
        spec, observation = self.spec, self.observation
        if (observation.state or {}).get("path") == FOREIGN:
            raise ConvergeError(
                f"`{spec.path}` exists and wasn't created by converge",
                hint="move it; converge replaces and deletes only what it created",
            )
        require_same_host(observation.store)
        if spec.state == "absent":
            return Removal(self, None)
        if observation.state is None:
            # Imported here: a no-op run creates nothing.
            from states.venv.generations.nesting import refuse_nested

            refuse_nested(spec.path)
        receipt = observation.receipt
        if self.plan is None and receipt is not None and not self.requires_lookup:
            desired = self._desired(receipt.attributes)
            if desired == observation.state:
                return Publication(self, desired)
        if self.plan is None:
            recorded = read_selected(observation.root, receipt) if receipt else {}
            self.plan = make_plan(spec, select(spec, recorded, dependencies, self.settings))
        return Publication(self, self._desired(self.plan.attributes))

    def _desired(self, attributes: dict[str, str]) -> dict[str, str]:
        """Return the desired state with these attributes.

        A generation that has the content and no drift stays. Otherwise, there is a new one.
        """
        spec, observed = self.spec, self.observation.state or {}
        desired = {"path": spec.path, **attributes, **({"url": spec.url} if spec.url else {})}
        kept = {name: value for name, value in observed.items() if name != "generation"}
        if kept == desired:
            return {**desired, "generation": observed["generation"]}
        drifted = {name: _INTACT for name in observed if name.startswith("file.")}
        return {**desired, **drifted, "generation": NEW}

    def prepare_lock(self) -> str | None:
        """Create the store if the wheelhouse is declared present, and return the file to lock."""
        store = store_of(self.spec.path)
        if self.spec.state == "present":
            create_store(store, self.spec.path)
        return lock_of(store, self.spec.path)

    def reobserve(self) -> WheelhouseHandle:
        """Observe again, and keep the selection."""
        handle = WheelhouseHandle(self.spec, self.settings, self.plan)
        handle.messages = self.messages
        return handle

    def notices(self) -> Iterable[str]:
        """Yield the notices of the resolutions, and the messages of the apply."""
        selected = self.plan.selected if self.plan is not None else ()
        yield from dict.fromkeys(notice for versions in selected for notice in versions.notices)
        yield from self.messages


class WheelhouseGoal:
    """The decided state of a wheelhouse."""

    def __init__(self, handle: WheelhouseHandle, desired: State | None) -> None:
        self.handle = handle
        self.desired = desired

    @property
    def identity(self) -> str:
        """The publication. `new` if applying the goal publishes a generation."""
        if self.desired is None:
            return "absent"
        if self.desired["generation"] == NEW:
            return NEW
        return publication(self.handle.observation.store) or state_digest(self.desired)

    def explain(self, change: Change) -> str:
        """Return the reason for a change."""
        plan, is_wheel = self.handle.plan, change.attribute.startswith("wheel.")
        if not is_wheel or plan is None:
            return ""
        if change.after is None:
            return "no declared venv needs it"
        # Imported here: a no-op run explains nothing.
        from states.wheelhouse.sources.provide import find_wheel

        artifact = plan.unique_artifacts()[change.attribute]
        stored = list_wheels(self.handle.observation.store).values()
        if find_wheel(artifact, stored):
            return "in the store already"
        return "to be built" if artifact.build else "to be fetched"

    def check_preconditions(self, may_create: MayCreate) -> None:
        """Check that the current user may change the store, and replace the path."""
        # Imported here: a no-op run changes nothing.
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
        """Do nothing: there is no cache."""


class Removal(WheelhouseGoal):
    """The wheelhouse must not exist."""

    def apply(self) -> None:
        """Delete the published symlink, then the store."""
        # Imported here: a no-op run changes nothing.
        from states.wheelhouse.apply import remove

        remove(self.handle.observation.store)


class Publication(WheelhouseGoal):
    """The path points to a generation with the wheels of all venvs."""

    def check_preconditions(self, may_create: MayCreate) -> None:
        """Check also the sources, and the user of builds."""
        # Imported here: a no-op run changes nothing.
        from states.wheelhouse.preconditions import require_sources_of

        super().check_preconditions(may_create)
        if self.handle.plan is not None:
            require_sources_of(self.handle.spec, self.handle.plan)

    def apply(self) -> None:
        """Provide the missing wheels, and publish a new generation."""
        # Imported here: a no-op run changes nothing.
        from states.wheelhouse.apply import apply

        handle = self.handle
        assert handle.plan is not None  # It differs from the live generation.
        store = handle.observation.store
        handle.messages += apply(handle.spec, store, handle.plan, handle.settings)
