"""Different spellings of package names and versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.support.command import changes
from tests.support.wheels import make_wheel

SPELLINGS = {
    "underscore, dot and case": ("Delta_Pkg.Core", "delta-pkg-core", "1.0"),
    "a local version": ("epsilon==2.1.0+cpu", "epsilon", "2.1.0+cpu"),
    "an epoch": ("zeta>=1!1.0", "zeta", "1!1.5"),
    "a requested prerelease": ("eta==2.0rc1", "eta", "2.0rc1"),
    "a prerelease as lower bound": ("eta>=2.0rc1", "eta", "2.0rc1"),
    "the newest final release": ("eta", "eta", "1.0"),
    "an excluded version": ("theta!=2.0", "theta", "1.0"),
    "greater than": ("theta>1.0", "theta", "2.0"),
    "a compatible release": ("iota~=1.4.2", "iota", "1.4.5"),
    "arbitrary equality": ("theta===1.0", "theta", "1.0"),
    "a post release": ("kappa", "kappa", "1.0.post2"),
}


@pytest.fixture(scope="module")
def host_with_spellings(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Host:
    """Return a host with packages whose names and versions have several spellings."""
    host = Host(directory=tmp_path_factory.mktemp("spellings"), cache=shared_cache)
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


@pytest.mark.parametrize(("requirement", "name", "version"), SPELLINGS.values(), ids=SPELLINGS)
def test_plan_selects_the_requested_version(
    host_with_spellings: Host, requirement: str, name: str, version: str
) -> None:
    host_with_spellings.declare([requirement])

    assert changes(host_with_spellings.plan().first)[f"package.{name}"][1] == version


def test_every_name_spelling_is_installed_and_recognized(host_with_spellings: Host) -> None:
    host_with_spellings.declare(
        ["Delta_Pkg.Core", "EPSILON==2.1.0+cpu", "zeta", "eta==2.0rc1", "kappa"]
    )

    plan = host_with_spellings.assert_converges()

    assert {name for name in changes(plan) if name.startswith("package.")} == {
        "package.delta-pkg-core",
        "package.epsilon",
        "package.eta",
        "package.kappa",
        "package.zeta",
    }


def test_changed_name_spelling_changes_nothing(host_with_spellings: Host) -> None:
    host_with_spellings.declare(["Delta_Pkg.Core"])
    host_with_spellings.apply_ok()
    host_with_spellings.declare(["delta.pkg-core"])

    assert not host_with_spellings.plan().report["changed"]


def test_added_extra_installs_its_dependencies(host: Host) -> None:
    make_wheel(host.wheels, "base", "1.0", extras={"sock": ["socks"], "all": ["base[sock]"]})
    make_wheel(host.wheels, "socks", "1.0")
    host.declare(["base"])
    host.apply_ok()
    host.declare(["base[all]"])

    plan = host.assert_converges()

    assert changes(plan)["package.socks"] == (None, "1.0")
    host.declare(["base"])
    assert changes(host.assert_converges())["package.socks"] == ("1.0", None)


def test_false_marker_skips_the_requirement(host_with_spellings: Host) -> None:
    host_with_spellings.declare(["theta", "no-such-package; python_version<'3'"])

    host_with_spellings.apply_ok()

    assert set(host_with_spellings.versions()) == {"theta"}


def test_venv_without_packages_is_created(host: Host) -> None:
    host.declare([])

    plan = host.assert_converges()

    assert plan["action"] == "create"
    assert host.versions() == {}
    assert host.run_python("import sys; print(sys.prefix != sys.base_prefix)") == "True"


def test_emptied_package_list_removes_all_packages(host_with_spellings: Host) -> None:
    host_with_spellings.declare(["theta"])
    host_with_spellings.apply_ok()
    host_with_spellings.declare([])

    assert changes(host_with_spellings.assert_converges())["package.theta"][1] is None
    assert host_with_spellings.versions() == {}
