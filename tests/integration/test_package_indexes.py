"""Indexes for certain packages only, and indexes that answer 403 for packages that they lack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.host import Host
from tests.support.index import Index
from tests.support.wheels import make_wheel


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Index]:
    """Yield an index with `torch`, which requires `kernels`, and a newer `app` and `other`."""
    with Index(tmp_path / "private") as server:
        make_wheel(server.directory, "torch", "2.0", requires=["kernels", "other"])
        make_wheel(server.directory, "kernels", "2.0")
        make_wheel(server.directory, "app", "7.0")
        make_wheel(server.directory, "other", "7.0")
        yield server


@pytest.fixture
def public(index: Index) -> Index:
    """Return the default index, where a stranger uploaded newer versions of private packages."""
    make_wheel(index.directory, "app", "1.0", requires=["torch>=1"])
    make_wheel(index.directory, "other", "1.0")
    make_wheel(index.directory, "torch", "9.0")
    make_wheel(index.directory, "kernels", "9.0")
    return index


def names(index: Index) -> set[str]:
    """Return the packages that an index was asked for."""
    return {path.split("/")[2] for path in index.paths() if path.startswith("/simple/")}


@pytest.mark.parametrize("packages", [["app"], ["app", "torch<3"], ["app", "torch", "kernels"]])
def test_package_comes_from_its_own_index_only(
    host: Host, public: Index, private: Index, packages: list[str]
) -> None:
    """Directly or indirectly required. Neither index is asked for packages of the other one."""
    private.auth = ("ann", "secret-of-ann")
    host.env = {"PRIVATE": private.url_with_password}
    host.write("torch>=1\nkernels<3\n", "constraints.txt")
    host.declare(
        packages,
        find_links=[],
        no_index=False,
        index_url=public.url,
        constraints=["constraints.txt"],
        more='[venv.app.package-index-url]\ntorch = "env:PRIVATE"\nKernels = "env:PRIVATE"\n',
    )

    host.assert_converges()

    assert host.versions() == {"app": "1.0", "torch": "2.0", "kernels": "2.0", "other": "1.0"}
    assert names(public) == {"app", "other"}
    assert names(private) == {"torch", "kernels"}


def test_unneeded_package_with_an_index_isnt_installed(
    host: Host, public: Index, private: Index
) -> None:
    host.declare(
        ["other"],
        find_links=[],
        no_index=False,
        index_url=public.url,
        more=f'[venv.app.package-index-url]\ntorch = "{private.url}"\n',
    )

    host.assert_converges()

    assert host.versions() == {"other": "1.0"}
    assert names(private) == set()


def test_override_of_a_package_with_an_index_is_refused(host: Host) -> None:
    """It would come from the default index."""
    host.declare(
        ["app"],
        overrides=["Torch==2.0"],
        more='[venv.app.package-index-url]\ntorch = "https://example.org/simple"\n',
    )

    refused = host.plan()

    assert refused.code == 65
    assert "`torch` is also in `overrides`" in refused.err


@pytest.mark.parametrize("status", [401, 403])
def test_ignored_status_means_no_such_package(
    host: Host, public: Index, private: Index, status: int
) -> None:
    private.statuses = {"/simple/app/": status, "/simple/other/": status}
    keys: dict[str, Any] = {"find_links": [], "no_index": False, "index_url": public.url}
    host.declare(["app"], extra_index_url=[private.url], **keys)
    refused = host.plan()

    host.declare(["app"], extra_index_url=[private.url], ignore_error_codes=[status], **keys)
    host.assert_converges()

    assert refused.code == 69
    assert host.versions() == {"app": "1.0", "torch": "2.0", "kernels": "2.0", "other": "1.0"}
