"""Options and variables of uv that don't depend on files of the host."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import tomli_w

from states.installer.indexes import source_options

if TYPE_CHECKING:
    from states.installer import ResolveRequest


ISOLATED = {
    "UV_NO_CONFIG": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_NO_PROGRESS": "1",
    "UV_SYSTEM_CERTS": "1",
    "NO_COLOR": "1",
    "UV_LINK_MODE": "copy",
    "GIT_TERMINAL_PROMPT": "0",
}
"""Variables that keep uv from using the settings of the user."""


def compile_options(request: ResolveRequest) -> list[str]:
    """Return the options for the fields of a request."""
    arguments = []
    for name in sorted(request.upgrade):
        arguments += ["--upgrade-package", name]
    arguments += refresh_options(request.projects)
    if request.allow_prereleases:
        arguments += ["--prerelease", "allow"]
    if request.no_deps:
        arguments.append("--no-deps")
    for binary_option in request.binary_options:
        arguments += binary_option
    return arguments + source_options(request.indexes)


def refresh_options(projects: frozenset[str] | None) -> list[str]:
    """Return the options that refresh local projects, or everything for None."""
    # UV-QUIRK(0.12): uv reuses a cached build of a local project after a source file has changed.
    if projects is None:
        return ["--refresh"]
    return [f"--refresh-package={name}" for name in sorted(projects)]


def environment_variables(
    scratch: str, environments: tuple[str, ...], settings: str
) -> dict[str, str]:
    """Return the variables that make uv read these environments, and no other settings.

    Args:
        scratch: The working directory of uv.
        environments: The markers of the environments.
        settings: The content of the `uv.toml`.

    Returns:
        The variables.

    """
    # UV-QUIRK(0.13): no option names environments, only the `pyproject.toml` of a project.
    project = {"tool": {"uv": {"environments": list(environments)}}}
    Path(f"{scratch}/pyproject.toml").write_text(tomli_w.dumps(project), "utf-8")
    # So that uv doesn't read the one in /etc.
    os.makedirs(f"{scratch}/config/uv", exist_ok=True)
    Path(f"{scratch}/config/uv/uv.toml").write_text(settings, "utf-8")
    return {"UV_NO_CONFIG": "0", "XDG_CONFIG_DIRS": f"{scratch}/config"}
