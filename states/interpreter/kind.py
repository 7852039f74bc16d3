"""The kind `interpreter`: a Python that others are made from; found, never installed."""

from __future__ import annotations

import json
import os

from engine.errors import ConvergeError
from engine.frozen import field, frozen, replace
from engine.system.files import make_private_dir, sha256, write_durable
from states.interpreter import discovery as pythons

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.declaration.inputs import TableInputs
    from engine.diff import Change, Diff
    from engine.kind import State
    from engine.settings import Settings
    from states.interpreter.discovery import Python


@frozen
class Interpreter:
    """One interpreter that must be there."""

    python: str = field("A version, a range such as `>=3.11,<3.13`, or an absolute path.")
    needs: tuple[str, ...] = field("Addresses of what must be there first.", default=())


class InterpreterKind:
    """Finds interpreters, and notices when one has gone."""

    spec = Interpreter
    fixed: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()

    def __init__(self, settings: Settings) -> None:
        self.folder = os.path.join(settings.state, "interpreters")
        self.found: dict[str, Python] = {}
        self.noted: dict[str, Python | None] = {}
        """As last observed."""

    def complete(self, spec: Interpreter, source: TableInputs) -> Interpreter:
        """Check the request."""
        if not pythons.valid_request(spec.python):
            hint = 'write "3.11", ">=3.11,<3.13", or an absolute path'
            source.problem(("python",), f"`{spec.python}` names no interpreter", hint)
        return replace(spec)

    def claims(self, spec: Interpreter) -> Iterable[str]:
        """It belongs to the system."""
        return ()

    def needs(self, spec: Interpreter) -> Iterable[str]:
        """Nothing is implied."""
        return ()

    def absent(self, spec: Interpreter) -> None:
        """It was not ours to install, so it is not ours to remove."""

    def observe(self, spec: Interpreter) -> State | None:
        """Look whether the one that was found last is still what it was."""
        known = self.noted[spec.python] = self._known(spec)
        return None if known is None else {"python": known.condition() or str(known)}

    def asks(self, spec: Interpreter, observed: State | None) -> bool:
        """One must be looked for."""
        if observed is None or not observed["python"][:1].isdigit():
            return True
        known = self.noted[spec.python]
        return known is None or pythons.resolves_elsewhere(known, spec.python)

    def desire(
        self, spec: Interpreter, observed: State | None, needed: Mapping[str, State | None]
    ) -> State | None:
        """Keep the one that is there; else look for one."""
        if observed is not None and not self.asks(spec, observed):
            return observed
        if spec.python not in self.found:
            self.found[spec.python] = pythons.find(spec.python)
        return {"python": str(self.found[spec.python])}

    def explain(self, spec: Interpreter, change: Change) -> str:
        """Say why."""
        if change.before is None:
            return "found"
        if change.before[:1].isdigit():
            return "the path leads to another one"
        return "the former one is gone or was replaced"

    def lock(self, spec: Interpreter) -> str | None:
        """A note is replaced as a whole."""
        return None

    def apply(self, spec: Interpreter, diff: Diff) -> None:
        """Note which one was found."""
        found = self.found.get(spec.python)
        if found is None:
            raise ConvergeError(f"no interpreter found for `{spec.python}`")
        make_private_dir(self.folder)
        whole = json.dumps(pythons.to_json(found))
        write_durable(self._note(spec), whole.encode(), 0o600)

    def remarks(self, spec: Interpreter) -> Iterable[str]:
        """There is nothing to say."""
        return ()

    def remember(self, spec: Interpreter) -> None:
        """There is nothing to remember."""

    def _known(self, spec: Interpreter) -> Python | None:
        """Return the one that was found last, if that was noted."""
        try:
            with open(self._note(spec), encoding="utf-8") as stream:
                return pythons.from_json(json.load(stream))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _note(self, spec: Interpreter) -> str:
        return os.path.join(self.folder, f"{sha256(spec.python.encode())[:32]}.json")
