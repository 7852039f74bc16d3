"""A series that is named once: one link to a file of defaults moves every venv, and back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.support.command import Completed
from tests.support.wheels import make_wheel

SERVICES = ("keystone", "glance", "nova")
SERIES = {"2025.1": "27.0.0", "2025.2": "28.0.0", "2026.1": "29.0.0"}
LIBRARY = {"2025.1": "1.0", "2025.2": "1.0", "2026.1": "2.0"}


class Site:
    """A directory with services, and one with the constraints of each series."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.declarations = host.directory / "converge.d"

    def run(self, command: str, *arguments: str) -> Completed:
        """Run a command on the directory."""
        return self.host.run(command, "converge.d", "--json", *arguments)

    def select(self, series: str) -> None:
        """Name the series, by one symlink."""
        link = self.declarations / "series.toml"
        link.unlink(missing_ok=True)
        link.symlink_to(f"../series/{series}/defaults.toml")

    def versions(self) -> dict[str, set[str]]:
        """Return the versions that each live venv contains."""
        return {name: self._versions(name) for name in SERVICES}

    def _versions(self, name: str) -> set[str]:
        root = Path(os.path.realpath(self.host.directory / "venvs" / name))
        return {path.name.removesuffix(".dist-info") for path in root.glob("lib/*/*/*.dist-info")}


@pytest.fixture
def site(host: Host) -> Site:
    """Return a site with three services and three series, before the first apply."""
    for series, version in SERIES.items():
        make_wheel(host.wheels, "oslo", LIBRARY[series])
        for name in SERVICES:
            scripts = {f"{name}-manage": f"{name}:main"}
            if name == "nova" and series != "2026.1":
                scripts["nova-api"] = "nova:main"
            make_wheel(host.wheels, name, version, requires=["oslo"], console_scripts=scripts)
        pins = [f"{name}==={version}" for name in SERVICES]
        host.write("\n".join([f"oslo==={LIBRARY[series]}", *pins]), f"series/{series}/limits.txt")
        host.write(
            f'[defaults]\npython = "{host.python}"\nno-index = true\nfind-links = ["../wheels"]\n'
            f'constraints = ["../series/{series}/limits.txt"]\n',
            f"series/{series}/defaults.toml",
        )
    tables = [f'[venv.{name}]\npath = "../venvs/{name}"\npackages = ["{name}"]\n'
              for name in SERVICES]  # fmt: skip
    host.write("".join(tables), "converge.d/services.toml")
    return Site(host)


def expected(series: str) -> dict[str, set[str]]:
    """Return the versions of a series."""
    return {name: {f"{name}-{SERIES[series]}", f"oslo-{LIBRARY[series]}"} for name in SERVICES}


def test_one_link_moves_all_venvs_to_a_series_and_back(site: Site) -> None:
    for series in ("2025.1", "2025.2", "2026.1", "2025.2", "2025.1"):
        site.select(series)
        done = site.run("apply")
        assert done.code == 0, done.out + done.err
        assert site.versions() == expected(series)
        assert site.run("check").code == 0
        assert done.report["notices"] == []


def test_plan_names_each_change_before_the_switch(site: Site) -> None:
    site.select("2025.1")
    assert site.run("apply").code == 0
    site.select("2025.2")
    plan = site.run("plan")
    assert plan.code == 0
    for resource in plan.report["resources"]:
        attributes = {change["attribute"] for change in resource["changes"]}
        assert f"package.{resource['name']}" in attributes
        assert "package.oslo" not in attributes
    assert site.versions() == expected("2025.1")


def test_last_run_rolls_the_series_back_together(site: Site) -> None:
    for series in ("2025.2", "2026.1"):
        site.select(series)
        assert site.run("apply").code == 0
    assert site.host.run("rollback", "converge.d", "--last-run").code == 0
    assert site.versions() == expected("2025.2")


def test_link_of_one_series_vanishes_with_the_series(site: Site) -> None:
    link = '[link."../bin/nova-api"]\nto = "venv.nova:bin/nova-api"\n'
    for series in SERIES:
        defaults = site.host.directory / "series" / series / "defaults.toml"
        absent = 'state = "absent"\n' if series == "2026.1" else ""
        defaults.write_text(defaults.read_text() + link + absent)
    path = site.host.directory / "bin/nova-api"
    site.select("2025.2")
    assert site.run("apply").code == 0
    assert path.exists()
    site.select("2026.1")
    assert site.run("apply").code == 0
    assert not path.is_symlink()
    site.select("2025.2")
    assert site.run("apply").code == 0
    assert path.exists()


def test_link_that_the_new_series_forgets_is_an_error(site: Site) -> None:
    link = '[link."../bin/nova-api"]\nto = "venv.nova:bin/nova-api"\n'
    services = site.declarations / "services.toml"
    services.write_text(services.read_text() + link)
    site.select("2025.2")
    assert site.run("apply").code == 0
    site.select("2026.1")
    failed = site.run("plan")
    assert failed.code == 1
    error = failed.resource("venv.nova")["error"]
    assert "`bin/nova-api` vanishes" in error["message"]
    assert failed.resource("venv.glance")["outcome"] == "would-change"


def test_two_series_in_one_directory_are_an_error(site: Site) -> None:
    site.select("2025.2")
    (site.declarations / "other.toml").symlink_to("../series/2026.1/defaults.toml")
    done = site.run("plan")
    assert done.code == 65
    assert any("two default values" in problem["message"] for problem in done.report["problems"])


def test_link_that_the_new_series_omits_is_reported_and_pruned(site: Site) -> None:
    defaults = site.host.directory / "series/2025.2/defaults.toml"
    link = '[link."../bin/nova-api"]\nto = "venv.nova:bin/nova-api"\n'
    defaults.write_text(defaults.read_text() + link)
    site.select("2025.2")
    assert site.run("apply").code == 0
    site.select("2026.1")
    done = site.run("apply")
    assert done.code == 0
    (notice,) = done.report["notices"]
    assert "series.toml" in notice
    assert (site.host.directory / "bin/nova-api").is_symlink()
    assert site.run("apply", "--prune").code == 0
    assert not (site.host.directory / "bin/nova-api").is_symlink()
