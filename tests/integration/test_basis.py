"""An upgraded host selects the versions that a new host with the same declaration gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.frozen import replace
from engine.settings import Settings
from states.interpreter import discovery
from states.venv.resolve.resolver import resolve
from states.venv.sources.tree import tree_digest
from states.venv.spec import Venv
from tests.integration.host import PYTHON
from tests.support.index import Index
from tests.support.wheels import make_project, make_wheel


@dataclass(frozen=True, kw_only=True)
class Site:
    """A directory with files that a spec names, and wheels of two releases."""

    directory: Path
    index: Index
    settings: Settings

    def spec(self, *packages: str, **keys: object) -> Venv:
        """Return a spec that uses the wheels."""
        path = str(self.directory / "venv")
        base = Venv(path=path, packages=packages, find_links=(str(self.wheels),), no_index=True)
        return replace(base, **keys)

    @property
    def wheels(self) -> Path:
        return self.directory / "wheels"

    def file(self, name: str, *lines: str) -> str:
        """Write a file; return its path."""
        path = self.directory / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return str(path)

    def project(self, *requires: str) -> str:
        """Write a local project; return a requirement of it."""
        make_project(self.directory, "tool", "1.0", requires=requires)
        return f"tool @ {(self.directory / 'tool').as_uri()}"

    def release(self, version: str) -> None:
        """Publish the next release of everything."""
        for directory in (self.wheels, self.index.directory):
            directory.mkdir(exist_ok=True)
            extras = {"more": ["extra"]}
            wheels = [make_wheel(directory, "app", version, requires=["plugin"], extras=extras)]
            wheels += [
                make_wheel(directory, name, version) for name in ("plugin", "extra", "other")
            ]
            for wheel in wheels:
                self.index.uploaded[wheel.name] = f"20{version[0]}0-06-01T00:00:00Z"

    def versions(self, spec: Venv, previous: str | None = None) -> tuple[dict[str, str], str]:
        """Resolve; return the versions and the lock."""
        resolution = resolve(spec, discovery.find(PYTHON), previous, self.settings, tree_digest)
        versions = {package.name: package.version for package in resolution.packages}
        return versions, resolution.lock


@pytest.fixture
def site(tmp_path: Path, shared_cache: Path, index: Index) -> Site:
    settings = Settings(cache=str(shared_cache), state=str(tmp_path / "state"))
    return Site(directory=tmp_path, index=index, settings=settings)


Specs = Callable[[Site], tuple[Callable[[], Venv], Callable[[], Venv]]]
"""Returns the specs before and after a change, each created only when its time comes."""

BOUND_CHANGES: dict[str, Specs] = {
    "constraint added": lambda site: (
        lambda: site.spec("app"),
        lambda: site.spec("app", constraints=(site.file("c.txt", "other<9"),)),
    ),
    "constraint file switched": lambda site: (
        lambda: site.spec("app", constraints=(site.file("c1.txt", "app==1.0"),)),
        lambda: site.spec("app", constraints=(site.file("c2.txt", "app==2.0"),)),
    ),
    "constraint file edited": lambda site: (
        lambda: site.spec("app", constraints=(site.file("c.txt", "app==1.0"),)),
        lambda: site.spec("app", constraints=(site.file("c.txt", "app==2.0"),)),
    ),
    "constraint in a requirement file": lambda site: (
        lambda: site.spec("app", requirements=(site.file("r.txt", "other"),)),
        lambda: site.spec(
            "app",
            requirements=(site.file("r.txt", "other", f"-c {site.file('c.txt', 'app>=2')}"),),
        ),
    ),
    "override": lambda site: (
        lambda: site.spec("app"),
        lambda: site.spec("app", overrides=("plugin>=1",)),
    ),
    "pin moved": lambda site: (
        lambda: site.spec("app==1.0"),
        lambda: site.spec("app==2.0"),
    ),
    "requirement loosened": lambda site: (
        lambda: site.spec("app<2", "plugin"),
        lambda: site.spec("app", "plugin"),
    ),
    "bound in a requirement file": lambda site: (
        lambda: site.spec("app", requirements=(site.file("r.txt", "other==1.0"),)),
        lambda: site.spec("app", requirements=(site.file("r.txt", "other==2.0"),)),
    ),
    "option in a requirement file": lambda site: (
        lambda: site.spec("app", requirements=(site.file("r.txt", "other"),)),
        lambda: site.spec("app", requirements=(site.file("r.txt", "--pre", "other"),)),
    ),
    "find-links": lambda site: (
        lambda: site.spec("app"),
        lambda: site.spec("app", find_links=(str(site.wheels), str(site.directory))),
    ),
    "index": lambda site: (
        lambda: site.spec("app"),
        lambda: site.spec("app", find_links=(), no_index=False, index_url=site.index.url),
    ),
    "exclude-newer": lambda site: (
        lambda: site.spec(
            "app",
            find_links=(),
            no_index=False,
            index_url=site.index.url,
            exclude_newer="2015-01-01",
        ),
        lambda: site.spec(
            "app",
            find_links=(),
            no_index=False,
            index_url=site.index.url,
            exclude_newer="2025-01-01",
        ),
    ),
    "requirements of a local project": lambda site: (
        lambda: site.spec(site.project("app", "other==1.0")),
        lambda: site.spec(site.project("app", "other==2.0")),
    ),
}


@pytest.mark.parametrize("change", BOUND_CHANGES.values(), ids=BOUND_CHANGES)
def test_changed_bound_selects_the_versions_of_a_new_host(site: Site, change: Specs) -> None:
    before, after = change(site)
    site.release("1.0")
    installed, lock = site.versions(before())
    site.release("2.0")
    spec = after()

    upgraded, _ = site.versions(spec, previous=lock)

    assert upgraded == site.versions(spec)[0]
    assert upgraded["app"] == "2.0" != installed["app"]


KEPT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "package added": (("app",), ("app", "other")),
    "package removed": (("app", "other"), ("app",)),
    "extra added": (("app",), ("app[more]",)),
    "order": (("app", "other"), ("other", "app")),
}


@pytest.mark.parametrize(("before", "after"), KEPT.values(), ids=KEPT)
def test_added_or_removed_package_keeps_other_versions(
    site: Site, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    site.release("1.0")
    _, lock = site.versions(site.spec(*before))
    site.release("2.0")

    versions, _ = site.versions(site.spec(*after), previous=lock)

    assert (versions["app"], versions["plugin"]) == ("1.0", "1.0")


def test_edited_code_of_a_local_project_keeps_other_versions(site: Site) -> None:
    site.release("1.0")
    _, lock = site.versions(site.spec(site.project("app")))
    site.release("2.0")
    requirement = site.project("app")
    (site.directory / "tool/src/tool/added.py").write_text("X = 1\n")

    assert site.versions(site.spec(requirement), previous=lock)[0]["app"] == "1.0"


def test_lock_without_a_recorded_basis_prefers_no_version(site: Site) -> None:
    """It came from a lockfile that the declaration no longer names, for example."""
    site.release("1.0")
    _, lock = site.versions(site.spec("app"))
    site.release("2.0")

    versions, _ = site.versions(site.spec("app"), previous=lock.partition("[tool")[0])

    assert versions["app"] == "2.0"
