"""The kind `venv`, as the loop sees it. What it takes is in the files beside this one."""

from __future__ import annotations

import os

from engine.errors import ConvergeError
from states.venv.observation import FOREIGN, View, artifacts_of, look
from states.venv.seal import AS_SEALED
from states.venv.spec import Venv
from states.venv.store import prepare, store_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.diff import Change, Diff
    from engine.kind import State
    from engine.settings import Settings
    from engine.source import Source
    from states.python import Python
    from states.venv.choice import Choice

NEW = "new"
"""Stands for the generation that a plan cannot name yet."""


class VenvKind:
    """Makes virtual environments be what their specs say."""

    spec = Venv
    fixed = frozenset({"python", "system-site-packages"})
    asked = frozenset({"settings", "artifacts", "owner", "group", "mode"})

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.views: dict[str, View] = {}
        self.choices: dict[str, Choice] = {}
        self.pythons: dict[str, Python] = {}

    def complete(self, spec: Venv, source: Source) -> Venv:
        """Make paths absolute, read what the table names, and check all of it."""
        # Imported here: a remembered declaration is complete already.
        from states.venv.completion import complete

        return complete(spec, source)

    def claims(self, spec: Venv) -> Iterable[str]:
        """A venv owns its path."""
        return (store_of(spec.path).published,)

    def needs(self, spec: Venv) -> Iterable[str]:
        """A venv may be made from a declared interpreter."""
        return (spec.python,) if spec.python.startswith("interpreter.") else ()

    def absent(self, spec: Venv) -> Venv | None:
        """Ask for removal."""
        return None if spec.state == "absent" else Venv(path=spec.path, state="absent")

    def observe(self, spec: Venv) -> State | None:
        """Look at the path, the receipt, and the stat of every sealed file."""
        view = look(spec)
        self.views[spec.path] = view
        return view.state

    def asks(self, spec: Venv, observed: State | None) -> bool:
        """Versions must be chosen, or an interpreter looked for."""
        from states.venv.choice import answered

        if spec.state == "absent":
            return False
        return not answered(spec, self.views[spec.path], self.settings.upgrade)

    def desire(
        self, spec: Venv, observed: State | None, needed: Mapping[str, State | None]
    ) -> State | None:
        """Say what the venv should be: the declared, with the versions that were chosen."""
        from states.venv import choice as choices

        if observed is not None and observed.get("path") == FOREIGN and not spec.adopt:
            raise ConvergeError(
                f"`{spec.path}` holds something that converge did not make",
                hint="move it away, or set `adopt = true` to have it put aside and replaced",
            )
        if spec.state == "absent":
            return None
        view = self.views[spec.path]
        request = _request(spec, needed)
        chosen = self.choices.get(spec.path)
        if chosen is None:
            chosen = choices.choose(spec, request, view, self.settings)
            self.choices[spec.path] = chosen
        desired = {
            "path": spec.path,
            "python": str(chosen.python),
            "system-site-packages": str(spec.system_site_packages).lower(),
            "settings": choices.settings_digest(spec),
            "artifacts": artifacts_of(chosen.packages),
            "owner": spec.owner,
            "group": spec.group,
            "mode": spec.mode,
            **{f"package.{one.name}": one.identity() for one in chosen.packages},
        }
        sealed = {
            name: AS_SEALED
            for name, trouble in (observed or {}).items()
            if name.startswith("file.") and trouble != "unexpected"
        }
        return {**desired, **sealed, "generation": _generation(desired, observed or {})}

    def explain(self, spec: Venv, change: Change) -> str:
        """Say why, in a few words."""
        from states.venv.reasons import reason

        return reason(spec, change, self.views.get(spec.path), self.choices.get(spec.path))

    def lock(self, spec: Venv) -> str | None:
        """Lock the store, made if missing."""
        store = store_of(spec.path)
        if spec.state == "present":
            prepare(store)
        return store.lock if os.path.isdir(store.root) else None

    def apply(self, spec: Venv, diff: Diff) -> None:
        """Build aside, switch once; or remove."""
        from states.venv.making import make, remove

        view = self.views[spec.path]
        if diff.desired is None:
            remove(view.store)
            return
        donors = tuple(one for one in self.views.values() if one.receipt is not None)
        self.choices[spec.path] = make(
            spec, view.store, self.choices[spec.path], self.settings, (view, *donors)
        )

    def remember(self, spec: Venv) -> None:
        """Refresh the receipt and the memory of stats, where either is out of date."""
        view, chosen = self.views[spec.path], self.choices.get(spec.path)
        if view.receipt is None or chosen is None:
            return
        if view.stale or view.receipt.inputs != spec.inputs or view.receipt.request != chosen.request:
            from states.venv.memory import refresh

            refresh(spec, view, chosen)


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
