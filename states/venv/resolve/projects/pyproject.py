"""The requirements in a `pyproject.toml`: those of a project, its extras, and dependency groups.

Only static requirements are read, because a build runs code of the project.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import tomli
from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from engine.declaration.toml_spans import find_spans
from engine.errors import ConvergeError
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.lines.invalid import explain
from states.venv.resolve.lines.line import Line, parse_line
from states.venv.resolve.projects.names import is_pyproject
from states.venv.resolve.subset import Offer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from engine.table import Key
    from states.venv.resolve.subset import Subset

_DEPENDENCIES = ("project", "dependencies")
_EXTRAS = ("project", "optional-dependencies")
_GROUPS = ("dependency-groups",)


def project_lines(file: str, text: str, subset: Subset) -> Iterator[Line]:
    """Yield the requirements of a project. An error becomes a line that records it.

    Args:
        file: The path of the `pyproject.toml`.
        text: Its content.
        subset: The extras and groups to include, as far as the file declares them.

    Yields:
        The requirements, with their places in the file.

    """
    try:
        document = tomli.loads(text)
    except (tomli.TOMLDecodeError, RecursionError) as error:
        yield Line(file, file, 0, False, None, error=(f"invalid TOML: {error}", ""))
        return
    yield from _Reader(file, text, document).lines(subset)


def pyproject_offer(file: str, text: str | None) -> Offer | None:
    """Return the extras and groups that a `pyproject.toml` declares, or None if it is invalid.

    Args:
        file: The path of the `pyproject.toml`.
        text: Its content, or None if it doesn't exist.

    """
    try:
        document = tomli.loads(text or "[")
    except (tomli.TOMLDecodeError, RecursionError):
        return None
    return Offer(file, tuple(table(document, *_EXTRAS)), tuple(table(document, *_GROUPS)))


def require_python(
    names: Iterable[str], read: Callable[[str], str | None], versions: Iterable[str]
) -> None:
    """Check that the projects among these files support the versions of the interpreters.

    Args:
        names: The paths and URLs in `requirements`.
        read: Returns the text of one, or None if it doesn't exist.
        versions: The full versions.

    Raises:
        ConvergeError: A project doesn't support one.

    """
    for name in filter(is_pyproject, names):
        try:
            project = table(tomli.loads(read(name) or ""), "project")
            supported = SpecifierSet(str(project.get("requires-python", "")))
        except (tomli.TOMLDecodeError, RecursionError, InvalidSpecifier):
            continue  # Its lines report invalid TOML. The build of the project reports the others.
        for version in versions:
            if not supported.contains(version, prereleases=True):
                raise ConvergeError(
                    f"`{name}` requires Python {supported}, not {version}",
                    hint="set `python` to a supported version, or change `requires-python`",
                )


def table(document: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """Return a table in a document. Return an empty one if there is none."""
    value: Any = document
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


class _Reader:
    """Reads one document.

    Args:
        file: The path of the file.
        text: Its content.
        document: Its tables.

    """

    def __init__(self, file: str, text: str, document: Mapping[str, Any]) -> None:
        self.file = file
        self.document = document
        self._values = find_spans(text)[1]
        self._project = table(document, "project")
        self._name = normalize_name(str(self._project.get("name", "")))

    def lines(self, subset: Subset) -> Iterator[Line]:
        """Yield the requirements."""
        if not self._project and not subset.groups:
            yield self._error((), *self._without_project())
            return
        yield from self._listed(_DEPENDENCIES, "", frozenset())
        for extra in sorted(subset.extras):
            yield from self._extra(extra, "", frozenset())
        for group in sorted(subset.groups):
            yield from self._group(group, ())

    def _without_project(self) -> tuple[str, str]:
        hint = "add it (PEP 621), or name a requirement file"
        if table(self.document, "tool", "poetry"):
            hint = "run `poetry export --output requirements.txt`, and name its output instead"
        return "no table `[project]`", hint

    def _extra(self, name: str, marker: str, parents: frozenset[str]) -> Iterator[Line]:
        """Yield the requirements of an extra, and of each extra of the project that it names.

        Args:
            name: The normalized name of the extra.
            marker: A marker that applies to all of them, or an empty string.
            parents: The extras that include it.

        Yields:
            The requirements.

        """
        for spelling in table(self.document, *_EXTRAS):
            if normalize_name(spelling) == name and name not in parents:
                yield from self._listed((*_EXTRAS, spelling), marker, parents | {name})

    def _listed(self, key: Key, marker: str, parents: frozenset[str]) -> Iterator[Line]:
        """Yield the requirements in an array.

        Args:
            key: The location of the array.
            marker: A marker that applies to all of them, or an empty string.
            parents: The extras that include the array.

        Yields:
            The requirements.

        """
        if key[1] in self._array(("project", "dynamic")):
            place = os.path.dirname(self.file)
            hint = f'install the project: `packages = ["{self._name or "NAME"} @ {place}"]`'
            message = f"`{key[1]}` is dynamic, so only a build can determine it"
            yield self._error(("project", "dynamic"), message, hint)
            return
        for index, item in enumerate(self._array(key)):
            requirement = self._parse(item, (*key, index))
            if isinstance(requirement, Line):
                yield requirement
                continue
            if marker:
                own = f"({requirement.marker}) and " if requirement.marker else ""
                requirement.marker = Marker(f"{own}({marker})")
            if normalize_name(requirement.name) != self._name:
                yield self._line(requirement, (*key, index))
                continue
            # The project itself, with other extras.
            for extra in sorted(map(normalize_name, requirement.extras)):
                yield from self._extra(extra, str(requirement.marker or ""), parents)

    def _group(self, name: str, parents: tuple[str, ...]) -> Iterator[Line]:
        """Yield the requirements of a dependency group, and of each group that it includes.

        Args:
            name: The normalized name of the group.
            parents: The groups that include it.

        Yields:
            The requirements.

        """
        groups = table(self.document, *_GROUPS)
        for spelling in (group for group in groups if normalize_name(group) == name):
            for index, item in enumerate(self._array((*_GROUPS, spelling))):
                key = (*_GROUPS, spelling, index)
                if not isinstance(item, dict):
                    parsed = self._parse(item, key)
                    yield parsed if isinstance(parsed, Line) else self._line(parsed, key)
                    continue
                included = normalize_name(str(item.get("include-group", "")))
                if set(item) != {"include-group"}:
                    hint = 'write `{include-group = "NAME"}`'
                    yield self._error(key, f"invalid item in the group `{name}`", hint)
                elif included in (*parents, name):
                    yield self._error(key, f"the group `{included}` includes itself", "")
                elif included not in map(normalize_name, groups):
                    yield self._error(key, f"no dependency group `{included}`", "")
                else:
                    yield from self._group(included, (*parents, name))

    def _array(self, key: Key) -> list[Any]:
        value: Any = self.document
        for part in key:
            value = value.get(part, []) if isinstance(value, dict) else []
        return value if isinstance(value, list) else [value]

    def _parse(self, item: object, key: Key) -> Requirement | Line:
        """Return the requirement in a value, or the line of its error."""
        if not isinstance(item, str):
            return self._error(key, f"invalid requirement `{item}`", "write it as a string")
        try:
            return Requirement(item)
        except InvalidRequirement as error:
            return self._error(key, *explain(item, error))

    def _line(self, requirement: Requirement, key: Key) -> Line:
        return parse_line(str(requirement), self.file, self._number(key), constraint=False)

    def _error(self, key: Key, message: str, hint: str) -> Line:
        number = self._number(key)
        text = f"error in {key}" if number else self.file
        return Line(text, self.file, number, False, None, error=(message, hint))

    def _number(self, key: Key) -> int:
        span = self._values.get(key)
        return span.line if span else 0
