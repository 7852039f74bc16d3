"""The lockfiles for the targets (PEP 751). They contain only wheels of the wheelhouse."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import quote

import tomli_w

from states.venv.resolve.lockfile import target_of
from states.venv.resolve.resolver import markers
from states.wheelhouse.generations.index import file_path
from states.wheelhouse.select.lock_names import LOCKS, lock_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from states.wheelhouse.select.artifacts import Artifact
    from states.wheelhouse.select.plan import Plan
    from states.wheelhouse.select.selection import Selected
    from states.wheelhouse.store.wheels import Wheel

_Rows = list[tuple["Selected", tuple["Artifact", ...]]]
"""The versions of one venv for each interpreter, with their artifacts."""


def lockfiles(plan: Plan, provided: Mapping[str, Wheel], url: str) -> Iterator[tuple[str, str]]:
    """Yield the relative path and the content of each lockfile.

    Args:
        plan: The selected versions.
        provided: The wheel of each artifact by its attribute.
        url: The URL of the published directory. If it is empty, the paths are relative.

    Yields:
        The lockfiles, in the order of the venvs.

    """
    by_venv: dict[str, _Rows] = {}
    for selected, artifacts in zip(plan.selected, plan.artifacts, strict=True):
        by_venv.setdefault(selected.venv, []).append((selected, artifacts))
    for venv, rows in by_venv.items():
        document = _document(rows, provided, url)
        yield f"{LOCKS}/{lock_name(venv)}", tomli_w.dumps(document)


def _document(rows: _Rows, provided: Mapping[str, Wheel], url: str) -> dict[str, Any]:
    """Return the lockfile of one venv.

    Args:
        rows: Its versions for each interpreter.
        provided: The wheel of each artifact by its attribute.
        url: As for `lockfiles`.

    Returns:
        The document.

    """
    environments = [markers(selected.python) for selected, _ in rows]
    targets = [target_of(environment, ()) for environment in environments]
    wheels: dict[tuple[str, str], dict[str, Wheel]] = {}
    users: dict[tuple[str, str], list[int]] = {}
    for position, (_, artifacts) in enumerate(rows):
        for artifact in artifacts:
            wheel = provided[artifact.attribute]
            package = (wheel.project, wheel.version)
            wheels.setdefault(package, {})[wheel.sha256] = wheel
            users.setdefault(package, []).append(position)
    minors = sorted(minor for target in targets for minor in target.minors)
    return {
        "lock-version": "1.0",
        "environments": [marker for target in targets for marker in target.environments],
        "requires-python": f">=3.{minors[0]},<3.{minors[-1] + 1}",
        "created-by": "converge",
        "packages": [
            _package(package, wheels[package].values(), _marker(users[package], environments), url)
            for package in sorted(wheels)
        ],
    }


def _package(
    package: tuple[str, str], wheels: Iterable[Wheel], marker: str, url: str
) -> dict[str, Any]:
    """Return the entry of one version.

    Args:
        package: The name and the version.
        wheels: Its wheels.
        marker: The interpreters that it is for. Empty for all.
        url: As for `lockfiles`.

    Returns:
        The entry.

    """
    name, version = package
    entry: dict[str, Any] = {"name": name, "version": version}
    if marker:
        entry["marker"] = marker
    entry["wheels"] = [_wheel(wheel, url) for wheel in wheels]
    return entry


def _wheel(wheel: Wheel, url: str) -> dict[str, Any]:
    path = file_path(wheel)
    place = {"url": f"{url}/{quote(path)}"} if url else {"path": f"../{path}"}
    uploaded = datetime.strptime(wheel.uploaded[:19], "%Y-%m-%dT%H:%M:%S")
    return {
        "name": wheel.file,
        "upload-time": uploaded.replace(tzinfo=timezone.utc),
        **place,
        "size": wheel.size,
        "hashes": {"sha256": wheel.sha256},
    }


def _marker(positions: list[int], environments: list[dict[str, str]]) -> str:
    """Return the marker of a package that only some interpreters use, or an empty string."""
    if len(set(positions)) == len(environments):
        return ""
    has_several = len({environment["implementation_name"] for environment in environments}) > 1
    names = ("python_version", *(("implementation_name",) if has_several else ()))
    clauses = [
        " and ".join(f"{name} == '{environments[position][name]}'" for name in names)
        for position in dict.fromkeys(positions)
    ]
    return " or ".join(clauses)
