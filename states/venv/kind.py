"""The kind `venv`: virtual environments, published through a symlink to a generation."""

from __future__ import annotations

import os
from contextlib import suppress

from engine.display import Display, Group
from engine.frozen import replace
from states.venv.generations.store import live_id
from states.venv.goals import VenvHandle
from states.venv.integrity.intact import find_matching
from states.venv.layout import store_of
from states.venv.run.shared import VenvRun
from states.venv.spec import Venv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from engine.settings import Settings
    from engine.table import Inputs
    from states.venv.run.shared import PathUses


def _expand(spec: Venv) -> dict[str, Any]:
    # Imported here: only `converge show` prints all values.
    from states.venv.resolve.builds.settings import declared_settings

    return declared_settings(spec)


class VenvKind:
    """Builds virtual environments as their specs declare."""

    spec = Venv
    immutable = frozenset({"python", "system-site-packages"})
    declared = frozenset({"settings", "artifacts", "owner", "group", "mode"})
    display = Display(
        (
            Group("unfinished.", "condition"),
            Group("permissions.", "condition"),
            Group("file.", "condition"),
            Group("files.", noun="file"),
            Group("package.", noun="package"),
        ),
        hidden=frozenset({"artifacts", "settings", "generation"}),
        defaults=frozenset({("mode", "0755"), ("system-site-packages", "false")}),
        expand=_expand,
        headline=("python", lambda python: f"Python {python.partition(' ')[0]}"),
    )

    def __init__(self, settings: Settings, uses: PathUses | None = None) -> None:
        self.settings = settings
        self._shared = VenvRun(settings, uses)

    def normalize(self, spec: Venv, inputs: Inputs) -> Venv:
        """Resolve paths, read the files that the table names, and validate every key."""
        # Imported here: a cached declaration is normalized already.
        from states.venv.resolve.validate import validate

        return validate(spec, inputs, locking=self.settings.compiling_lockfiles)

    def resolve_references(self, spec: Venv, inputs: Inputs) -> Venv:
        """Return the spec: it refers to no other table."""
        return spec

    def owned_paths(self, spec: Venv) -> Iterable[str]:
        """Yield the published path and the store beside it."""
        # Not `store_of`: an unreadable parent is an error of this venv only. Before a
        # deletion, the inventory resolves the paths again.
        parent, name = os.path.split(spec.path)
        parent = os.path.realpath(parent)
        return (os.path.join(parent, name), os.path.join(parent, f".{name}"))

    def implied_dependencies(self, spec: Venv) -> Iterable[str]:
        """Yield the declared interpreter, if the venv uses one."""
        return (spec.python,) if spec.python.startswith("interpreter.") else ()

    def required_paths(self, spec: Venv) -> Iterable[str]:
        """Yield the path of the interpreter, if it is declared."""
        return (spec.python,) if os.path.isabs(spec.python) else ()

    def may_create(self, spec: Venv, path: str) -> bool:
        """Return whether a path is in the venv: a new generation may contain any file."""
        if spec.state == "absent":
            return False
        return any(f"{path}/".startswith(f"{own}/") for own in (spec.path, *self.owned_paths(spec)))

    def removal_spec(self, spec: Venv) -> Venv | None:
        """Return the spec that deletes the venv and its store."""
        return None if spec.state == "absent" else Venv(path=spec.path, state="absent")

    def succeed(self, spec: Venv, predecessors: tuple[Venv, ...]) -> Venv:
        """Return the spec with the earlier paths whose persistent data the venv takes over."""
        # Imported here: a no-op run has no predecessors.
        from states.venv.user_data import paths_with_data

        paths = paths_with_data(spec, [predecessor.path for predecessor in predecessors])
        return replace(spec, predecessors=paths) if paths else spec

    def opener(self, specs: Sequence[Venv], jobs: int) -> Callable[[Venv], VenvHandle]:
        """Compare the metadata of the files of all venvs at once, in several processes."""
        self._shared.add_requirers(specs)
        matching = find_matching(live_generations(specs), jobs)
        return lambda spec: VenvHandle(spec, self._shared, matching)

    def open(self, spec: Venv) -> VenvHandle:
        """Observe the path, the receipt, and the metadata of every file in the manifest."""
        return VenvHandle(spec, self._shared)


def live_generations(specs: Iterable[Venv]) -> Iterator[str]:
    """Yield the directory of each live generation whose stat cache can prove that it is intact."""
    for spec in specs:
        if spec.state == "absent" or spec.ignore:
            continue  # Ignored files change without being drift.
        with suppress(OSError):  # `open` meets the error again.
            store = store_of(spec.path)
            identifier = live_id(store)
            if identifier is not None:
                yield store.generation(identifier)
