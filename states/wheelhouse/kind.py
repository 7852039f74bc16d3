"""The kind `wheelhouse`: published like a venv, through a symlink to a generation."""

from __future__ import annotations

import os

from engine.display import Display, Group
from engine.frozen import replace
from states.wheelhouse.spec import Wheelhouse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.settings import Settings
    from engine.table import Inputs
    from states.wheelhouse.goals import WheelhouseHandle


class WheelhouseKind:
    """Collects the wheels of venvs, and publishes them as a package index."""

    spec = Wheelhouse
    immutable: frozenset[str] = frozenset()
    declared = frozenset({"content", "url"})
    display = Display(
        (
            Group("file.", "condition"),
            Group("lock.", "changed", noun="lockfile"),
            Group("wheel.", noun="wheel"),
        ),
        hidden=frozenset({"content", "generation"}),
    )

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def normalize(self, spec: Wheelhouse, inputs: Inputs) -> Wheelhouse:
        """Resolve the path, and validate every key."""
        # Imported here: a cached declaration is normalized already.
        from states.wheelhouse.validate import validate

        return validate(spec, inputs)

    def resolve_references(self, spec: Wheelhouse, inputs: Inputs) -> Wheelhouse:
        """Add the declared venvs. The wheelhouse doesn't depend on them: they may depend on it."""
        from states.wheelhouse.validate import find_sources

        return replace(spec, sources=find_sources(spec, inputs))

    def owned_paths(self, spec: Wheelhouse) -> Iterable[str]:
        """Yield the published path and the store beside it."""
        parent, name = os.path.split(spec.path)
        parent = os.path.realpath(parent)
        return (os.path.join(parent, name), os.path.join(parent, f".{name}"))

    def implied_dependencies(self, spec: Wheelhouse) -> Iterable[str]:
        """Yield the declared interpreters that it provides wheels for."""
        requests = {request: None for _, _, request in spec.requests()}
        return tuple(request for request in requests if request.startswith("interpreter."))

    def required_paths(self, spec: Wheelhouse) -> Iterable[str]:
        """Yield the paths of interpreters that are declared by their path."""
        requests = {request: None for _, _, request in spec.requests()}
        return tuple(filter(os.path.isabs, requests))

    def may_create(self, spec: Wheelhouse, path: str) -> bool:
        """Return whether a path is in the wheelhouse."""
        if spec.state == "absent":
            return False
        return any(f"{path}/".startswith(f"{own}/") for own in (spec.path, *self.owned_paths(spec)))

    def removal_spec(self, spec: Wheelhouse) -> Wheelhouse | None:
        """Return the spec that deletes the wheelhouse and its store."""
        return None if spec.state == "absent" else Wheelhouse(path=spec.path, state="absent")

    def succeed(self, spec: Wheelhouse, predecessors: tuple[Wheelhouse, ...]) -> Wheelhouse:
        """Return the spec: nothing is taken over."""
        return spec

    def opener(
        self, specs: Sequence[Wheelhouse], jobs: int
    ) -> Callable[[Wheelhouse], WheelhouseHandle]:
        """Return `open`: there is nothing to read ahead."""
        return self.open

    def open(self, spec: Wheelhouse) -> WheelhouseHandle:
        """Observe the path, the receipt, and the metadata of every published file."""
        # Imported here: a run without a wheelhouse doesn't need it.
        from states.wheelhouse.goals import WheelhouseHandle

        return WheelhouseHandle(spec, self.settings)
