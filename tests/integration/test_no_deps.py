"""`no-deps` installs exactly the listed packages, and reports the dependencies that it omits."""

from __future__ import annotations

from tests.integration.host import Host
from tests.support.command import Completed
from tests.support.wheels import make_wheel


def notices(run: Completed) -> list[str]:
    reported: list[str] = run.report["notices"]
    return [notice for notice in reported if "no-deps" in notice]


def test_only_listed_packages_are_installed(host_with_wheels: Host) -> None:
    """Also in versions that contradict the metadata of others."""
    host = host_with_wheels
    make_wheel(host.wheels, "old", "1.0", requires=["beta<2", "gamma", "missing"])
    make_wheel(host.wheels, "missing", "1.0")
    host.declare(["old==1.0", "beta==2.0", "gamma"], no_deps=True)

    plan = host.plan()

    assert plan.code == 0, plan.out + plan.err
    assert notices(plan) == [
        f"`{host.venv}` lacks dependencies of its packages (`no-deps`): missing"
    ]
    host.apply_ok()
    assert host.versions() == {"old": "1.0", "beta": "2.0", "gamma": "3.0"}
    host.assert_no_changes()


def test_lockfile_contains_only_the_listed_packages(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["alpha"], no_deps=True, lock="pylock.toml")

    locking = host_with_wheels.run("lock", "converge.toml")

    assert locking.code == 0, locking.err
    assert "lacks dependencies of its packages (`no-deps`): beta" in locking.out
    assert 'name = "beta"' not in (host_with_wheels.directory / "pylock.toml").read_text()
