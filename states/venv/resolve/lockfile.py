"""The lockfile that a declaration names: read it, and check that it matches the requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tomli
from packaging.pylock import Pylock, PylockValidationError

from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.pylock import parse_lock
from states.venv.resolve.requirements import required_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.pylock import Package
    from packaging.requirements import Requirement

    from engine.kind import Inputs
    from states.venv.resolve.lines.line import Line
    from states.venv.resolve.pylock import Lock


def read(
    path: str, lines: Iterable[Line], overrides: Iterable[Line], inputs: Inputs
) -> Lock | None:
    """Return the lock in a file, validated as far as possible without an interpreter.

    Args:
        path: The lockfile.
        lines: The requirements that it must satisfy.
        overrides: Requirements that replace those of other packages.
        inputs: Reads the file, and collects errors.

    Returns:
        The lock, or None if the file isn't one.

    """
    text = inputs.read(path, ("lock",))
    if text is None:
        hint = "run `converge lock` to create it, or remove `lock`"
        inputs.error(("lock",), f"no such file: `{path}`", hint)
        return None
    try:
        lock = parse_lock(text)
        pylock = Pylock.from_dict(lock.document)
    except (tomli.TOMLDecodeError, PylockValidationError) as error:
        inputs.error(
            ("lock",),
            f"`{path}` isn't a valid lockfile (PEP 751): {_lower_first(str(error))}",
            "run `converge lock` to create one; a requirement file belongs in `requirements`",
        )
        return None
    unlocked = _unlocked(pylock, lines, required_names(overrides))
    if unlocked:
        names = ", ".join(f"`{requirement}`" for requirement in unlocked)
        hint = "run `converge lock` to update it"
        inputs.error(("lock",), f"the lockfile `{path}` doesn't satisfy {names}", hint)
    return lock


def _unlocked(pylock: Pylock, lines: Iterable[Line], overridden: set[str]) -> list[Requirement]:
    """Find requirements that a lock doesn't satisfy, so that it is out of date.

    Args:
        pylock: The lock.
        lines: The requirements.
        overridden: Normalized names whose requirements an override replaces.

    Returns:
        The requirements that no package satisfies.

    """
    packages: dict[str, list[Package]] = {}
    for package in pylock.packages:
        packages.setdefault(package.name, []).append(package)
    unlocked = []
    for line in lines:
        requirement = line.requirement
        # Whether a marker applies depends on the interpreter, which isn't selected yet.
        if line.constraint or requirement is None or requirement.marker is not None:
            continue
        name = normalize_name(requirement.name)
        if name not in overridden and not _satisfies(packages.get(name, []), requirement):
            unlocked.append(requirement)
    return unlocked


def _satisfies(packages: Iterable[Package], requirement: Requirement) -> bool:
    return any(
        package.version is None or requirement.specifier.contains(package.version, prereleases=True)
        for package in packages
    )


def _lower_first(message: str) -> str:
    return message[:1].lower() + message[1:]
