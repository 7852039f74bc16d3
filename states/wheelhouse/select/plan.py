"""The planned content of a wheelhouse: versions, files, and the attributes that follow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine.frozen import frozen
from engine.system.files import sha256
from states.wheelhouse.select.artifacts import artifacts_of

if TYPE_CHECKING:
    from states.wheelhouse.select.artifacts import Artifact
    from states.wheelhouse.select.selection import Selected


@frozen
class Plan:
    """The selected versions, and the files that they consist of."""

    selected: tuple[Selected, ...]
    artifacts: tuple[Artifact, ...]
    """All artifacts, those of several venvs repeatedly."""
    attributes: dict[str, str]
    """The desired state, without `path`, `generation`, and `url`."""


def make_plan(selected: tuple[Selected, ...]) -> Plan:
    """Return the plan for selected versions.

    Raises:
        ConvergeError: A package can't be provided as a wheel.

    """
    artifacts = tuple(artifact for versions in selected for artifact in artifacts_of(versions))
    attributes = {artifact.attribute: artifact.value for artifact in artifacts}
    digest = sha256(json.dumps(sorted((a.attribute, a.sha256) for a in artifacts)).encode())
    return Plan(selected, artifacts, {**attributes, "content": digest[:16]})
