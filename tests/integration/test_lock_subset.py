"""Extras and dependency groups of a lockfile that serves several uses (PEP 751)."""

from __future__ import annotations

from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.test_lockfiles import entry
from tests.support.wheels import make_wheel

HEADER = """\
lock-version = "1.0"
created-by = "pdm"
extras = ["fast-io"]
dependency-groups = ["default", "docs"]
default-groups = ["default"]
"""
MARKERS = {
    "beta-1.0": "'default' in dependency_groups",
    "gamma-3.0": "'fast-io' in extras and 'default' in dependency_groups",
    "delta-1.0": "'docs' in dependency_groups",
}


def test_changed_selection_is_an_update(host: Host) -> None:
    make_wheels(host.wheels)
    make_wheel(host.wheels, "delta", "1.0")
    wheels = {name: host.wheels / f"{name}-py3-none-any.whl" for name in MARKERS}
    entries = [entry(wheels[name], marker) for name, marker in MARKERS.items()]
    host.write(HEADER + "".join(entries), "pylock.toml")
    host.declare([], find_links=[], lock="pylock.toml", groups=["Docs"])
    host.apply_ok()
    assert host.versions() == {"beta": "1.0", "delta": "1.0"}
    host.declare([], find_links=[], lock="pylock.toml", extras=["fast.io"])

    plan = host.plan().first

    assert plan["action"] == "update"
    host.apply_ok()
    assert host.versions() == {"beta": "1.0", "gamma": "3.0"}
    host.assert_no_changes()
