"""The kind `venv`: virtual environments, published through a symlink to a generation."""

from __future__ import annotations

from engine.display import Display, Group
from engine.errors import ConvergeError
from states.interpreter.kind import executable_in
from states.venv.generations.nesting import refuse_nested
from states.venv.generations.store import create_store, lock_of
from states.venv.integrity.receipt import lock_text
from states.venv.layout import NEW, store_of
from states.venv.observe import FOREIGN, Observation, artifacts_of, observe, owners
from states.venv.spec import Venv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.diff import Change, State
    from engine.kind import Dependencies, Inputs
    from engine.settings import Settings
    from states.venv.resolve.selection import Selection

INTACT = "intact"
"""The desired value of a `file.` attribute, for a file that differs from the manifest."""


class VenvKind:
    """Builds virtual environments as their specs declare."""

    spec = Venv
    immutable = frozenset({"python", "system-site-packages"})
    declared = frozenset({"settings", "artifacts", "owner", "group", "mode"})
    display = Display(
        (Group("unfinished.", "condition"), Group("file.", "condition"), Group("package.")),
        hidden=frozenset({"artifacts", "settings"}),
    )

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._latest: dict[str, Observation] = {}
        """The latest observation of each venv in this run, in the order of observation."""

    def normalize(self, spec: Venv, inputs: Inputs) -> Venv:
        """Resolve paths, read the files that the table names, and validate every key."""
        # Imported here: a cached declaration is normalized already.
        from states.venv.resolve.validate import validate

        return validate(spec, inputs, locking=self.settings.compiling_lockfiles)

    def owned_paths(self, spec: Venv) -> Iterable[str]:
        """Yield the published path and the store beside it."""
        store = store_of(spec.path)
        return (store.published, store.root)

    def implied_dependencies(self, spec: Venv) -> Iterable[str]:
        """Yield the declared interpreter, if the venv uses one."""
        return (spec.python,) if spec.python.startswith("interpreter.") else ()

    def removal_spec(self, spec: Venv) -> Venv | None:
        """Return the spec that deletes the venv and its store."""
        return None if spec.state == "absent" else Venv(path=spec.path, state="absent")

    def open(self, spec: Venv) -> VenvHandle:
        """Observe the path, the receipt, and the metadata of every file in the manifest."""
        return self.reopen(spec, None)

    def reopen(self, spec: Venv, selection: Selection | None) -> VenvHandle:
        """Observe a venv for which this run may already have made a selection."""
        view = observe(spec)
        self._latest[spec.path] = view
        return VenvHandle(self, spec, view, selection)

    def observations(self, first: Observation) -> tuple[Observation, ...]:
        """Return the latest observation of each venv, this one first.

        Packages are reused from them. The copy is made at once, because other threads add to
        the originals.
        """
        others = list(self._latest.values())
        return (first, *(other for other in others if other is not first))


class VenvHandle:
    """One venv as observed."""

    def __init__(
        self, kind: VenvKind, spec: Venv, view: Observation, selection: Selection | None
    ) -> None:
        self.kind = kind
        self.spec = spec
        self.view = view
        self.selection = selection
        """The interpreter and versions that this run has selected, if it had to."""

    @property
    def observed(self) -> State | None:
        """The venv as a flat map."""
        return self.view.state

    @property
    def requires_lookup(self) -> bool:
        """Whether versions have to be resolved, or an interpreter found."""
        from states.venv.resolve.selection import is_current

        if self.spec.state == "absent" or self.view.held:
            return False
        return not is_current(self.spec, self.view, self.kind.settings.upgrade)

    def goal(self, dependencies: Dependencies) -> VenvGoal:
        """Decide what the path must point to; resolve versions if no generation records them."""
        spec, view, observed = self.spec, self.view, self.observed
        if observed is not None and observed.get("path") == FOREIGN:
            _require_ownership(spec, held=bool(view.held))
        if spec.state == "absent":
            return Removal(self)
        if observed is not None and view.held:
            return KeepHeld(self, _held_state(spec, observed, view))
        if observed is None:
            refuse_nested(spec.path)
        if self.selection is None:
            from states.venv.resolve.selection import select

            request = _interpreter_request(spec, dependencies)
            self.selection = select(spec, request, view, self.kind.settings)
        return Build(self, self.selection)

    def prepare_lock(self) -> str | None:
        """Create the store if the venv is to exist, and return its lock file."""
        store = store_of(self.spec.path)
        if self.spec.state == "present":
            from states.venv.build.disk_space import explain_disk_full

            views = self.kind.observations(self.view)
            with explain_disk_full(store, self.selection, self.kind.settings, views):
                create_store(store, self.spec.path)
        return lock_of(store, self.spec.path)

    def reobserve(self) -> VenvHandle:
        """Observe again, and keep the selection."""
        return self.kind.reopen(self.spec, self.selection)

    def notices(self) -> Iterable[str]:
        """Report a rollback that is still in effect."""
        held = self.view.held
        if held:
            name = self.spec.declared.rpartition(" venv.")[2]  # The name may contain dots.
            target = "the adopted backup" if held == FOREIGN else f"generation {held}"
            yield (
                f"`{self.spec.path}` is held at {target} after a rollback. To resume updates, "
                f"change its declaration or run: converge rollback FILE {name} --release"
            )


class VenvGoal:
    """The decided state of a venv. Subclasses differ in how they reach it."""

    def __init__(self, handle: VenvHandle, desired: State | None) -> None:
        self.handle = handle
        self.desired = desired

    def explain(self, change: Change) -> str:
        """Return the reason for a change."""
        from states.venv.explain import explain

        return explain(self.handle.spec, change, self.handle.view, self.handle.selection)

    def apply(self) -> None:
        """Make the change."""
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

        remove(self.handle.view.store)


class KeepHeld(VenvGoal):
    """The venv stays at the generation it was rolled back to."""

    def apply(self) -> None:
        """Publish the held generation again."""
        from states.venv.apply import restore

        restore(self.handle.view.store, self.handle.view.held)


class Build(VenvGoal):
    """The path leads to a generation that matches the declaration."""

    def __init__(self, handle: VenvHandle, selection: Selection) -> None:
        super().__init__(handle, _desired_state(handle.spec, selection, handle.observed or {}))
        self.selection = selection

    def apply(self) -> None:
        """Publish a matching generation, built in a new directory if none exists."""
        from states.venv.apply import apply

        handle, kind = self.handle, self.handle.kind
        views = tuple(
            view
            for view in kind.observations(handle.view)
            if view is handle.view or view.receipt is not None
        )
        # A local project's version is known only once it is built.
        handle.selection = apply(
            handle.spec, handle.view.store, self.selection, kind.settings, views
        )

    def refresh_cache(self) -> None:
        """Rewrite the receipt and the stat cache if either is out of date."""
        spec, view, selection = self.handle.spec, self.handle.view, self.selection
        if view.receipt is None:
            return
        is_same = (view.receipt.inputs, view.receipt.request) == (spec.inputs, selection.request)
        if view.stats_outdated or not is_same or lock_text(view.root, view.receipt) is None:
            from states.venv.refresh import refresh

            refresh(spec, view, selection)


def _require_ownership(spec: Venv, *, held: bool) -> None:
    """Raise ConvergeError for content that converge didn't create and must not replace."""
    is_wanted = spec.state == "present"
    if not (is_wanted and (spec.adopt or held)):
        raise ConvergeError(
            f"`{spec.path}` exists and wasn't created by converge",
            hint="move it, or set `adopt = true` to back it up and replace it"
            if is_wanted
            else "move or delete it; converge deletes only what it created",
        )


def _held_state(spec: Venv, observed: State, view: Observation) -> State:
    """Return the state in which a held venv stays: as observed, without unfinished work.

    Raises:
        ConvergeError: The held generation is damaged. It can't be rebuilt, because the
            declaration now asks for something else.

    """
    drift = view.drifted[0].removeprefix("file.") if view.drifted else ""
    # An interpreter that was upgraded in place still runs the venv.
    if view.receipt and view.receipt.python.drift() == "missing":
        drift = f"missing {view.receipt.python.executable}, its interpreter"
    if drift:
        raise ConvergeError(
            f"the held generation of `{spec.path}` is damaged: {drift}",
            hint="roll back to another generation, or release the hold; see "
            "`converge rollback --help`",
        )
    kept = {name: value for name, value in observed.items() if not name.startswith("unfinished.")}
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
    """Keep the observed generation if it matches, wherever the published path points."""
    ignored = ("path", "generation", "unfinished.")
    actual = {name: value for name, value in observed.items() if not name.startswith(ignored)}
    expected = {name: value for name, value in desired.items() if name != "path"}
    return observed.get("generation", NEW) if actual == expected else NEW


def _interpreter_request(spec: Venv, dependencies: Dependencies) -> str:
    """Return the interpreter request: the spec's, or the path of the declared interpreter."""
    state = dependencies.get(spec.python)
    return spec.python if state is None else executable_in(state)
