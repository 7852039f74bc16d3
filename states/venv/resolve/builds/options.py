"""The settings with which the installer builds the packages of a venv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from states.installer import DEFAULT_BUILD, BuildOptions
from states.system.references import dereference
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.builds.settings import KEYS, parse_settings
from states.venv.resolve.pylock import parse_lock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from states.venv.spec import Venv


def build_options(spec: Venv, lock: str = "") -> BuildOptions:
    """Return the settings of builds, with the values behind references.

    Args:
        spec: The spec.
        lock: A lock with one file for each package, if the versions are known. A further build
            requirement that the venv contains then has the same version.

    Returns:
        The settings.

    Raises:
        ConvergeError: A variable isn't set, or a file isn't text.
        NoInput: A file doesn't exist.

    """
    if not spec.build_settings:
        return DEFAULT_BUILD
    variables, by_package, settings, settings_by_package, dependencies = (
        parse_settings(spec)[key] for key in KEYS
    )
    entries = {normalize_name(entry["name"]): entry for entry in parse_lock(lock).packages}
    bound = set(spec.package_index_url)
    return BuildOptions(
        variables=tuple(_values(variables, KEYS[0]).items()),
        package_variables=tuple(
            (name, _values(table, KEYS[1])) for name, table in by_package.items()
        ),
        settings=tuple(settings.items()),
        package_settings=tuple(settings_by_package.items()),
        dependencies=tuple(
            (
                name,
                [
                    _pinned(text, entries.get(required), required in bound)
                    for required, text in rows
                ],
            )
            for name, rows in dependencies.items()
        ),
    )


def require_references(spec: Venv) -> None:
    """Check that each variable and file that the variables of builds refer to exists.

    Raises:
        ConvergeError, NoInput: As for `build_options`.

    """
    build_options(spec)


def _values(variables: Mapping[str, str], key: str) -> dict[str, str]:
    return {name: dereference(value, key) for name, value in variables.items()}


def _pinned(text: str, entry: Mapping[str, Any] | None, has_own_index: bool) -> str:
    """Return a build requirement on the version that the venv contains, if that satisfies it.

    Args:
        text: The requirement.
        entry: The package in the lock, or None.
        has_own_index: Whether the package comes from an index that builds don't query for it.

    Returns:
        The requirement.

    """
    requirement = Requirement(text)
    if entry is None or requirement.url:
        return text
    version = entry.get("version", "")
    if version and not requirement.specifier.contains(version, prereleases=True):
        return text
    if version and not has_own_index and not {"vcs", "directory", "archive"} & entry.keys():
        requirement.specifier = SpecifierSet(f"=={version}")
    else:
        requirement.specifier, requirement.url = SpecifierSet(), _reference(entry)
    return str(requirement)


def _reference(entry: Mapping[str, Any]) -> str:
    """Return the URL of the only source of a package in a lock."""
    if "vcs" in entry:
        source = entry["vcs"]
        url = source.get("url") or f"file://{source['path']}"
        return f"{source['type']}+{url}@{source['commit-id']}{_fragment(source)}"
    source = entry.get("directory") or entry.get("archive") or entry.get("sdist")
    source = source or entry["wheels"][0]
    return (source.get("url") or f"file://{source['path']}") + _fragment(source)


def _fragment(source: Mapping[str, Any]) -> str:
    subdirectory = source.get("subdirectory")
    return f"#subdirectory={subdirectory}" if subdirectory else ""
