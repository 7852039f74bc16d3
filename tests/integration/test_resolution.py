"""converge resolves versions once for the same inputs, and again only on request."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.support.command import changes, reasons
from tests.support.index import Index
from tests.support.wheels import make_wheel


@pytest.fixture
def served(host: Host, index: Index) -> Host:
    """Return a host whose venv was installed from an index."""
    make_wheels(index.directory)
    declare(host, index, ["alpha<1.1", "beta<2"])
    host.apply_ok()
    return host


def declare(host: Host, index: Index, packages: list[str], **keys: Any) -> None:
    host.declare(packages, find_links=[], no_index=False, index_url=index.url, **keys)


def release(index: Index) -> None:
    """Publish newer versions of `alpha` and `beta`."""
    make_wheel(index.directory, "alpha", "1.0.9", requires=["beta"])
    make_wheel(index.directory, "beta", "1.9")


def test_apply_keeps_versions_when_newer_ones_appear(served: Host, index: Index) -> None:
    release(index)
    requests_before = len(index.requests)

    served.assert_no_changes()

    assert len(index.requests) == requests_before


def test_repair_restores_same_versions_without_an_index(served: Host, index: Index) -> None:
    release(index)
    index.close()
    shutil.rmtree(served.site / "beta")
    (served.site / "alpha/__init__.py").unlink()

    served.assert_converges()

    assert served.versions() == {"alpha": "1.0", "beta": "1.0"}


def test_upgrade_updates_all_packages(served: Host, index: Index) -> None:
    release(index)

    plan = served.assert_converges("--upgrade")

    assert plan["action"] == "update"
    assert changes(plan)["package.alpha"] == ("1.0", "1.0.9")
    assert changes(plan)["package.beta"] == ("1.0", "1.9")
    assert reasons(plan)["package.beta"] == "another version was selected"


def test_upgrade_of_one_package_keeps_the_others(served: Host, index: Index) -> None:
    release(index)

    plan = served.assert_converges("--upgrade-package=Beta")

    assert {name for name in changes(plan) if name.startswith("package.")} == {"package.beta"}
    assert served.versions() == {"alpha": "1.0", "beta": "1.9"}


def test_upgrade_reports_names_that_match_no_package(served: Host) -> None:
    (notice,) = served.plan("--upgrade-package=bata", "--upgrade-package=BETA").report["notices"]
    assert notice == "`--upgrade-package bata`: no resource installs a package named `bata`"
    assert served.apply_ok("--upgrade-package=bata").report["notices"] == [notice]
    assert (
        f"note: {notice}\n"
        in served.run(
            "lock", "converge.toml", "--upgrade-package=bata", "--upgrade-package=beta"
        ).out
    )


def test_upgrade_without_newer_versions_changes_nothing(served: Host) -> None:
    before = served.generation

    assert not served.apply_ok("--upgrade").report["changed"]
    assert served.generation == before


def test_added_package_keeps_other_versions(served: Host, index: Index) -> None:
    release(index)
    declare(served, index, ["alpha<1.1", "beta<2", "gamma"])

    plan = served.assert_converges()

    assert changes(plan)["package.gamma"] == (None, "3.0")
    assert reasons(plan)["package.gamma"] == "newly required"
    assert served.versions() == {"alpha": "1.0", "beta": "1.0", "gamma": "3.0"}


def test_unrequired_package_is_removed(served: Host, index: Index) -> None:
    declare(served, index, ["gamma"])
    served.apply_ok()
    declare(served, index, ["alpha<1.1"])

    plan = served.assert_converges()

    assert changes(plan)["package.gamma"] == ("3.0", None)
    assert reasons(plan)["package.gamma"] == "no longer required"


def test_reordered_packages_dont_query_the_index(served: Host, index: Index) -> None:
    index.close()
    declare(served, index, ["beta<2", "alpha<1.1"])

    served.assert_no_changes()


def test_looser_requirement_selects_the_versions_of_a_new_host(served: Host, index: Index) -> None:
    release(index)
    declare(served, index, ["alpha", "beta"])

    plan = served.assert_converges()

    assert served.versions() == {"alpha": "1.1", "beta": "2.0"}
    expected = "another version was selected, because these changed: the requirement of `alpha`"
    assert reasons(plan)["package.beta"].startswith(expected)


def test_switched_constraints_select_all_packages_again(host_with_wheels: Host) -> None:
    """As with OpenStack: the constraints of a series don't name the services and their plugins."""
    host = host_with_wheels
    make_wheel(host.wheels, "service", "1.0", requires=["plugin", "beta"])
    make_wheel(host.wheels, "plugin", "1.0")
    host.write("beta==1.0\n", "old.txt")
    host.write("beta==2.0\n", "new.txt")
    host.declare(["service==1.0"], constraints=["old.txt"])
    host.apply_ok()
    make_wheel(host.wheels, "service", "2.0", requires=["plugin", "beta"])
    make_wheel(host.wheels, "plugin", "2.0")
    host.declare(["service==2.0"], constraints=["new.txt"])

    plan = host.assert_converges()

    assert host.versions() == {"service": "2.0", "plugin": "2.0", "beta": "2.0"}
    assert reasons(plan)["package.plugin"] == (
        "another version was selected, because these changed: "
        "`constraints`, the requirement of `service`"
    )


def test_plan_reports_versions_that_a_new_host_would_not_get(served: Host, index: Index) -> None:
    release(index)
    declare(served, index, ["alpha<1.1", "beta<2", "gamma"])

    (notice,) = served.plan().report["notices"]

    assert notice == (
        f"`{served.venv}` keeps versions that a new venv wouldn't get: alpha 1.0 (1.0.9), "
        "beta 1.0 (1.9). To upgrade them, run with `--upgrade`"
    )
    assert served.apply_ok().report["notices"] == [notice]
    assert served.plan().report["notices"] == []


def test_yanked_version_stays_installed(served: Host, index: Index) -> None:
    index.yanked["beta-1.0-py3-none-any.whl"] = "broken"

    served.assert_no_changes()


def test_restored_declaration_doesnt_query_the_index(served: Host, index: Index) -> None:
    declare(served, index, ["gamma"])
    served.apply_ok()
    index.close()
    declare(served, index, ["alpha<1.1", "beta<2"])

    served.assert_converges()

    assert served.versions() == {"alpha": "1.0", "beta": "1.0"}
    assert served.run_script("alpha") == "alpha 1.0"


def test_exclude_newer_limits_selected_versions(host: Host, index: Index) -> None:
    make_wheels(index.directory)
    index.uploaded["beta-2.0-py3-none-any.whl"] = "2024-06-01T00:00:00Z"
    declare(host, index, ["beta"], exclude_newer="2024-01-01")
    host.apply_ok()
    assert host.versions() == {"beta": "1.0"}

    declare(host, index, ["beta"], exclude_newer="2025-01-01")
    host.apply_ok("--upgrade")
    assert host.versions() == {"beta": "2.0"}


def test_generation_stores_its_lockfile_with_hashes(served: Host) -> None:
    lockfile = (served.generation / ".converge/pylock.toml").read_text()

    assert 'name = "beta"' in lockfile
    assert lockfile.count("sha256 = ") == 2


def test_unknown_extra_is_reported_with_its_place(host_with_wheels: Host) -> None:
    make_wheel(host_with_wheels.wheels, "web", "1.0", extras={"async": ["beta"], "tls": []})
    requirements = host_with_wheels.write("gamma\nweb[asynk]\n", "r.txt")
    host_with_wheels.declare([], requirements=["r.txt"])
    expected = (
        f"{requirements}:2: web 1.0 has no extra `asynk`, so `web[asynk]` adds no packages; "
        "did you mean `web[async]`?"
    )

    assert host_with_wheels.plan().report["notices"] == [expected]
    assert host_with_wheels.apply_ok().report["notices"] == [expected]


def test_yanked_pin_is_reported_with_its_reason(served: Host, index: Index) -> None:
    index.yanked["beta-1.0-py3-none-any.whl"] = "breaks the API"
    declare(served, index, ["beta==1.0"])

    (notice,) = served.plan().report["notices"]

    assert notice.endswith(", `packages`: beta 1.0 was yanked from the index: breaks the API")
    locking = served.run("lock", "converge.toml")
    assert "beta 1.0 was yanked from the index: breaks the API" in locking.out
