"""A fleet of three hosts for the tests in this directory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.wrappers.callers.caller import Workspace, clean_environment
from tests.wrappers.conftest import skip_unavailable
from tests.wrappers.fleet.network import Host, Network, network, unavailable_reason
from tests.wrappers.fleet.rollout import make_release, write_declaration
from tests.wrappers.fleet.services import WheelServer, make_keys, serve_wheels


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in this directory, because it needs several hosts."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.fleet)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """The hosts, the wheel server, and the workspace in which releases are declared."""

    net: Network
    server: WheelServer
    workspace: Workspace
    """The directory for declarations and lockfiles."""
    key: Path

    @property
    def hosts(self) -> list[Host]:
        """The targets of a rollout."""
        return self.net.hosts

    def write_declaration(self, version: str) -> tuple[Path, Path]:
        """Write the declaration and the lockfile of a release; return both paths."""
        return write_declaration(self.workspace, self.server, version)


@pytest.fixture
def fleet(tmp_path: Path, executable: Path, wrappers: Path) -> Iterator[Fleet]:
    """Three hosts, a controller with nginx, and wheels of two releases."""
    reason = unavailable_reason()
    if reason:
        skip_unavailable(reason)
    make_release(tmp_path / "wheels")
    directory = tmp_path / "declared"
    directory.mkdir()
    environ = clean_environment(tmp_path, executable.parent)
    workspace = Workspace(
        directory=directory, executable=executable, wrapper=wrappers, environ=environ
    )
    with network(tmp_path / "disks", 3) as net:
        server = serve_wheels(net, tmp_path / "wheels")
        yield Fleet(net=net, server=server, workspace=workspace, key=make_keys(net))


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """Return a function that records a measurement.

    It adds the value to the report of the test, and to the file that CONVERGE_MEASURED names.
    """

    def add(name: str, value: object) -> None:
        request.node.user_properties.append((name, value))
        with Path(os.environ.get("CONVERGE_MEASURED", os.devnull)).open("a") as figures:
            figures.write(f"{name}: {value}\n")

    return add
