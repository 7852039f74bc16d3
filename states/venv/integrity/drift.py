"""Find the differences between a generation and its manifest. A no-op run doesn't import this."""

from __future__ import annotations

import fnmatch
import os
from typing import TYPE_CHECKING

from engine.system.existence import proves_absence
from engine.system.signals import raise_if_interrupted
from engine.system.xattrs import changed_attributes
from states.venv.integrity.dist_info import is_metadata, metadata_name, record_paths
from states.venv.integrity.manifest import stat_entry, walk
from states.venv.integrity.pyc_paths import source_of
from states.venv.integrity.stat_cache import load_stats, stat_key

_MAX_FOREIGN_PACKAGES = 200
"""Foreign packages to recognize. The files of others are reported one by one: reading all
metadata that the owner of a venv has planted could take any time."""

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from states.venv.integrity.manifest import Entry, Manifest
    from states.venv.integrity.receipt import Receipt
    from states.venv.integrity.stat_cache import Key


def find_drift(root: str, manifest: Manifest, ignore: tuple[str, ...]) -> dict[str, str]:
    """Compare a generation with its manifest. Files that match the stat cache aren't read.

    Args:
        root: The directory of the generation.
        manifest: Its manifest.
        ignore: Patterns of paths that may appear and change.

    Returns:
        The condition of each drifted path: `missing`, `unexpected`, `modified`, `mode 0600`,
        and so on.

    Raises:
        OSError: An entry can't be read.

    """
    changed = changed_entries(root, manifest, manifest, load_stats(root))
    drift = {path: _describe(manifest[path], current) for path, current in changed.items()}
    return drift | dict.fromkeys(added_paths(root, manifest, ignore), "unexpected")


def changed_entries(
    root: str, manifest: Manifest, paths: Iterable[str], stats: Mapping[str, Key]
) -> dict[str, Entry | None]:
    """Compare entries of a generation with its manifest.

    Args:
        root: The directory of the generation.
        manifest: Its manifest.
        paths: The paths to compare, all of them in the manifest.
        stats: The stat cache. A file whose metadata matches it isn't read.

    Returns:
        The current entries of the paths that changed, None for a missing path.

    Raises:
        OSError: An entry can't be read.
        Interrupted: A signal was received.

    """
    changed: dict[str, Entry | None] = {}
    for path in paths:
        raise_if_interrupted()
        recorded = manifest[path]
        current = None
        try:
            if path in stats and stats[path] == stat_key(os.path.join(root, path)):
                continue
            current = stat_entry(root, path, recorded.package, recorded=recorded)
        except OSError as error:
            if not proves_absence(error):
                raise
        if current != recorded:
            changed[path] = current
    return changed


def added_paths(root: str, manifest: Manifest, ignore: tuple[str, ...]) -> list[str]:
    """Find the paths of a generation that aren't in its manifest.

    Args:
        root: The directory of the generation.
        manifest: Its manifest.
        ignore: Patterns of paths that may appear.

    Returns:
        The paths.

    Raises:
        OSError: A directory can't be read.

    """
    parents = _ignored_parents(ignore)
    return [
        path
        for path, entry in walk(root)
        if path not in manifest
        and not ignored(path, ignore)
        and not (path in parents and entry.is_dir(follow_symlinks=False))
    ]


def ignored(path: str, patterns: Iterable[str]) -> bool:
    """Return whether a pattern matches a path. Both `**` and `*` match across directories."""
    return any(fnmatch.fnmatchcase(path, pattern.replace("**", "*")) for pattern in patterns)


def partly_ignored_dirs(paths: Iterable[str], patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the directories in which ignored files may appear and disappear.

    Their times prove nothing, so their entries are compared by name.
    """
    directories = {os.path.dirname(path) or "." for path in paths if ignored(path, patterns)}
    return tuple(sorted(directories | {_literal_parent(pattern) or "." for pattern in patterns}))


def _literal_parent(pattern: str) -> str:
    """Return the deepest directory that contains every path that a pattern matches."""
    return os.path.dirname(pattern.split("*")[0].split("?")[0].split("[")[0])


def _ignored_parents(patterns: Iterable[str]) -> set[str]:
    """Return the parent directories of ignored paths, which other tools may create."""
    directories = set()
    for pattern in patterns:
        path = _literal_parent(pattern)
        while path:
            directories.add(path)
            path = os.path.dirname(path)
    return directories


def by_package(
    drift: Mapping[str, str], manifest: Manifest, receipt: Receipt, root: str
) -> dict[str, str]:
    """Return the attributes of the packages and of the drifted files.

    If the metadata of a package was deleted, the whole package counts as missing. If metadata
    was added, its package has another version or wasn't declared. The other files of these
    packages get no attribute of their own.

    Args:
        drift: The condition of each drifted path.
        manifest: The manifest of the generation.
        receipt: Its receipt.
        root: Its directory.

    Returns:
        The attributes `package.NAME` and `file.PATH`.

    """
    recorded = {package.name: package.identity() for package in receipt.packages}
    attributes = {f"package.{name}": identity for name, identity in recorded.items()}
    missing = {
        manifest[path].package
        for path, condition in drift.items()
        if condition == "missing" and path in manifest and is_metadata(path, "METADATA")
    }
    for name in missing - {""}:
        attributes.pop(f"package.{name}", None)
    foreign_versions, foreign_paths = _foreign_packages(drift, recorded, root)
    attributes.update({f"package.{name}": version for name, version in foreign_versions.items()})
    covered = missing | set(foreign_versions)
    for path, condition in drift.items():
        package = manifest[path].package if path in manifest else ""
        if (package and package in covered) or path in foreign_paths:
            continue
        attributes[f"file.{path}"] = condition
    return attributes


def _describe(recorded: Entry, current: Entry | None) -> str:
    """Return the condition of a path whose entry differs from the manifest."""
    if current is None:
        return "missing"
    if current.kind != recorded.kind:
        return "another kind of file"
    if current.mode != recorded.mode:
        return f"mode {current.mode:04o}"
    if (current.uid, current.gid) != (recorded.uid, recorded.gid):
        return f"owner {current.uid}:{current.gid}"
    if current.attributes != recorded.attributes and current.content == recorded.content:
        return f"attribute {changed_attributes(recorded.attributes, current.attributes)}"
    return "modified"


def _foreign_packages(
    drift: Mapping[str, str], recorded: Mapping[str, str], root: str
) -> tuple[dict[str, str], set[str]]:
    """Find the packages that another tool installed.

    Added metadata that repeats a recorded version doesn't count: its RECORD would hide the
    drift of that package's files.

    Args:
        drift: The condition of each drifted path.
        recorded: The identity of each package in the receipt.
        root: The directory of the generation.

    Returns:
        The version of each foreign package, and the paths of all their files.

    """
    versions: dict[str, str] = {}
    foreign: set[str] = set()
    added = {path for path, condition in drift.items() if condition == "unexpected"}
    sources = {source_of(path) for path in added if "/__pycache__/" in path}
    candidates = sources.union(drift)
    planted = sorted(path for path in added if is_metadata(path, "METADATA"))
    for path in planted[:_MAX_FOREIGN_PACKAGES]:
        raise_if_interrupted()
        package, version = metadata_name(os.path.join(root, path))
        if package and version != recorded.get(package):
            versions[package] = version
            foreign |= record_paths(root, os.path.dirname(path), candidates)
    _add_directories(foreign, added, drift)
    return versions, foreign


def _add_directories(foreign: set[str], added: set[str], drift: Mapping[str, str]) -> None:
    """Add the directories that contain only foreign files, and the bytecode of foreign files.

    A RECORD lists neither. The owner of a venv can create any number of files, so this takes
    linear time.

    Args:
        foreign: The files of foreign packages. Extended.
        added: The unexpected paths.
        drift: The condition of each drifted path.

    """
    parents: set[str] = set()
    for path in drift:
        parent = os.path.dirname(path)
        while parent and parent not in parents:
            parents.add(parent)
            parent = os.path.dirname(parent)
    with_content: set[str] = set()
    with_own_files: set[str] = set()
    for path in sorted(parents.union(drift), key=lambda path: -path.count("/")):
        if path in added:
            is_cached = "/__pycache__/" in path and source_of(path) in foreign
            if is_cached or (path in with_content and path not in with_own_files):
                foreign.add(path)
        parent = os.path.dirname(path)
        if path in drift or path in with_content:
            with_content.add(parent)
        if path in with_own_files or (path in drift and path not in foreign):
            with_own_files.add(parent)
