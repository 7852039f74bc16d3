"""Check the requirements of a local project that was edited after versions were selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from states.venv.integrity.dist_info import normalize_name, required_distributions
from states.venv.resolve.requirements import declared_lines, required_names
from states.venv.resolve.resolver import markers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from states.venv.build.installed import Installed
    from states.venv.build.stages import Draft


def requires_only_selected(draft: Draft, installed: Installed, name: str) -> bool:
    """Return whether the selected packages satisfy the requirements of a project as built.

    Args:
        draft: The directory of the generation.
        installed: The installed packages.
        name: The package that was built from the project.

    Returns:
        Whether no other package is required.

    """
    dist_info = installed.dist_infos.get(name)
    if dist_info is None:
        return False
    spec, selection = draft.context.spec, draft.context.selection
    environment = {**markers(selection.python), "extra": ""}
    versions = {package.name: package.version for package in selection.packages}
    overridden = required_names(declared_lines(spec.overrides))
    return all(
        _is_satisfied(requirement, versions, environment, overridden)
        for requirement in required_distributions(f"{installed.root}/{dist_info}/METADATA")
    )


def _is_satisfied(
    text: str,
    versions: Mapping[str, str],
    environment: Mapping[str, str],
    overridden: set[str],
) -> bool:
    """Return whether the selected versions satisfy a requirement.

    Args:
        text: The requirement.
        versions: The selected version of each package. It may be unknown before a build.
        environment: The environment in which markers are evaluated.
        overridden: Names of packages whose requirements have no effect.

    Returns:
        Whether they do. A requirement whose marker is false is satisfied.

    """
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return False
    name = normalize_name(requirement.name)
    is_ignored = requirement.marker is not None and not requirement.marker.evaluate(environment)
    if is_ignored or name in overridden:
        return True
    version = versions.get(name)
    if version is None:
        return False
    return not version or requirement.specifier.contains(version, prereleases=True)
