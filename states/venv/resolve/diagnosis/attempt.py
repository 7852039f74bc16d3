"""Resolve, and explain a failure in terms of the declaration and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.frozen import frozen, replace
from engine.system import signals
from states.installer.build_errors import BuildError
from states.installer.resolution_errors import ResolutionError
from states.venv.resolve.diagnosis.explain import contradiction_error, explain
from states.venv.resolve.lines.rejected import locate_rejected
from states.venv.resolve.requirements import drop_packages, required_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from states.installer import Installer, ResolveRequest
    from states.venv.resolve.lines.line import Line
    from states.venv.spec import Venv


@frozen
class Attempt:
    """One resolution, with the lines that the request was made from."""

    spec: Venv
    environments: Sequence[Mapping[str, str]]
    requirements: tuple[Line, ...]
    constraints: tuple[Line, ...]
    overrides: tuple[Line, ...]

    def resolve(self, installer: Installer, request: ResolveRequest) -> str:
        """Return the lock of the installer.

        Args:
            installer: The installer.
            request: The request.

        Returns:
            The text of the lock.

        Raises:
            ConvergeError: No versions satisfy the requirements, or a build failed.
            Unavailable: An index can't be reached.

        """
        bounds = [*self.requirements, *self.constraints]
        free = drop_packages(bounds, required_names(self.overrides))
        # The installer would name neither file, and might go back to old versions first.
        contradiction = contradiction_error(self.spec, free, self.environments)
        if contradiction is not None:
            raise contradiction
        try:
            return installer.resolve(request)
        except BuildError as error:
            conflict = _conflict_behind(error, installer, request)
            raise explain(conflict or error, self.spec, bounds) from None
        except ResolutionError as error:
            raise explain(error, self.spec, [*bounds, *self.overrides]) from None
        except ConvergeError as error:
            files = {"requirements.in": self.requirements, "constraints.txt": self.constraints}
            rows = {
                file: [line for line in lines if not line.is_only_options()]
                for file, lines in files.items()
            }
            raise locate_rejected(error, rows) from None


def _conflict_behind(
    error: BuildError, installer: Installer, request: ResolveRequest
) -> ResolutionError | None:
    """Return the conflict that made the installer go back to a version that it has to build.

    Args:
        error: The error of the build.
        installer: The installer.
        request: The request that failed.

    Returns:
        The conflict, or None if no version of the package has a wheel.

    """
    options = (*request.binary_options, ("--only-binary", error.package))
    try:
        installer.resolve(replace(request, binary_options=options))
    except ResolutionError as conflict:
        return conflict if conflict.excludes_by_requirements(error.package) else None
    except ConvergeError:
        signals.raise_if_interrupted()
    return None
