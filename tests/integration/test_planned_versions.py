"""`apply` installs the versions that `plan` showed, without resolving again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.mount_namespaces import mount_namespace, read_only
from tests.support.index import Index
from tests.support.wheels import make_sdist, make_wheel


@pytest.fixture
def planned_host(host: Host, index: Index) -> Host:
    """Return a host with a plan that was never applied."""
    make_wheels(index.directory)
    host.cache = host.directory / "cache"
    declare(host, index)
    assert planned(host) == "2.0"
    return host


def declare(host: Host, index: Index, **keys: Any) -> None:
    sources = {"find_links": [], "no_index": False, "index_url": index.url, **keys}
    host.declare(["beta"], **sources)


def planned(host: Host) -> str | None:
    """Plan; return the version of `beta`."""
    plan = host.plan()
    assert plan.code == 0, plan.out + plan.err
    return plan.changes()["package.beta"][1]


def test_apply_installs_the_planned_versions(planned_host: Host, index: Index) -> None:
    make_wheel(index.directory, "beta", "3.0")
    pages = len(index.requests)

    assert planned(planned_host) == "2.0"
    assert planned_host.check().code == 2
    planned_host.apply_ok()

    assert planned_host.versions() == {"beta": "2.0"}
    assert not [path for path in index.paths()[pages:] if path.startswith("/simple/")]
    assert list((planned_host.cache / "resolutions").iterdir()) == []


def test_plan_without_a_writable_cache_resolves_each_time(planned_host: Host, index: Index) -> None:
    make_wheel(index.directory, "beta", "3.0")
    for record in (planned_host.cache / "resolutions").iterdir():
        record.unlink()
    with mount_namespace(read_only(planned_host.cache), planned_host.directory) as in_namespace:
        plan = planned_host.plan(prefix=in_namespace)

    assert plan.changes()["package.beta"] == (None, "3.0")


@pytest.mark.parametrize("change", ["inputs", "torn record", "upgrade", "failed apply"])
def test_planned_versions_are_selected_again(planned_host: Host, index: Index, change: str) -> None:
    make_wheel(index.directory, "beta", "3.0")
    options = []
    if change == "inputs":
        declare(planned_host, index, overrides=["unrelated<1"])
    elif change == "torn record":
        (record,) = (planned_host.cache / "resolutions").iterdir()
        record.write_bytes(record.read_bytes()[:-9])
    elif change == "upgrade":
        options = ["--upgrade"]
    else:
        index.statuses["beta-2.0-py3-none-any.whl"] = 404
        assert planned_host.apply().code == 69

    planned_host.apply_ok(*options)

    assert planned_host.versions() == {"beta": "3.0"}


def test_new_file_in_find_links_counts_after_a_plan(host_with_wheels: Host) -> None:
    """It may be the wheel that a failed build asked for."""
    host_with_wheels.declare(["native"])
    make_sdist(host_with_wheels.wheels, "native", "1.0", build_fails="no compiler\n", static=True)
    host_with_wheels.plan()
    make_wheel(host_with_wheels.wheels, "native", "1.0")

    host_with_wheels.apply_ok()

    assert host_with_wheels.versions() == {"native": "1.0"}
