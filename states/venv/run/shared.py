"""The state that the handles of all venvs share in one run."""

from __future__ import annotations

from states.venv.generations.runs import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.settings import Settings
    from states.venv.observe import Observation
    from states.venv.spec import Venv


class PathUses:
    """The paths that links and commands of the run use in venvs.

    Each kind adds its resources before the run visits the first one.
    """

    def __init__(self) -> None:
        self._users: dict[str, list[str]] = {}

    def add(self, target: str, user: str) -> None:
        """Add a path: `venv.NAME:path/inside`, or an absolute one. The user is for messages."""
        users = self._users.setdefault(target, [])
        if user not in users:
            users.append(user)

    def in_venv(self, spec: Venv) -> dict[str, list[str]]:
        """Return the users of each path in a venv, by the path relative to the venv."""
        users_by_path: dict[str, list[str]] = {}
        address = spec.declared.rpartition(" ")[2]
        for target, users in self._users.items():
            for prefix in (f"{address}:", f"{spec.path}/"):
                if target.startswith(prefix):
                    users_by_path.setdefault(target.removeprefix(prefix), []).extend(users)
        return users_by_path


class VenvRun:
    """The state of one run that several venvs use, from several threads.

    Attributes:
        settings: The settings of the run.
        identity: The identity of the run.
        latest: The latest observation of each venv by path, in the order of observation. Packages
            are reused from all of them.
        uses: The paths that other resources use in venvs.
        requirers: The specs of the run that require packages of the distribution, by path.

    """

    def __init__(self, settings: Settings, uses: PathUses | None = None) -> None:
        self.settings = settings
        self.uses = uses or PathUses()
        self.identity = Run(settings.state)
        self.latest: dict[str, Observation] = {}
        self.requirers: dict[str, Venv] = {}

    def add_requirers(self, specs: Iterable[Venv]) -> None:
        """Add those of the venvs that require packages, before the run visits the first one."""
        present = (spec for spec in specs if spec.state == "present")
        self.requirers.update((spec.path, spec) for spec in present if spec.requires_system)
