"""The packages of the distribution that a venv requires.

A missing one is an attribute that differs, although no apply can change it: `check` reports it as
drift, and a plan and an apply fail before they change anything.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.kind import MayCreate
    from states.distribution.requirement import Unmet
    from states.venv.spec import Venv

PREFIX = "system."
"""The prefix of the attributes of packages that aren't installed."""


class SystemRequirements:
    """The requirements of one venv, and those of the other venvs of the run.

    Args:
        spec: The declared venv.
        requirers: All venvs of the run with requirements, by path.
        cache: The cache directory.

    Attributes:
        unmet: The requirements that `look_up` found unmet.

    """

    def __init__(self, spec: Venv, requirers: Mapping[str, Venv], cache: str) -> None:
        self.spec = spec
        self.requirers = requirers
        self.cache = cache
        self.unmet: tuple[Unmet, ...] = ()

    def is_known(self) -> bool:
        """Return whether `look_up` needs no program. Never writes."""
        if not self.spec.requires_system:
            return True
        # Imported here: most venvs have no such requirements.
        from states.distribution.lookup import recall_unmet

        return recall_unmet(self.spec.requires_system, self.cache) is not None

    def look_up(self) -> None:
        """Find the requirements that aren't met. Writes only to the cache.

        Raises:
            ConvergeError, OSError: It can't be found out.

        """
        if self.spec.requires_system:
            from states.distribution.lookup import find_unmet

            self.unmet = find_unmet(self.spec.requires_system, self.cache)

    def observed(self) -> dict[str, str]:
        """Return an attribute for each package that isn't installed, or has a version too low."""
        return {_attribute(package): package.version or "missing" for package in self.unmet}

    def desired(self) -> dict[str, str]:
        """Return the desired values of the same attributes."""
        minimums = {_attribute(package): package.requirement.minimum for package in self.unmet}
        return {name: f">= {low}" if low else "installed" for name, low in minimums.items()}

    def explain(self, attribute: str) -> str:
        """Return the problem behind an attribute, or an empty string."""
        return {_attribute(package): package.problem for package in self.unmet}.get(attribute, "")

    def require_installed(self, may_create: MayCreate) -> None:
        """Check that all are met, unless a dependency, such as a command, may install packages.

        Raises:
            ConvergeError: One isn't. The hint has a command that installs those of all venvs.

        """
        if not self.unmet:
            return
        from engine.errors import ConvergeError
        from states.distribution.lookup import database_file, find_unmet, install_command

        if may_create(database_file()):
            return
        missing = {self.spec.path: self.unmet}
        for other in self.requirers.values():
            if other.path != self.spec.path:
                missing[other.path] = find_unmet(other.requires_system, self.cache)
        names = {package.requirement.name for unmet in missing.values() for package in unmet}
        specs = (self.requirers[path] for path, unmet in missing.items() if unmet)
        venvs = sorted(spec.declared.rpartition(" ")[2] for spec in specs)
        raise ConvergeError(
            f"`requires-system`: {', '.join(package.problem for package in self.unmet)}",
            hint="converge doesn't install packages of the distribution; "
            f"for {' and '.join(venvs)}, run: {install_command(names)}",
        )


def _attribute(package: Unmet) -> str:
    return PREFIX + package.requirement.name
