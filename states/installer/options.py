"""Options and variables of uv that don't depend on files."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
