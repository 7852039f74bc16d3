"""The kind `venv`, as the loop sees it. What it takes is in the files beside this one."""

from __future__ import annotations

from engine.errors import ConvergeError
from states.venv.generations.nesting import refuse_nested
from states.venv.generations.store import create_store, lock_of, store_of
from states.venv.integrity.manifest import INTACT
from states.venv.integrity.receipt import lock_text
from states.venv.observe import FOREIGN, Observation, artifacts_of, observe, owners
from states.venv.spec import Venv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.declaration.inputs import TableInputs
    from engine.diff import Change, Diff
    from engine.kind import State
    from engine.settings import Settings
    from states.interpreter.discovery import Python
    from states.venv.resolve.selection import Selection

NEW = "new"
"""Stands for the generation that a plan cannot name yet."""


class VenvKind:
    """Makes virtual environments be what their specs say."""

    spec = Venv
    fixed = frozenset({"python", "system-site-packages"})
    asked = frozenset({"settings", "artifacts", "owner", "group", "mode"})

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.views: dict[str, Observation] = {}
        self.choices: dict[str, Selection] = {}
        self.pythons: dict[str, Python] = {}

    def complete(self, spec: Venv, source: TableInputs) -> Venv:
        """Make paths absolute, read what the table names, and check all of it."""
        # Imported here: a remembered declaration is complete already.
        from states.venv.resolve.validate import validate

        return validate(spec, source, locking=self.settings.locking)

    def claims(self, spec: Venv) -> Iterable[str]:
        """A venv owns its path, and the store beside it."""
        store = store_of(spec.path)
        return (store.published, store.root)

    def needs(self, spec: Venv) -> Iterable[str]:
        """A venv may be made from a declared interpreter."""
        return (spec.python,) if spec.python.startswith("interpreter.") else ()

    def absent(self, spec: Venv) -> Venv | None:
        """Ask for removal."""
        return None if spec.state == "absent" else Venv(path=spec.path, state="absent")

    def observe(self, spec: Venv) -> State | None:
        """Look at the path, the receipt, and the stat of every sealed file."""
        view = observe(spec)
        self.views[spec.path] = view
        return view.state

    def asks(self, spec: Venv, observed: State | None) -> bool:
        """Versions must be chosen, or an interpreter looked for."""
        from states.venv.resolve.selection import is_current

        if spec.state == "absent" or self.views[spec.path].held:
            return False
        return not is_current(spec, self.views[spec.path], self.settings.upgrade)

    def desire(
        self, spec: Venv, observed: State | None, needed: Mapping[str, State | None]
    ) -> State | None:
        """Say what the venv should be: the declared, with the versions that were chosen."""
        from states.venv.resolve import selection as choices

        view = self.views[spec.path]
        if observed is not None and observed.get("path") == FOREIGN:
            _admit(spec, held=bool(view.held))
        if spec.state == "absent":
            return None
        if observed is not None and view.held:
            return _untouched(spec, observed, view)
        if observed is None:
            refuse_nested(spec.path)
        request = _request(spec, needed)
        chosen = self.choices.get(spec.path)
        if chosen is None:
            chosen = choices.select(spec, request, view, self.settings)
            self.choices[spec.path] = chosen
        desired = {
            "path": spec.path,
            "python": str(chosen.python),
            "system-site-packages": str(spec.system_site_packages).lower(),
            "settings": choices.settings_digest(spec),
            "artifacts": artifacts_of(chosen.packages),
            **owners(spec.owner, spec.group),
            "mode": spec.mode,
            **{f"package.{one.name}": one.identity() for one in chosen.packages},
        }
        sealed = {
            name: INTACT
            for name, trouble in (observed or {}).items()
            if name.startswith("file.") and trouble != "unexpected"
        }
        return {**desired, **sealed, "generation": _generation(desired, observed or {})}

    def explain(self, spec: Venv, change: Change) -> str:
        """Say why, in a few words."""
        from states.venv.explain import explain

        return explain(spec, change, self.views.get(spec.path), self.choices.get(spec.path))

    def lock(self, spec: Venv) -> str | None:
        """Lock the store, made if missing."""
        store = store_of(spec.path)
        if spec.state == "present":
            from states.venv.build.disk_space import explain_disk_full

            chosen, views = self.choices.get(spec.path), list(self.views.values())
            with explain_disk_full(store, chosen, self.settings, views):
                create_store(store, spec.path)
        return lock_of(store, spec.path)

    def apply(self, spec: Venv, diff: Diff) -> None:
        """Build aside, switch once; or remove."""
        from states.venv.apply import apply, remove, restore

        view = self.views[spec.path]
        if view.held:
            restore(view.store, view.held)
            return
        if diff.desired is None:
            remove(view.store)
            return
        # A copy at once: other venvs are looked at meanwhile.
        others = list(self.views.values())
        donors = tuple(one for one in others if one is not view and one.receipt is not None)
        self.choices[spec.path] = apply(
            spec, view.store, self.choices[spec.path], self.settings, (view, *donors)
        )

    def remember(self, spec: Venv) -> None:
        """Refresh the receipt and the memory of stats, where either is out of date."""
        view, chosen = self.views[spec.path], self.choices.get(spec.path)
        if view.receipt is None or chosen is None or view.held:
            return
        same = (view.receipt.inputs, view.receipt.request) == (spec.inputs, chosen.request)
        if view.stale or not same or lock_text(view.root, view.receipt) is None:
            from states.venv.refresh import refresh

            refresh(spec, view, chosen)

    def remarks(self, spec: Venv) -> Iterable[str]:
        """Tell of a rollback that still holds."""
        held = self.views[spec.path].held if spec.path in self.views else ""
        if held:
            name = spec.declared.rpartition(" venv.")[2]  # it may have dots in it
            where = "the folder that was adopted" if held == FOREIGN else f"generation {held}"
            yield (
                f"`{spec.path}` is held at {where}, to which "
                f"it was rolled back; change its declaration, or `converge rollback "
                f"FILE {name} --release`, to go on"
            )


def _admit(spec: Venv, *, held: bool) -> None:
    """Refuse what another tool made, unless it is to be replaced, or was given back and is held."""
    wanted = spec.state == "present"
    if not (wanted and (spec.adopt or held)):
        raise ConvergeError(
            f"`{spec.path}` holds something that converge did not make",
            hint="move it away, or set `adopt = true` to have it put aside and replaced"
            if wanted
            else "move it away, or remove it; converge removes only what it made",
        )


def _untouched(spec: Venv, observed: State, view: Observation) -> State:
    """Ask of a held venv to stay as it is; it is not built anew from a wish that was rejected."""
    trouble = view.troubles[0].removeprefix("file.") if view.troubles else ""
    condition = view.receipt.python.condition() if view.receipt else ""
    if condition.startswith("missing"):  # one that was upgraded in its place still runs it
        trouble = f"{condition}, its interpreter"
    if trouble:
        raise ConvergeError(
            f"the held generation of `{spec.path}` is damaged: {trouble}",
            hint="roll back to another one, or release it: `converge rollback --help`",
        )
    rest = {name: value for name, value in observed.items() if not name.startswith("leftover.")}
    return rest if observed["path"] == FOREIGN else {**rest, "path": spec.path}


def _generation(desired: State, observed: State) -> str:
    """Keep the generation that is there if it is what is wanted, wherever the path leads."""
    skipped = ("path", "generation", "leftover.")
    rest = {name: value for name, value in observed.items() if not name.startswith(skipped)}
    wanted = {name: value for name, value in desired.items() if name != "path"}
    return observed.get("generation", NEW) if rest == wanted else NEW


def _request(spec: Venv, needed: Mapping[str, State | None]) -> str:
    """Return what the interpreter is asked by: the spec's own word, or the declared one's path."""
    state = needed.get(spec.python)
    if state is None:
        return spec.python
    return state["python"].partition(" ")[2]
