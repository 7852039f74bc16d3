"""The state that the handles of all venvs share in one run."""

from __future__ import annotations

from states.venv.generations.runs import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.settings import Settings
    from states.venv.observe import Observation
    from states.venv.spec import Venv


class VenvRun:
    """The state of one run that several venvs use, from several threads.

    Attributes:
        settings: The settings of the run.
        identity: The identity of the run.
        latest: The latest observation of each venv by path, in the order of observation. Packages
            are reused from all of them.
        requirers: The specs of the run that require packages of the distribution, by path.

    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.identity = Run(settings.state)
        self.latest: dict[str, Observation] = {}
        self.requirers: dict[str, Venv] = {}

    def add_requirers(self, specs: Iterable[Venv]) -> None:
        """Add those of the venvs that require packages, before the run visits the first one."""
        present = (spec for spec in specs if spec.state == "present")
        self.requirers.update((spec.path, spec) for spec in present if spec.requires_system)
