"""The kind `interpreter`: a Python that venvs are created from. Found, never installed."""

from __future__ import annotations

import json
import os

from engine.display import Display
from engine.frozen import field, frozen
from engine.result import state_digest
from engine.system.existence import proves_no_file
from engine.system.files import make_private_dir, sha256
from states.interpreter import discovery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.diff import Change, State
    from engine.kind import Dependencies, MayCreate
    from engine.settings import Settings
    from engine.table import Inputs
    from states.interpreter.discovery import Drift, Python

_ATTRIBUTE = "python"


def executable_in(state: State) -> str:
    """Return the path of the interpreter in the desired state of a resource of this kind."""
    return state[_ATTRIBUTE].partition(" ")[2]


@frozen
class Interpreter:
    """One interpreter that must exist."""

    python: str = field("A version, a range such as `>=3.11,<3.13`, or an absolute path.")
    needs: tuple[str, ...] = field("Addresses of resources to apply first.", default=())


class InterpreterKind:
    """Finds interpreters, and detects that one was removed or replaced."""

    spec = Interpreter
    immutable: frozenset[str] = frozenset()
    display = Display(shape="ellipse")
    declared: frozenset[str] = frozenset()

    def __init__(self, settings: Settings) -> None:
        self.directory = os.path.join(settings.state, "interpreters")

    def normalize(self, spec: Interpreter, inputs: Inputs) -> Interpreter:
        """Validate the request."""
        if not discovery.is_valid_request(spec.python):
            hint = 'write "3.11", ">=3.11,<3.13", or an absolute path'
            inputs.error(("python",), f"invalid interpreter request `{spec.python}`", hint)
        return spec

    def resolve_references(self, spec: Interpreter, inputs: Inputs) -> Interpreter:
        """Return the spec: it refers to no other table."""
        return spec

    def owned_paths(self, spec: Interpreter) -> Iterable[str]:
        """Yield nothing: an interpreter belongs to the system."""
        return ()

    def implied_dependencies(self, spec: Interpreter) -> Iterable[str]:
        """Yield nothing."""
        return ()

    def required_paths(self, spec: Interpreter) -> Iterable[str]:
        """Yield the path of the interpreter, if it is declared."""
        return (spec.python,) if os.path.isabs(spec.python) else ()

    def may_create(self, spec: Interpreter, path: str) -> bool:
        """Return False: converge doesn't install interpreters."""
        return False

    def removal_spec(self, spec: Interpreter) -> None:
        """Return None: converge doesn't install interpreters, so it removes none."""

    def succeed(self, spec: Interpreter, predecessors: tuple[Interpreter, ...]) -> Interpreter:
        """Return the spec: nothing is taken over."""
        return spec

    def opener(
        self, specs: Sequence[Interpreter], jobs: int
    ) -> Callable[[Interpreter], InterpreterHandle]:
        """Return `open`: there is nothing to read ahead."""
        return self.open

    def open(self, spec: Interpreter) -> InterpreterHandle:
        """Check whether the interpreter that was found last is still the same."""
        record = os.path.join(self.directory, f"{sha256(spec.python.encode())[:32]}.json")
        return InterpreterHandle(spec, record, None)


class InterpreterHandle:
    """One interpreter request, and the interpreter that was found for it last."""

    def __init__(self, spec: Interpreter, record: str, selected: Python | None) -> None:
        self.spec = spec
        self.record = record
        self.recorded = _read_record(record)
        self.drift: Drift = self.recorded.drift() if self.recorded else ""
        self.selected = selected
        """The interpreter that this run has found, if it searched."""

    @property
    def observed(self) -> State | None:
        """The recorded interpreter, or its drift."""
        if self.recorded is None:
            return None
        return {_ATTRIBUTE: self.recorded.attribute(self.drift)}

    @property
    def requires_lookup(self) -> bool:
        """Whether the recorded interpreter no longer satisfies the request."""
        if self.recorded is None or self.drift:
            return True
        return discovery.resolves_differently(self.recorded, self.spec.python)

    def goal(self, dependencies: Dependencies) -> InterpreterGoal:
        """Keep the recorded interpreter if it satisfies the request. Otherwise search."""
        if self.selected is None:
            keep = self.recorded is not None and not self.requires_lookup
            self.selected = self.recorded if keep else discovery.find(self.spec.python)
        assert self.selected is not None
        return InterpreterGoal(self.record, self.selected, self.drift)

    def prepare_lock(self) -> str | None:
        """Return None: a record is replaced atomically."""
        return None

    def reobserve(self) -> InterpreterHandle:
        """Check again, and keep the interpreter that was found."""
        return InterpreterHandle(self.spec, self.record, self.selected)

    def notices(self) -> Iterable[str]:
        """Yield nothing."""
        return ()


class InterpreterGoal:
    """The interpreter that the request resolves to."""

    def __init__(self, record: str, selected: Python, drift: Drift) -> None:
        self.record = record
        self.selected = selected
        self.drift = drift
        self.desired = {_ATTRIBUTE: str(selected)}

    @property
    def identity(self) -> str:
        """A digest of the interpreter."""
        return state_digest(self.desired)

    def explain(self, change: Change) -> str:
        """Return the reason for another interpreter."""
        if change.before is None:
            return "found"
        if self.drift:
            return "the previous interpreter was removed or replaced"
        return "the path resolves to another interpreter"

    def check_preconditions(self, may_create: MayCreate) -> None:
        """Check that the record can be written. The interpreter was found."""
        # Imported here: a no-op run writes nothing.
        from engine.system.permissions import require_writable

        require_writable(os.path.dirname(self.record))

    def apply(self) -> None:
        """Record the interpreter."""
        # Imported here: a no-op run writes nothing.
        from engine.system.atomic_write import write_atomic

        make_private_dir(os.path.dirname(self.record))
        body = json.dumps(discovery.to_json(self.selected))
        write_atomic(self.record, body.encode(), 0o600, durable=True)

    def refresh_cache(self) -> None:
        """Do nothing: there is no cache."""


def _read_record(path: str) -> Python | None:
    """Return the recorded interpreter, or None if there is no valid record.

    Raises:
        OSError: The record can't be read.

    """
    try:
        with open(path, encoding="utf-8") as stream:
            return discovery.from_json(json.load(stream))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    except OSError as error:
        if proves_no_file(error):
            return None
        raise
