"""Check what a wheelhouse needs from the host before it is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from states.installer.readiness import find_uv, require_git, require_sources
from states.venv.resolve.builds.options import require_references
from states.venv.resolve.lines.sources import index_options
from states.wheelhouse.sandbox import find_build_user

if TYPE_CHECKING:
    from states.wheelhouse.select.plan import Plan
    from states.wheelhouse.spec import Wheelhouse


def require_sources_of(spec: Wheelhouse, plan: Plan) -> None:
    """Check that wheels can be fetched and built, as far as the host decides that.

    Args:
        spec: The wheelhouse.
        plan: Its planned content.

    Raises:
        ConvergeError: A program, a user, or a secret is missing.
        NoInput: A local directory or file doesn't exist.
        PermissionDenied: The current user can't build as the build user.

    """
    find_uv()
    find_build_user(spec.build_user)
    for artifact in plan.unique_artifacts().values():
        if artifact.build is not None:
            require_references(spec.sources[artifact.venv])
            if artifact.build.commit:
                require_git(artifact.project)
    for venv in spec.sources.values():
        if not venv.lock:
            require_sources(index_options(venv))
