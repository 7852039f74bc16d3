"""The handle of one venv, and the goals that the handle may decide on.

`engine.kind` describes the contract. The work itself is in `states.venv.apply`.
"""

from __future__ import annotations

from engine.errors import ConvergeError
from states.interpreter.kind import executable_in
from states.venv.generations.store import create_store, lock_of
from states.venv.layout import NEW, store_of
from states.venv.observe import FOREIGN, REMEDIED, Observation, artifacts_of, observe, owners

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.diff import Change, State
    from engine.kind import Dependencies
    from engine.settings import Settings
    from states.venv.resolve.selection import Selection
    from states.venv.spec import Venv

INTACT = "intact"
"""The desired value of a `file.` attribute, for a file that differs from the manifest."""


class VenvHandle:
    """One venv as observed.

    Args:
        spec: The declared venv.
        settings: The settings of the run.
        latest: The latest observation of each venv in this run, by path. The handle adds its
            own, and packages are reused from all of them.

    """

    def __init__(self, spec: Venv, settings: Settings, latest: dict[str, Observation]) -> None:
        self.spec = spec
        self.settings = settings
        self.observation = latest[spec.path] = observe(spec)
        self.selection: Selection | None = None
        """The interpreter and versions that this run has selected, if it had to."""
        self.is_changing = False
        """Whether this run changes the venv, or would change it."""
        self._latest = latest
        self._is_current: bool | None = None
        """The result of `is_current`, which reads the source of each local project."""

    @property
    def observed(self) -> State | None:
        """The venv as a flat map."""
        return self.observation.state

    @property
    def requires_lookup(self) -> bool:
        """Whether versions have to be resolved, or an interpreter found."""
        from states.venv.resolve.selection import is_current

        if self.spec.state == "absent" or self.observation.held:
            return False
        if self._is_current is None:
            self._is_current = is_current(self.spec, self.observation, self.settings.upgrade)
        return not self._is_current

    def goal(self, dependencies: Dependencies) -> VenvGoal:
        """Decide what the path must point to. Resolve versions if no generation records them.

        Raises:
            ConvergeError: The path holds foreign content, is inside a generation, or is held at
                a damaged generation. Or no interpreter or no versions satisfy the spec.

        """
        spec, observation, observed = self.spec, self.observation, self.observed
        if observed is not None and observed.get("path") == FOREIGN:
            _require_ownership(spec, held=bool(observation.held))
        if spec.state == "absent":
            return Removal(self)
        if observed is not None and observation.held:
            return KeepHeld(self, _held_state(spec, observed, observation))
        if observed is None:
            # Imported here: a no-op run creates nothing.
            from states.venv.generations.nesting import refuse_nested

            refuse_nested(spec.path)
        if self.selection is None:
            from states.venv.resolve.selection import select

            request = _interpreter_request(spec, dependencies)
            is_current = self._is_current is True
            self.selection = select(spec, request, observation, self.settings, is_current)
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
        handle = VenvHandle(self.spec, self.settings, self._latest)
        handle.selection, handle.is_changing = self.selection, self.is_changing
        return handle

    def observations(self) -> tuple[Observation, ...]:
        """Return the latest observation of each venv, this one first.

        The copy is made at once, because other threads add to the originals.
        """
        others = list(self._latest.values())
        return (self.observation, *(other for other in others if other is not self.observation))

    def notices(self) -> Iterable[str]:
        """Report a rollback that is still in effect, and overlapping files after a change."""
        receipt, older = self.observation.receipt, self.selection and self.selection.older
        if not (self.observation.held or older or (self.is_changing and receipt)):
            return
        # Imported here: most runs have nothing to report.
        from states.venv.notices import content_notices, held_notice, older_notice

        if self.observation.held:
            yield held_notice(self.spec, self.observation)
        if older:
            yield older_notice(self.spec, older)
        if self.is_changing and receipt is not None:
            yield from content_notices(receipt)


class VenvGoal:
    """The decided state of a venv. Subclasses differ in how they reach it."""

    def __init__(self, handle: VenvHandle, desired: State | None) -> None:
        self.handle = handle
        self.desired = desired

    def explain(self, change: Change) -> str:
        """Return the reason for a change."""
        from states.venv.explain import explain

        return explain(self.handle.spec, change, self.handle.observation, self.handle.selection)

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
        super().__init__(handle, _desired_state(handle.spec, selection, handle.observed or {}))
        self.selection = selection

    def apply(self) -> None:
        """Publish a matching generation, built in a new directory if none exists."""
        from states.venv.apply import apply

        handle = self.handle
        # A local project's version is known only once it is built.
        handle.selection = apply(
            handle.spec, self.selection, handle.settings, handle.observations()
        )

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


def _require_ownership(spec: Venv, *, held: bool) -> None:
    """Check whether converge may replace foreign content at the path.

    Args:
        spec: The declared venv.
        held: Whether the content is an adopted backup that a rollback restored.

    Raises:
        ConvergeError: It may not.

    """
    is_wanted = spec.state == "present"
    if not (is_wanted and (spec.adopt or held)):
        raise ConvergeError(
            f"`{spec.path}` exists and wasn't created by converge",
            hint="move it, or set `adopt = true` to back it up and replace it"
            if is_wanted
            else "move or delete it; converge deletes only what it created",
        )


def _held_state(spec: Venv, observed: State, observation: Observation) -> State:
    """Return the state in which a held venv stays: as observed, without unfinished work.

    Args:
        spec: The declared venv.
        observed: The state of the venv.
        observation: The observation that the state comes from.

    Returns:
        The desired state.

    Raises:
        ConvergeError: The held generation is damaged. It can't be rebuilt, because it
            comes from an earlier declaration.

    """
    drift = observation.drifted[0].removeprefix("file.") if observation.drifted else ""
    # An interpreter that was upgraded in place still runs the venv.
    if observation.receipt and observation.receipt.python.drift() == "missing":
        drift = f"missing {observation.receipt.python.executable}, its interpreter"
    if drift:
        raise ConvergeError(
            f"the held generation of `{spec.path}` is damaged: {drift}",
            hint="roll back to another generation, or release the hold; see "
            "`converge rollback --help`",
        )
    kept = {name: value for name, value in observed.items() if not name.startswith(REMEDIED)}
    return kept if observed["path"] == FOREIGN else {**kept, "path": spec.path}


def _desired_state(spec: Venv, selection: Selection, observed: State) -> State:
    from states.venv.resolve.selection import settings_digest

    desired = {
        "path": spec.path,
        "python": str(selection.python),
        "system-site-packages": str(spec.system_site_packages).lower(),
        "settings": settings_digest(spec),
        "artifacts": artifacts_of(selection.packages),
        **owners(spec.owner, spec.group),
        "mode": spec.mode,
        **{f"package.{package.name}": package.identity() for package in selection.packages},
    }
    intact = {
        name: INTACT
        for name, condition in observed.items()
        if name.startswith("file.") and condition != "unexpected"
    }
    return {**desired, **intact, "generation": _generation(desired, observed)}


def _generation(desired: State, observed: State) -> str:
    """Return the observed generation if it matches, wherever the path points, or else `new`."""
    ignored = ("path", "generation", *REMEDIED)
    actual = {name: value for name, value in observed.items() if not name.startswith(ignored)}
    expected = {name: value for name, value in desired.items() if name != "path"}
    return observed.get("generation", NEW) if actual == expected else NEW


def _interpreter_request(spec: Venv, dependencies: Dependencies) -> str:
    """Return the interpreter request: the spec's, or the path of the declared interpreter."""
    state = dependencies.get(spec.python)
    return spec.python if state is None else executable_in(state)
