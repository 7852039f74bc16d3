"""The lockfile of a declaration: its name, its content, and the interpreters that it supports."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import tomli
import tomli_w
from packaging.markers import Marker
from packaging.pylock import Pylock, PylockValidationError, is_valid_pylock_path

from engine.frozen import frozen
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.pylock import Lock, format_lock, parse_lock
from states.venv.resolve.requirements import required_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.pylock import Package
    from packaging.requirements import Requirement

    from engine.table import Inputs
    from states.venv.resolve.lines.line import Line


_MARKER_NAME = re.compile(r"\b(?:python|os|sys|platform|implementation)_\w+|\bextras?\b")
_FIXED = ("sys_platform", "platform_machine", "implementation_name")
"""Variables of markers that are the same in all environments of a target."""
_PATCHES = (*range(40), 1000)
_REQUIRES_PYTHON = re.compile(r"^requires-python = .*\n", re.MULTILINE)


def default_name(venv: str) -> str:
    """Return the name of the default lockfile of a venv, as PEP 751 requires it."""
    return f"pylock.{venv.replace('.', '_')}.toml"


def old_default_name(venv: str) -> str:
    """Return the name that earlier versions used."""
    return f"{venv}.pylock.toml"


def has_valid_name(path: str) -> bool:
    """Return whether uv and pip accept a file under this name (PEP 751)."""
    return is_valid_pylock_path(Path(path))


@frozen
class Target:
    """The interpreters that a lockfile supports: of one implementation, on one platform."""

    fixed: Mapping[str, str]
    """The values of `_FIXED`."""
    minors: tuple[int, ...]
    """The supported minor versions of Python 3, sorted."""

    @property
    def minimum(self) -> str:
        """The oldest version."""
        return f"3.{self.minors[0]}"

    @property
    def environments(self) -> tuple[str, ...]:
        """The markers of the supported environments, which don't overlap."""
        platform = " and ".join(f"{name} == '{value}'" for name, value in self.fixed.items())
        return tuple(f"{platform} and python_version == '3.{minor}'" for minor in self.minors)

    @property
    def requires_python(self) -> str:
        """The supported versions as a specifier."""
        return f">=3.{self.minors[0]},<3.{self.minors[-1] + 1}"

    def samples(self) -> Iterator[dict[str, str]]:
        """Yield values of markers for each supported version."""
        for minor in self.minors:
            for patch in _PATCHES:
                full = f"3.{minor}.{patch}"
                yield {**self.fixed, "python_version": f"3.{minor}", "python_full_version": full}


def target_of(environment: Mapping[str, str], minors: Iterable[int]) -> Target:
    """Return the target of an interpreter.

    Args:
        environment: The environment in which the interpreter evaluates markers.
        minors: More minor versions to support.

    Returns:
        The target.

    """
    own = int(environment["python_version"].split(".")[1])
    fixed = {name: environment[name] for name in _FIXED}
    return Target(fixed=fixed, minors=tuple(sorted({own, *minors})))


def supported_minors(lock: str | None, environment: Mapping[str, str]) -> list[int]:
    """Return the minor versions of Python 3 that a lock supports.

    Args:
        lock: The text of a lock, possibly invalid.
        environment: The environment in which the interpreter evaluates markers.

    Returns:
        The versions. None if the lock doesn't support the interpreter, so that it is replaced by
        one that supports only the interpreter.

    """
    try:
        environments = parse_lock(lock or "").document.get("environments", [])
        versions = re.findall(r"python_version == '3\.(\d+)'", " ".join(environments))
    except (tomli.TOMLDecodeError, TypeError):
        return []
    own = environment["python_version"].split(".")[1]
    return [int(version) for version in versions] if own in versions else []


def restrict_to(lock: Lock, target: Target) -> Lock:
    """Return a lock of the installer that states which interpreters it supports.

    The installer states only the oldest Python version, and gives each package a marker for the
    whole target.
    """
    document = dict(lock.document)
    supported = {
        "requires-python": target.requires_python,
        "environments": list(target.environments),
    }
    document = {"lock-version": document.pop("lock-version"), **document, **supported}
    text = _REQUIRES_PYTHON.sub(lambda _: tomli_w.dumps(supported), lock.text, count=1)
    redundant = {
        marker
        for package in lock.packages
        if (marker := package.get("marker")) and _is_always_true(marker, target)
    }
    for marker in redundant:
        text = text.replace(f'marker = "{marker}"\n', "")
    document["packages"] = [
        {k: v for k, v in package.items() if k != "marker" or v not in redundant}
        for package in lock.packages
    ]
    # The text of the installer is more compact than that of `tomli_w`.
    return Lock(text, document) if tomli.loads(text) == document else format_lock(document)


def _is_always_true(marker: str, target: Target) -> bool:
    variables = {*_FIXED, "python_version", "python_full_version"}
    if not variables.issuperset(_MARKER_NAME.findall(marker)):
        return False
    parsed = Marker(marker)
    return all(parsed.evaluate(sample) for sample in target.samples())


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
    except (tomli.TOMLDecodeError, PylockValidationError, RecursionError) as error:
        is_nested = isinstance(error, RecursionError)
        reason = "nested too deeply" if is_nested else _lower_first(str(error))
        inputs.error(
            ("lock",),
            f"`{path}` isn't a valid lockfile (PEP 751): {reason}",
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
