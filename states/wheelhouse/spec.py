"""The keys of a `[wheelhouse.*]` table."""

from __future__ import annotations

from engine.frozen import computed, field, frozen
from states.venv.spec import Venv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal


@frozen
class Wheelhouse:
    """The wheels that a set of venvs needs. The path is absolute in a normalized spec."""

    path: str = field("The published path: a symlink to a directory that a web server can serve.")
    venvs: tuple[str, ...] = field(
        "Addresses of the venvs whose wheels it contains. Accepts * and ?", default=("venv.*",)
    )
    pythons: tuple[str, ...] = field(
        "The interpreters to provide wheels for. Default: `python` of each venv.", default=()
    )
    build_user: str = field(
        "The user that builds packages. Default: the user that runs converge.", default=""
    )
    url: str = field("The URL at which a web server serves the path.", default="")
    keep: int = field("The number of previous generations whose wheels are kept.", default=1)
    needs: tuple[str, ...] = field("Addresses of resources to apply first.", default=())
    state: Literal["present", "absent"] = field("Whether it should exist.", default="present")

    sources: dict[str, Venv] = computed(default={}, table=Venv)
    """The venvs by their addresses, as they are declared."""
    declared: str = computed(default="")
    """The declaring file and address, for people."""

    def requests(self) -> Iterator[tuple[str, Venv, str]]:
        """Yield the address of each venv, the venv, and each interpreter request for it."""
        for address, venv in self.sources.items():
            for request in self.pythons or (venv.python,):
                yield address, venv, request
