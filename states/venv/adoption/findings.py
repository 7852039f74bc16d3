"""The findings about an existing venv that a person should review."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from engine.frozen import frozen
from states.venv.adoption.closure import SEEDS
from states.venv.files.paths import SITE_PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from states.venv.adoption.existing import ExistingVenv

_MAX_PER_DIRECTORY = 20
"""Files of one directory that are listed one by one."""


@frozen
class Finding:
    """One thing to decide or to know."""

    kind: str
    """A word that doesn't change between versions, such as `edited`."""
    message: str
    """A sentence without a period."""
    paths: tuple[str, ...] = ()
    """The files that it is about, as `files` would name them."""


def find_all(venv: ExistingVenv) -> list[Finding]:
    """Return the findings about a venv, the most important ones first."""
    return [*_damage(venv), *_packages(venv), *_files(venv)]


def _damage(venv: ExistingVenv) -> Iterator[Finding]:
    if venv.base.problem:
        hint = "" if venv.base.executable else "; `python` names only its version"
        yield Finding("interpreter", venv.base.problem + hint)
    for problem in venv.access.problems:
        yield Finding("access", problem)
    if venv.stale_directories:
        message = "a killed run of pip left these directories; they aren't copied"
        yield Finding("stale", message, venv.stale_directories)
    yield from _damaged_metadata(venv)
    if venv.content.missing:
        packages = ", ".join(sorted({file.package for file in venv.content.missing}))
        yield Finding(
            "missing",
            f"the venv lacks files of {packages}; the new venv has them",
            _declared(venv, [file.path for file in venv.content.missing]),
        )
    if not venv.content.is_complete:
        message = "the venv was too large to compare all files; there may be more findings"
        yield Finding("incomplete", message)


def _damaged_metadata(venv: ExistingVenv) -> Iterator[Finding]:
    for package, other in venv.duplicates:
        yield Finding(
            "duplicate",
            f"{package.name} is installed twice, as {package.version or 'an unknown version'} and "
            f"as {other.version or 'an unknown version'}; the declaration has the first one",
            (other.directory,),
        )
    if venv.nameless:
        message = "these directories don't name their package, so it isn't declared"
        yield Finding("damaged", message, venv.nameless)
    for package in venv.packages:
        if package.problem:
            yield Finding("damaged", f"{package.name}: {package.problem}", (package.directory,))
    for directory, reason in venv.content.unusable:
        message = f"its RECORD is unusable ({reason}), so edited files of it aren't known"
        yield Finding("damaged", message, (directory,))


def _packages(venv: ExistingVenv) -> Iterator[Finding]:
    for package in venv.packages:
        if package.origin and package.origin.problem:
            kind = "editable" if package.origin.is_editable else "origin"
            yield Finding(kind, f"{package.name} {package.origin.problem}")
        if not package.pin():
            message = "isn't declared, because its version isn't known"
            yield Finding("undeclared", f"{package.name} {message}", (package.directory,))
    roots = venv.roots
    if roots.unrequired:
        names = ", ".join(roots.unrequired)
        yield Finding(
            "unrequired",
            f"no package requires {names}, and no person asked for it; remove it from `packages` "
            "if the service doesn't need it",
        )
    seeds = [name for name in SEEDS if name in roots.seeds or name in roots.requested]
    if seeds:
        yield Finding(
            "seed",
            f"tools install {', '.join(seeds)} into each new venv; converge needs none of them, so "
            "remove from `packages` those that the service doesn't need",
        )
    if not roots.is_recorded and roots.requested:
        message = "the installer didn't record which packages were asked for; `packages` has those"
        yield Finding("requested", f"{message} that no other package requires")
    for text in roots.unsatisfied:
        message = f"{text}; `converge lock` needs `overrides` for it"
        yield Finding("unsatisfied", message)


def _files(venv: ExistingVenv) -> Iterator[Finding]:
    edited = venv.edited_files(persistent=False)
    if edited:
        packages = ", ".join(sorted({file.package for file in edited}))
        yield Finding(
            "edited",
            f"files of {packages} were edited after the installation, and the new venv gets the "
            "content of the package; declare those that you need in `files`",
            _declared(venv, [file.path for file in edited]),
        )
    unowned = venv.unowned()
    if unowned:
        message = "no package lists these files, and they won't be copied; declare those that you"
        yield Finding("unowned", f"{message} need in `files`", _declared(venv, unowned))
    carried = venv.carried()
    if carried:
        message = "no package lists these files; `persistent` carries them along"
        yield Finding("persistent", message, _declared(venv, carried))
    if kept := venv.edited_files(persistent=True):
        message = "these files of packages were edited; `persistent` carries them along"
        yield Finding("persistent", message, _declared(venv, [file.path for file in kept]))
    if role := venv.role_files():
        message = "the role of OpenStack-Ansible wrote these files; converge doesn't need them"
        yield Finding("role", message, tuple(role))
    if venv.links.others:
        message = "these symlinks point to no module that `system-packages` could link"
        paths = tuple(f"{path} -> {target}" for path, target in venv.links.others)
        yield Finding("symlink", message, paths)


def _declared(venv: ExistingVenv, paths: Iterable[str]) -> tuple[str, ...]:
    """Return paths as `files` would name them. Many files of one module become its directory."""
    groups = Counter(_group(path, venv.sites) for path in paths)
    rows: dict[str, None] = {}
    for path in paths:
        group = _group(path, venv.sites)
        is_large = group and groups[group] > _MAX_PER_DIRECTORY
        declared = _with_placeholder(group if is_large else path, venv.sites)
        rows[f"{declared}/ ({groups[group]} files)" if is_large else declared] = None
    return tuple(rows)


def _with_placeholder(path: str, sites: Iterable[str]) -> str:
    for site in sites:
        if path.startswith(f"{site}/"):
            return f"{SITE_PACKAGES}{path[len(site) :]}"
    return path


def _group(path: str, sites: Iterable[str]) -> str:
    """Return the directory in `site-packages` that contains a file, or an empty string."""
    for site in sites:
        if path.startswith(f"{site}/"):
            first, separator, _ = path[len(site) + 1 :].partition("/")
            return os.path.join(site, first) if separator else ""
    return ""
