"""Names and versions of every spelling come out once, and are met once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.host import Host, changes
from tests.support.wheels import make_wheel

SPELLINGS = {
    "underscore, dot and case": ("Delta_Pkg.Core", "delta-pkg-core", "1.0"),
    "a local version": ("epsilon==2.1.0+cpu", "epsilon", "2.1.0+cpu"),
    "an epoch": ("zeta>=1!1.0", "zeta", "1!1.5"),
    "a prerelease asked for": ("eta==2.0rc1", "eta", "2.0rc1"),
    "a prerelease bound": ("eta>=2.0rc1", "eta", "2.0rc1"),
    "the newest that is no prerelease": ("eta", "eta", "1.0"),
    "a version excluded": ("theta!=2.0", "theta", "1.0"),
    "greater than": ("theta>1.0", "theta", "2.0"),
    "a compatible release": ("iota~=1.4.2", "iota", "1.4.5"),
    "identity": ("theta===1.0", "theta", "1.0"),
    "a post release": ("kappa", "kappa", "1.0.post2"),
}


@pytest.fixture(scope="module")
def spelt(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Host:
    host = Host(folder=tmp_path_factory.mktemp("spelt"), cache=shared_cache)
    for name, *versions in (
        ("delta-pkg-core", "1.0"),
        ("epsilon", "2.1.0+cpu", "2.1.0+gpu"),
        ("zeta", "9.0", "1!1.5"),
        ("eta", "1.0", "2.0rc1"),
        ("theta", "1.0", "2.0"),
        ("iota", "1.4.2", "1.4.5", "1.5.0"),
        ("kappa", "1.0", "1.0.post2"),
    ):
        for version in versions:
            make_wheel(host.wheels, name, version)
    return host


@pytest.mark.parametrize(("asked", "name", "version"), SPELLINGS.values(), ids=SPELLINGS)
def test_what_was_asked_for_is_what_is_planned(
    spelt: Host, asked: str, name: str, version: str
) -> None:
    spelt.declare([asked])

    assert changes(spelt.plan().first)[f"package.{name}"][1] == version


def test_every_spelling_is_installed_and_then_met(spelt: Host) -> None:
    spelt.declare(["Delta_Pkg.Core", "EPSILON==2.1.0+cpu", "zeta", "eta==2.0rc1", "kappa"])

    plan = spelt.converges()

    assert {name for name in changes(plan) if name.startswith("package.")} == {
        "package.delta-pkg-core",
        "package.epsilon",
        "package.eta",
        "package.kappa",
        "package.zeta",
    }


def test_another_spelling_of_the_same_name_is_no_change(spelt: Host) -> None:
    spelt.declare(["Delta_Pkg.Core"])
    spelt.applied()
    spelt.declare(["delta.pkg-core"])

    assert not spelt.plan().report["changed"]


def test_an_extra_added_to_what_is_installed_brings_what_it_needs(host: Host) -> None:
    make_wheel(host.wheels, "base", "1.0", extras={"sock": ["socks"], "all": ["base[sock]"]})
    make_wheel(host.wheels, "socks", "1.0")
    host.declare(["base"])
    host.applied()
    host.declare(["base[all]"])

    plan = host.converges()

    assert changes(plan)["package.socks"] == (None, "1.0")
    host.declare(["base"])
    assert changes(host.converges())["package.socks"] == ("1.0", None)


def test_a_marker_that_does_not_hold_asks_for_nothing(spelt: Host) -> None:
    spelt.declare(["theta", "no-such-package; python_version<'3'"])

    spelt.applied()

    assert set(spelt.versions()) == {"theta"}


def test_an_environment_without_packages_is_one(host: Host) -> None:
    host.declare([])

    plan = host.converges()

    assert plan["action"] == "create"
    assert host.versions() == {}
    assert host.python_says("import sys; print(sys.prefix != sys.base_prefix)") == "True"


def test_emptying_the_list_takes_everything_away(spelt: Host) -> None:
    spelt.declare(["theta"])
    spelt.applied()
    spelt.declare([])

    assert changes(spelt.converges())["package.theta"][1] is None
    assert spelt.versions() == {}
