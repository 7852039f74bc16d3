"""The planned content of a wheelhouse: versions, artifacts, and the attributes that follow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.frozen import frozen
from engine.system.files import sha256
from states.wheelhouse.select.artifacts import artifacts_of
from states.wheelhouse.select.lock_names import lock_name

if TYPE_CHECKING:
    from states.wheelhouse.select.artifacts import Artifact
    from states.wheelhouse.select.selection import Selected
    from states.wheelhouse.spec import Wheelhouse


@frozen
class Plan:
    """The selected versions, and the artifacts that they consist of."""

    selected: tuple[Selected, ...]
    artifacts: tuple[tuple[Artifact, ...], ...]
    """The artifacts of each of them."""
    attributes: dict[str, str]
    """The desired state, without `path`, `generation`, and `url`."""

    def unique_artifacts(self) -> dict[str, Artifact]:
        """Return each artifact once, by its attribute."""
        unique: dict[str, Artifact] = {}
        for artifacts in self.artifacts:
            for artifact in artifacts:
                unique.setdefault(artifact.attribute, artifact)
        return unique


def make_plan(spec: Wheelhouse, selected: tuple[Selected, ...]) -> Plan:
    """Return the plan for selected versions.

    Raises:
        ConvergeError: A package can't be provided as a wheel, or must be built in two ways.

    """
    artifacts = tuple(
        tuple(artifacts_of(versions, spec.sources[versions.venv])) for versions in selected
    )
    _require_distinct(selected)
    plan = Plan(selected, artifacts, {})
    unique = plan.unique_artifacts()
    _require_one_build(artifacts, unique)
    attributes = {name: artifact.value for name, artifact in unique.items()}
    attributes.update(_lock_attributes(plan))
    identities = sorted((name, artifact.identity) for name, artifact in unique.items())
    locks = sorted(item for item in attributes.items() if item[0].startswith("lock."))
    digest = sha256(json.dumps([identities, locks]).encode())[:16]
    return Plan(selected, artifacts, {**attributes, "content": digest})


def _lock_attributes(plan: Plan) -> dict[str, str]:
    """Return an attribute for each lockfile. Its value follows from the locked artifacts."""
    rows: dict[str, list[list[str]]] = {}
    for versions, artifacts in zip(plan.selected, plan.artifacts, strict=True):
        content = sorted(f"{artifact.attribute} {artifact.identity}" for artifact in artifacts)
        minor = versions.python.version.rpartition(".")[0]
        row = [versions.python.implementation, minor, *content]
        rows.setdefault(f"lock.{lock_name(versions.venv)}", []).append(row)
    return {name: sha256(json.dumps(content).encode())[:12] for name, content in rows.items()}


def _require_distinct(selected: tuple[Selected, ...]) -> None:
    """Check that each lockfile has one name, and each interpreter one marker in it.

    Raises:
        ConvergeError: Two venvs have the same lockfile, or two interpreters the same marker.

    """
    names: dict[str, str] = {}
    pythons: dict[tuple[str, str, str], str] = {}
    for versions in selected:
        venv, python = versions.venv, versions.python
        other = names.setdefault(lock_name(venv), venv)
        if other != venv:
            raise ConvergeError(
                f"the lockfiles of `{other}` and `{venv}` have the same name: `{lock_name(venv)}`",
                hint="rename one of the venvs",
            )
        minor = python.version.rpartition(".")[0]
        key = (venv, minor, python.implementation.removesuffix("t"))
        if key in pythons:
            first = pythons[key]
            raise ConvergeError(
                f"`pythons` selects two interpreters of Python {minor}: `{first}` and "
                f"`{python.executable}`",
                hint="no marker of a lockfile distinguishes them; remove one",
            )
        pythons[key] = python.executable


def _require_one_build(
    artifacts: tuple[tuple[Artifact, ...], ...], unique: dict[str, Artifact]
) -> None:
    """Check that no package is needed with two contents, or built with two settings.

    Raises:
        ConvergeError: One is.

    """
    for rows in artifacts:
        for artifact in rows:
            first = unique[artifact.attribute]
            if first.identity == artifact.identity:
                continue
            subject = artifact.attribute.removeprefix("wheel.")
            raise ConvergeError(
                f"`{first.venv}` and `{artifact.venv}` need different contents of `{subject}`: "
                f"{first.value} and {artifact.value}",
                hint="an index can't contain both; use the same source and build settings for both "
                "venvs, or declare two wheelhouses",
            )
