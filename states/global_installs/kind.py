"""The kind `global`: an interpreter without packages outside of venvs, except for allowed ones."""

from __future__ import annotations

import os

from engine.display import Display, Group
from engine.errors import ConvergeError
from engine.frozen import replace
from engine.result import state_digest
from states.global_installs.spec import Global

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.diff import Change, State
    from engine.kind import Dependencies, MayCreate
    from engine.table import Inputs
    from states.global_installs.layout import Layout
    from states.global_installs.removal.view import Observation

_MAX_NAMED = 3
"""Directories of users in a notice."""


class GlobalKind:
    """Moves packages outside of venvs into a store, from which a rollback restores them."""

    spec = Global
    immutable: frozenset[str] = frozenset()
    declared: frozenset[str] = frozenset()
    display = Display(
        (
            Group("unfinished.", "condition"),
            Group("entry.", "condition"),
            Group("package.", noun="package"),
        ),
        shape="component",
    )

    def normalize(self, spec: Global, inputs: Inputs) -> Global:
        """Validate the path and the names, and normalize the names of packages."""
        # Imported here: a cached declaration is normalized already.
        from packaging.utils import InvalidName, canonicalize_name

        if not os.path.isabs(spec.python):
            hint = 'for example: `python = "/usr/bin/python3"`'
            inputs.error(("python",), f"not an absolute path: `{spec.python}`", hint)
        if spec.keep < 0:
            inputs.error(("keep",), "`keep` must not be negative")
        names = []
        for index, name in enumerate(spec.allow):
            try:
                names.append(str(canonicalize_name(name, validate=True)))
            except InvalidName:
                hint = "write only the name, such as `pip`; for other entries, use `ignore`"
                inputs.error(("allow", index), f"invalid package name: `{name}`", hint)
        for key, values in (("ignore", spec.ignore), ("users", spec.users)):
            for index, value in enumerate(values):
                if not value.strip("*/ ") or (key == "users" and "/" in value):
                    inputs.error((key, index), f"invalid value in `{key}`: `{value}`")
        return replace(spec, python=os.path.normpath(spec.python), allow=tuple(names))

    def resolve_references(self, spec: Global, inputs: Inputs) -> Global:
        """Return the spec: it refers to no other table."""
        return spec

    def owned_paths(self, spec: Global) -> Iterable[str]:
        """Yield the site directories and their stores, if the interpreter is known."""
        # Imported here: a run without such a resource doesn't need them.
        from states.global_installs.removal.store import PlaceStore
        from states.global_installs.removal.view import places_of

        try:
            sites = [place.site for place in places_of(spec, _layout(spec))]
        except (ConvergeError, OSError):
            return ()  # `open` meets the error again.
        return (*sites, *(PlaceStore(site).root for site in sites))

    def implied_dependencies(self, spec: Global) -> Iterable[str]:
        """Yield nothing."""
        return ()

    def required_paths(self, spec: Global) -> Iterable[str]:
        """Yield the interpreter."""
        return (spec.python,)

    def may_create(self, spec: Global, path: str) -> bool:
        """Return False: nothing is created."""
        return False

    def removal_spec(self, spec: Global) -> None:
        """Return None: without the table, packages are allowed, and the store stays."""

    def succeed(self, spec: Global, predecessors: tuple[Global, ...]) -> Global:
        """Return the spec: nothing is taken over."""
        return spec

    def opener(self, specs: Sequence[Global], jobs: int) -> Callable[[Global], GlobalHandle]:
        """Return `open`: there is nothing to read ahead."""
        return self.open

    def open(self, spec: Global) -> GlobalHandle:
        """Read the site directories, and the database of the package manager."""
        return GlobalHandle(spec)


def _layout(spec: Global) -> Layout:
    from states.global_installs.layout import read_layout

    return read_layout(spec.python)


class GlobalHandle:
    """The packages of one interpreter as observed."""

    requires_lookup = False

    def __init__(self, spec: Global) -> None:
        # Imported here: a run without such a resource doesn't need it.
        from states.global_installs.removal.view import observe

        self.spec = spec
        self.view = observe(spec)
        self.observed: State = self.view.states()[0]

    def goal(self, dependencies: Dependencies) -> GlobalGoal:
        """Require that nothing but the allowed packages is installed."""
        return GlobalGoal(self.view)

    def prepare_lock(self) -> str | None:
        """Return the lock in the store of the first site directory, and create the store."""
        # Imported here: a no-op run takes no lock.
        from engine.system.files import make_dirs
        from states.global_installs.removal.preconditions import require_trusted_directory
        from states.global_installs.removal.view import main_store

        store = main_store(self.view.layout)
        require_trusted_directory(os.path.dirname(store.root))
        make_dirs(store.root)
        return store.lock

    def reobserve(self) -> GlobalHandle:
        """Read everything again."""
        return GlobalHandle(self.spec)

    def notices(self) -> Iterable[str]:
        """Yield a message about a rollback, and one about packages of users."""
        from states.global_installs.removal.view import other_users

        address = f"`{self.spec.python}`"
        if self.view.held:
            yield (
                f"the packages of {address} are held after a rollback; to remove them, change the "
                "declaration, or end the hold with `rollback --release`"
            )
        others = other_users(self.spec, self.view.layout)
        if others:
            named = ", ".join(f"{place.site} ({place.user})" for place in others[:_MAX_NAMED])
            more = f", and {len(others) - _MAX_NAMED} more" if len(others) > _MAX_NAMED else ""
            yield (
                f"users have packages for {address}, which stay: {named}{more}; "
                "`users` removes them too, and `converge scan` lists them"
            )


class GlobalGoal:
    """An interpreter without unwanted packages."""

    def __init__(self, view: Observation) -> None:
        self.view = view
        self.desired: State = view.states()[1]

    @property
    def identity(self) -> str:
        """A digest of the interpreter and of the packages that stay."""
        return state_digest(self.desired)

    def explain(self, change: Change) -> str:
        """Return the reason for a removal."""
        if change.attribute.startswith("package."):
            return "not in `allow`"
        return "an interrupted run left it" if change.attribute.startswith("unfinished.") else ""

    def check_preconditions(self, may_create: MayCreate) -> None:
        """Check that the entries can be moved, and that no other user could redirect them."""
        # Imported here: a no-op run moves nothing.
        from states.global_installs.removal.preconditions import require_removable

        require_removable(self.view)

    def apply(self) -> None:
        """Move the unwanted packages and entries into the store."""
        # Imported here: a no-op run moves nothing.
        from states.global_installs.removal.apply import remove_unwanted

        remove_unwanted(self.view.spec)

    def refresh_cache(self) -> None:
        """Do nothing: there is no cache."""
