"""The kinds of one run. The composition root creates the registry."""

from __future__ import annotations

from collections.abc import Mapping

from engine.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from engine.kind import AnyKind
    from engine.resource import Resource
    from engine.result import Result


def _no_notices(_results: Sequence[Result]) -> Iterable[str]:
    return ()


def _no_undo(_declared: Sequence[Resource], _reports: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    return ()


def _recognize_nothing(_content: str, _document: Mapping[str, Any]) -> None:
    return None


def is_toml(name: str) -> bool:
    """Return whether a file name ends in `.toml` and isn't hidden."""
    return name.endswith(".toml") and not name.startswith(".")


class Kinds(Mapping[str, "AnyKind"]):
    """The kinds by name, each created when it is first used.

    A run that changes nothing then imports only the kinds of its resources.

    Args:
        factories: A function that imports and creates a kind, by its name.

    """

    def __init__(self, factories: Mapping[str, Callable[[], AnyKind]]) -> None:
        self._factories = factories
        self._kinds: dict[str, AnyKind] = {}

    def __getitem__(self, name: str) -> AnyKind:
        """Return a kind. Raises `KeyError` if there is none with that name."""
        if name not in self._kinds:
            self._kinds[name] = self._factories[name]()
        return self._kinds[name]

    def __contains__(self, name: object) -> bool:
        """Return whether there is a kind with that name, without its creation."""
        return name in self._factories

    def __iter__(self) -> Iterator[str]:
        """Return an iterator of the names."""
        return iter(self._factories)

    def __len__(self) -> int:
        """Return the number of kinds."""
        return len(self._factories)


@frozen
class KindRegistry:
    """All kinds, and what the engine must know about their files."""

    kinds: Mapping[str, AnyKind]
    """The kinds by name."""
    defaults_kind: str
    """The kind that `[defaults]` applies to."""
    notices: Callable[[Sequence[Result]], Iterable[str]] = _no_notices
    """Returns messages about a whole run that require no action. Called once at its end, and
    only if no resource failed."""
    undo: Callable[[Sequence[Resource], Sequence[Mapping[str, Any]]], Sequence[str]] = _no_undo
    """Returns the command that undoes the changes of an apply, and its arguments after the file.
    Takes all declared resources, and the report of each. Empty if there is no such command."""
    digest_functions: Mapping[str, Callable[[str], str]] = {}
    """Functions that return the digest of a path, by name, for `Inputs.digest`.

    The names are part of the cache of parsed declarations, which calls the functions again to
    find out whether an input has changed.
    """
    is_declaration: Callable[[str], bool] = is_toml
    """Whether a file of a directory is a declaration, by its name."""
    recognize: Callable[[str, Mapping[str, Any]], tuple[str, str] | None] = _recognize_nothing
    """Recognizes a file of another tool by its text and its tables.

    Returns its format and a hint, or None. Called for each file without a table of a kind."""
