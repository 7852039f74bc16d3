"""Find the differences between a generation and its manifest. Cold: loaded only on drift."""

from __future__ import annotations

import fnmatch
import os

from engine.system.files import MISSING_ERRNOS
from states.venv.integrity.manifest import stat_entry, walk
from states.venv.integrity.stat_cache import load_stats, stat_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from states.venv.integrity.manifest import Entry, Manifest
    from states.venv.integrity.receipt import Receipt


def find_drift(root: str, seal: Manifest, ignore: tuple[str, ...]) -> dict[str, str]:
    """Return what is wrong by path: `missing`, `unexpected`, `modified`, `mode 0600` and so on."""
    changed, added = compare_to_manifest(root, seal, ignore, load_stats(root))
    troubles = {path: _describe(seal[path], now) for path, now in changed.items()}
    return troubles | dict.fromkeys(added, "unexpected")


def compare_to_manifest(
    root: str,
    seal: Manifest,
    ignore: tuple[str, ...],
    memory: Mapping[str, tuple[int, ...]],
    each: Callable[..., Iterable[Entry | None]] = map,
) -> tuple[dict[str, Entry | None], list[str]]:
    """Return what is not as sealed, as it is now, `None` where it is missing; and what is new.

    What looks as `memory` says is not read. `each` calls a function with each path, as `map`.
    """

    def now(path: str) -> Entry | None:
        try:
            if memory.get(path) == stat_key(os.path.join(root, path)):
                return seal[path]
            return stat_entry(root, path, seal[path].package, recorded=seal[path])
        except OSError as error:
            if error.errno in MISSING_ERRNOS:
                return None
            raise

    paths = list(seal)
    found = zip(paths, each(now, paths), strict=True)
    changed = {path: entry for path, entry in found if entry != seal[path]}
    leading = _ignored_parents(ignore)
    added = [
        path
        for path, one in walk(root)
        if path not in seal
        and not ignored(path, ignore)
        and not (path in leading and one.is_dir(follow_symlinks=False))
    ]
    return changed, added


def ignored(path: str, patterns: Iterable[str]) -> bool:
    """Return whether a pattern matches a path. Both `**` and `*` match across directories."""
    return any(fnmatch.fnmatchcase(path, pattern.replace("**", "*")) for pattern in patterns)


def partly_ignored_dirs(paths: Iterable[str], patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the directories in which ignored files may appear and disappear.

    Their times prove nothing, so their entries are compared by name.
    """
    folders = {os.path.dirname(path) or "." for path in paths if ignored(path, patterns)}
    return tuple(sorted(folders | {_fixed(pattern) or "." for pattern in patterns}))


def _fixed(pattern: str) -> str:
    """Return the directory that contains all paths of a pattern."""
    return os.path.dirname(pattern.split("*")[0].split("?")[0].split("[")[0])


def _ignored_parents(patterns: Iterable[str]) -> set[str]:
    """Return the parent directories of ignored paths, which other tools may create."""
    folders = set()
    for pattern in patterns:
        path = _fixed(pattern)
        while path:
            folders.add(path)
            path = os.path.dirname(path)
    return folders


def by_package(
    wrong: Mapping[str, str], seal: Manifest, receipt: Receipt, root: str
) -> dict[str, str]:
    """Return the attributes that this damage amounts to.

    A package whose metadata is gone is missing as a whole; one that brought metadata of
    its own is there in another version, or was not asked for. Other damage is told file
    by file.
    """
    from states.venv.integrity.dist_info import is_metadata

    sealed = {one.name: one.identity() for one in receipt.packages}
    found: dict[str, str] = {f"package.{name}": identity for name, identity in sealed.items()}
    gone = {
        seal[path].package
        for path, trouble in wrong.items()
        if trouble == "missing" and path in seal and is_metadata(path, "METADATA")
    }
    for name in gone - {""}:
        found.pop(f"package.{name}", None)
    strays, theirs = _foreign_packages(wrong, sealed, root)
    found.update({f"package.{name}": version for name, version in strays.items()})
    covered = gone | set(strays)
    for path, trouble in wrong.items():
        package = seal[path].package if path in seal else ""
        if (package and package in covered) or path in theirs:
            continue
        found[f"file.{path}"] = trouble
    return found


def _describe(sealed: Entry, now: Entry | None) -> str:
    if now is None:
        return "missing"
    if now.kind != sealed.kind:
        return "another kind of file"
    if now.mode != sealed.mode:
        return f"mode {now.mode:04o}"
    if (now.uid, now.gid) != (sealed.uid, sealed.gid):
        return f"owner {now.uid}:{now.gid}"
    return "modified"


def _foreign_packages(
    wrong: Mapping[str, str], sealed: Mapping[str, str], root: str
) -> tuple[dict[str, str], set[str]]:
    """Find packages that somebody installed by hand: their versions, and all their files.

    Metadata that says what was sealed anyway stands for no file: it would hide them all.
    """
    from states.venv.integrity.dist_info import is_metadata, metadata_name, record_paths
    from states.venv.integrity.pyc_paths import source_of

    versions: dict[str, str] = {}
    theirs: set[str] = set()
    for path, trouble in wrong.items():
        if trouble != "unexpected" or not is_metadata(path, "METADATA"):
            continue
        package, version = metadata_name(os.path.join(root, path))
        if package and version != sealed.get(package):
            versions[package] = version
            theirs |= record_paths(root, os.path.dirname(path))
    # The folders that only hold their files go with them, and so does their bytecode.
    folders = {path for path in wrong if wrong[path] == "unexpected"} - theirs
    for path in sorted(folders, key=len, reverse=True):
        inside = [one for one in wrong if one.startswith(f"{path}/")]
        cached = "/__pycache__/" in path and source_of(path) in theirs
        if cached or (inside and all(one in theirs for one in inside)):
            theirs.add(path)
    return versions, theirs
