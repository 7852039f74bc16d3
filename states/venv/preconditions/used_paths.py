"""Check that a new generation contains the files that links and commands use in the live one.

A console script can vanish with another version of its package. A plan knows that before a switch
if it can read the new packages: a generation that matches, or local wheels. Otherwise, it reports
that the script may vanish, and an apply finds out after the build, before it publishes.
"""

from __future__ import annotations

import configparser
import os
import zipfile
import zlib
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.frozen import frozen
from engine.system.existence import exists
from states.installer.readiness import package_sources
from states.venv.integrity.manifest import load_manifest
from states.venv.observe import PUBLISHED, published_state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from states.venv.observe import Observation
    from states.venv.resolve.selection import Selection
    from states.venv.run.shared import PathUses
    from states.venv.spec import Venv

_GROUPS = ("console_scripts", "gui_scripts")
"""The entry points that become scripts in `bin`."""


@frozen
class UsedPath:
    """A path in the live generation that another resource uses."""

    path: str
    """Relative to the venv."""
    users: tuple[str, ...]
    """For messages, such as "the link `/usr/local/bin/web`"."""


def used_paths(spec: Venv, uses: PathUses, observation: Observation) -> list[UsedPath]:
    """Return the used paths that exist in the published generation.

    Args:
        spec: The declared venv.
        uses: The paths that resources of the run use.
        observation: The observation of the venv.

    Returns:
        The paths. A path that the live generation doesn't contain can't vanish.

    Raises:
        OSError: A path can't be examined.

    """
    state, live = published_state(observation.store)
    if state != PUBLISHED or live is None:
        return []
    root = observation.store.generation(live)
    return [
        UsedPath(path, tuple(users))
        for path, users in uses.in_venv(spec).items()
        if exists(os.path.join(root, path))
    ]


def require_used_paths(used: list[UsedPath], root: str) -> None:
    """Check that a finished generation contains the used paths.

    Args:
        used: The paths.
        root: The directory of the generation.

    Raises:
        ConvergeError: One is missing.
        OSError: A path can't be examined.

    """
    vanishing = [used_path for used_path in used if not exists(os.path.join(root, used_path.path))]
    if vanishing:
        raise _error(vanishing, "the new generation doesn't contain it")


def predict_vanishing(
    spec: Venv, used: list[UsedPath], observation: Observation, selection: Selection
) -> tuple[str, ...]:
    """Check before a build that the selected packages contain the used paths.

    Args:
        spec: The declared venv.
        used: The paths.
        observation: The observation of the venv.
        selection: The interpreter and the packages.

    Returns:
        A message for each path that may vanish.

    Raises:
        ConvergeError: One certainly vanishes.
        OSError: A wheel can't be read.

    """
    receipt = observation.receipt
    manifest = load_manifest(observation.root, receipt.manifest) if receipt else None
    if not used or not manifest or receipt is None:
        return ()
    installed = {(package.name, package.content) for package in receipt.packages}
    changed = {package.name: package for package in selection.packages
               if (package.name, package.content) not in installed}  # fmt: skip
    scripts = _scripts(selection.lock, changed)
    offered = set().union(*scripts.values())
    selected = {package.name for package in selection.packages}
    messages = []
    for used_path in used:
        entry, path = manifest.get(used_path.path), used_path.path
        owner = entry.package if entry is not None else ""
        is_same = owner in selected and owner not in changed
        if not owner or is_same or path in offered or path in spec.files or path[:4] != "bin/":
            continue
        version = changed[owner].version if owner in changed else ""
        reason = f"{owner} {version} doesn't install it" if version else f"{owner} isn't installed"
        if len(scripts) == len(changed):
            raise _error([used_path], reason)
        if version and owner not in scripts:
            reason = f"{owner} {version} isn't downloaded yet"
        messages.append(
            f"`{path}` may vanish, and {_uses(used_path)}: {reason}; "
            "`apply` finds out before it publishes"
        )
    return tuple(messages)


def _error(vanishing: list[UsedPath], reason: str) -> ConvergeError:
    texts = [f"`{used_path.path}` vanishes, and {_uses(used_path)}" for used_path in vanishing]
    return ConvergeError(
        f"{'; '.join(texts)}: {reason}",
        hint='name another script, or set `state = "absent"` for a link, or remove the command; '
        "nothing was published",
    )


def _uses(used_path: UsedPath) -> str:
    return f"{' and '.join(used_path.users)} {'uses' if len(used_path.users) == 1 else 'use'} it"


def _scripts(lock: str, changed: Mapping[str, object]) -> dict[str, set[str]]:
    """Return the scripts of each package whose wheel is a local file.

    Args:
        lock: The lock of the selection.
        changed: The packages to read.

    Returns:
        Paths relative to the venv, by the name of the package.

    Raises:
        OSError: A wheel can't be read.

    """
    scripts = {}
    for name, source in package_sources(lock, changed):
        path = source.get("path", "")
        if path.endswith(".whl") and os.path.isabs(path):
            scripts[name] = wheel_scripts(path)
    return scripts


def wheel_scripts(path: str) -> set[str]:
    """Return the scripts that a wheel installs, relative to the venv.

    Raises:
        OSError: The wheel can't be read.

    """
    scripts: set[str] = set()
    try:
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                directory, _, rest = name.partition("/")
                if directory.endswith(".data") and rest.startswith("scripts/"):
                    scripts.add(f"bin/{rest.removeprefix('scripts/')}")
                elif directory.endswith(".dist-info") and rest == "entry_points.txt":
                    scripts |= _entry_points(wheel.read(name).decode("utf-8", "replace"))
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError):
        return scripts  # The installer reports it.
    return scripts


def _entry_points(text: str) -> set[str]:
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[method-assign, assignment]  # names have a case
    try:
        parser.read_string(text)
    except configparser.Error:
        return set()  # The installer reports it.
    groups = (group for group in _GROUPS if parser.has_section(group))
    return {f"bin/{name}" for group in groups for name in parser.options(group)}
