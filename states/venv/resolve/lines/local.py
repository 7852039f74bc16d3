"""The local projects and files that requirement lines name, which another user may change."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import PermissionDenied
from engine.system.existence import is_directory
from states.system.users import user_of_paths, user_of_project
from states.venv.resolve.references import local_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from states.venv.resolve.lines.line import Line


def local_projects(lines: Iterable[Line]) -> tuple[tuple[str, str], ...]:
    """Return the URL of each local project as in these lines, and its directory."""
    paths = {_url(line): path for line in lines if (path := line.local_path())}
    return tuple((url, path) for url, path in paths.items() if is_directory(path))


def require_trusted_files(lines: Iterable[Line]) -> None:
    """Check that no other user can change a local archive or repository to build from.

    Root would run its code. A local project is built as the user who can change it.

    Raises:
        PermissionDenied: Another user can change one.

    """
    for line in lines:
        url = _url(line)
        is_repository = url.startswith("git+file:")
        path = local_path(url.removeprefix("git+").partition("@")[0])
        if path is None or path.endswith(".whl"):
            continue
        if is_directory(path):
            has_subdirectory = "#" in url
            user = user_of_project(path) if is_repository or has_subdirectory else None
        else:
            user = user_of_paths((path,), path)
        if user is not None:
            raise PermissionDenied(
                f"unsafe source `{path}`: {user.name} can change it, and root would build it",
                hint=f"build a wheel as {user.name} and declare that, or run "
                f"`chown -R root {path}`",
            )


def _url(line: Line) -> str:
    """Return the URL that a line requires, or an empty string."""
    if line.requirement is not None:
        return line.requirement.url or ""
    return "" if line.is_only_options() else re.split(r"[\s\[]", line.text)[0]
