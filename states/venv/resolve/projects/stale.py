"""Whether a `uv.lock` was made from the current `pyproject.toml` of a project.

uv itself can only compare them with network access, and with builds of the project's code. So
converge compares names, extras, versions, and revisions. It compares only markers that name an
extra of the project: uv rewrites the others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import tomli
from packaging.dependency_groups import DependencyGroupResolver
from packaging.errors import ExceptionGroup
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from engine.frozen import frozen
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.projects.pyproject import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_DIRECT = ("git", "url", "path", "directory", "editable", "virtual")
"""Keys of a requirement in a lock that replace its version."""
_EXTRA = re.compile(r"""\bextra == ["']([^"']+)["']""")
_REVISIONS = ("rev", "tag", "branch")
_INVALID = (tomli.TOMLDecodeError, RecursionError, TypeError, ValueError, ExceptionGroup)
"""Errors of a `pyproject.toml` that isn't valid."""


@frozen
class _Bound:
    """A requirement as far as it is compared."""

    name: str
    extras: frozenset[str]
    specifier: SpecifierSet | None
    """None for a direct reference."""
    conditions: frozenset[str]
    """The extras of the project that it belongs to. Empty if it is always required."""

    def matches(self, other: _Bound) -> bool:
        """Return whether two requirements are the same, with any source."""
        is_same = (self.name, self.extras, self.conditions) == (
            other.name,
            other.extras,
            other.conditions,
        )
        is_direct = self.specifier is None or other.specifier is None
        return is_same and (is_direct or self.specifier == other.specifier)

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        return f"{self.name}{extras}{self.specifier or ''}"


def find_change(package: Mapping[str, Any], text: str, root: str) -> str:
    """Return what a project requires differently than its entry in the lock.

    Args:
        package: The entry of the project in the lock.
        text: The `pyproject.toml` of the project.
        root: The `pyproject.toml` of the workspace.

    Returns:
        The end of a sentence that begins with the file, or an empty string. Invalid files count as
        unchanged: uv reports them.

    """
    try:
        document = tomli.loads(text)
        sources = {**_sources(tomli.loads(root)), **_sources(document)}
        declared, groups = _declared(document), _declared_groups(document)
    except _INVALID:
        return ""
    metadata = table(package, "metadata")
    change = ""
    if declared is not None:
        change = _difference(declared, metadata.get("requires-dist", ()), package["name"])
    locked_groups = table(metadata, "requires-dev")
    for name in sorted({*groups, *map(normalize_name, locked_groups)}):
        entries = [
            entry
            for group, listed in locked_groups.items()
            if normalize_name(group) == name
            for entry in listed
        ]
        of_group = _difference(groups.get(name, ()), entries, "")
        change = change or (of_group and f"{of_group} in the group `{name}`")
    of_groups = [entry for listed in locked_groups.values() for entry in listed]
    everything = [*metadata.get("requires-dist", ()), *of_groups]
    return change or _changed_revision(everything, sources)


def find_changed_settings(manifest: Mapping[str, Any], root: str) -> str:
    """Return an override or constraint that a workspace declares, but not its lock.

    Args:
        manifest: The table `manifest` of the lock.
        root: The `pyproject.toml` of the workspace.

    Returns:
        As `find_change`.

    """
    keys = ("override", "constraint")
    try:
        settings = table(tomli.loads(root), "tool", "uv")
        declared = [
            (key, _bound(Requirement(text)))
            for key in keys
            for text in settings.get(f"{key}-dependencies", ())
        ]
    except _INVALID:
        return ""
    locked = {key: [_locked(entry) for entry in manifest.get(f"{key}s", ())] for key in keys}
    for key, bound in declared:
        if not any(bound.matches(other) for other in locked[key]):
            return f"has the {key} `{bound}`"
    return ""


def _difference(
    declared: Iterable[_Bound], entries: Iterable[Mapping[str, Any]], project: str
) -> str:
    """Return the first requirement that only one side has.

    Args:
        declared: The requirements of the project.
        entries: The requirements in the lock.
        project: The name of the project. Requirements on itself aren't compared.

    Returns:
        As `find_change`.

    """
    new = [bound for bound in declared if bound.name != project]
    old = [bound for bound in map(_locked, entries) if bound.name != project]
    for bound in new:
        if not any(bound.matches(other) for other in old):
            return f"requires `{bound}`"
    for bound in old:
        if not any(bound.matches(other) for other in new):
            return f"no longer requires `{bound}`"
    return ""


def _declared(document: Mapping[str, Any]) -> list[_Bound] | None:
    """Return the requirements of a project and its extras, or None if they are dynamic."""
    project = table(document, "project")
    is_dynamic = {"dependencies", "optional-dependencies"} & set(project.get("dynamic", ()))
    if not project or is_dynamic:
        return None
    extras = table(project, "optional-dependencies")
    optional = [(text, extra) for extra, texts in extras.items() for text in texts]
    always = [(text, "") for text in project.get("dependencies", ())]
    return [_bound(Requirement(text), extra) for text, extra in (*always, *optional)]


def _declared_groups(document: Mapping[str, Any]) -> dict[str, list[_Bound]]:
    declared = table(document, "dependency-groups")
    resolver = DependencyGroupResolver(declared)
    groups = {
        normalize_name(name): [_bound(requirement) for requirement in resolver.resolve(name)]
        for name in declared
    }
    legacy = table(document, "tool", "uv").get("dev-dependencies", ())
    if legacy:
        groups.setdefault("dev", []).extend(_bound(Requirement(text)) for text in legacy)
    return groups


def _bound(requirement: Requirement, extra: str = "") -> _Bound:
    return _Bound(
        normalize_name(requirement.name),
        frozenset(map(normalize_name, requirement.extras)),
        None if requirement.url else requirement.specifier,
        _conditions(str(requirement.marker or ""))
        | frozenset(filter(None, [normalize_name(extra)])),
    )


def _conditions(marker: str) -> frozenset[str]:
    return frozenset(map(normalize_name, _EXTRA.findall(marker)))


def _locked(entry: Mapping[str, Any]) -> _Bound:
    is_direct = any(key in entry for key in _DIRECT)
    return _Bound(
        normalize_name(entry["name"]),
        frozenset(map(normalize_name, entry.get("extras", ()))),
        None if is_direct else SpecifierSet(entry.get("specifier", "")),
        _conditions(entry.get("marker", "")),
    )


def _sources(document: Mapping[str, Any]) -> dict[str, Any]:
    sources = table(document, "tool", "uv", "sources")
    return {normalize_name(name): source for name, source in sources.items()}


def _changed_revision(entries: Iterable[Mapping[str, Any]], sources: Mapping[str, Any]) -> str:
    """Return the first package that is required in another revision than the lock has."""
    for entry in entries:
        source = sources.get(normalize_name(entry["name"]))
        if "git" in entry and isinstance(source, dict):
            query = parse_qs(urlsplit(str(entry["git"])).query)
            locked = {key: query[key][0] for key in _REVISIONS if key in query}
            declared = {key: str(source[key]) for key in _REVISIONS if key in source}
            if locked != declared:
                return f"requires another revision of `{entry['name']}`"
    return ""
