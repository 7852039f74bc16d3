"""Reduction of a lock to one file of each package, for one interpreter."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import tomli

from engine.errors import ConvergeError, IntegrityError
from states.interpreter.discovery import Python, find
from states.venv.integrity.receipt import Package
from states.venv.resolve.pylock import Lock, format_lock, select_artifacts

BASE = "/etc/site"
DIGEST = "a" * 64
COMMIT = "0123456789abcdef0123456789abcdef01234567"
URL = "https://example.org"
HASHES = {"sha256": DIGEST}


@pytest.fixture(scope="module")
def interpreter() -> Python:
    """Return the interpreter of the tests."""
    return find(str(Path(sys.executable).resolve()))


def _lock(*packages: dict[str, Any], **fields: Any) -> Lock:
    head = {"lock-version": "1.0", "created-by": "test"}
    return format_lock({**head, "packages": list(packages), **fields})


def _wheel(name: str = "web-1.0-py3-none-any.whl", **fields: Any) -> dict[str, Any]:
    return {"name": name, "url": f"{URL}/{name}", "hashes": HASHES, **fields}


def _package(name: str = "web", version: str = "1.0", **fields: Any) -> dict[str, Any]:
    return {"name": name, "version": version, **fields}


SDIST = {"name": "web-1.0.tar.gz", "url": f"{URL}/web-1.0.tar.gz", "hashes": HASHES}

SOURCES: dict[str, tuple[dict[str, Any], dict[str, Any], Package]] = {
    "wheel": (
        _package(wheels=[_wheel()]),
        {"wheels": [_wheel()]},
        Package(name="web", version="1.0", content=f"sha256:{DIGEST}", wheel=True),
    ),
    "wheel before sdist": (
        _package(wheels=[_wheel()], sdist=SDIST),
        {"wheels": [_wheel()]},
        Package(name="web", version="1.0", content=f"sha256:{DIGEST}", wheel=True),
    ),
    "sdist if no wheel matches": (
        _package(wheels=[_wheel("web-1.0-cp20-cp20-win32.whl")], sdist=SDIST),
        {"sdist": SDIST},
        Package(name="web", version="1.0", content=f"sha256:{DIGEST}"),
    ),
    "relative path": (
        _package(wheels=[{"path": "../web-1.0-py3-none-any.whl", "hashes": HASHES}]),
        {"wheels": [{"path": "/etc/web-1.0-py3-none-any.whl", "hashes": HASHES}]},
        Package(name="web", version="1.0", content=f"sha256:{DIGEST}", wheel=True),
    ),
    "archive": (
        _package(archive={"url": f"{URL}/web.zip", "hashes": HASHES, "subdirectory": "py"}),
        {"archive": {"url": f"{URL}/web.zip", "hashes": HASHES, "subdirectory": "py"}},
        Package(
            name="web",
            version="1.0",
            origin=f"{URL}/web.zip#subdirectory=py",
            content=f"sha256:{DIGEST}",
        ),
    ),
    "local archive": (
        _package(archive={"url": "file:///srv/a%20b/web-1.0-py3-none-any.whl", "hashes": HASHES}),
        {"archive": {"path": "/srv/a b/web-1.0-py3-none-any.whl", "hashes": HASHES}},
        Package(
            name="web",
            version="1.0",
            origin="file:///srv/a b/web-1.0-py3-none-any.whl",
            content=f"sha256:{DIGEST}",
            wheel=True,
        ),
    ),
    "commit": (
        _package(vcs={"type": "git", "url": f"{URL}/web.git", "commit-id": COMMIT}),
        {"vcs": {"type": "git", "url": f"{URL}/web.git", "commit-id": COMMIT}},
        Package(
            name="web", version="1.0", origin=f"git+{URL}/web.git@{COMMIT[:12]}", content=COMMIT
        ),
    ),
    "password": (
        _package(wheels=[_wheel(url="https://user:secret@example.org/web-1.0-py3-none-any.whl")]),
        {"wheels": [_wheel(url=f"{URL}/web-1.0-py3-none-any.whl")]},
        Package(name="web", version="1.0", content=f"sha256:{DIGEST}", wheel=True),
    ),
}


@pytest.mark.parametrize(("entry", "reduced", "package"), SOURCES.values(), ids=SOURCES)
def test_package_is_reduced_to_one_source(
    interpreter: Python, entry: dict[str, Any], reduced: dict[str, Any], package: Package
) -> None:
    """The lock keeps name, version and the file that is installed."""
    resolution = select_artifacts(_lock(entry), interpreter, BASE, str)
    (kept,) = tomli.loads(resolution.lock)["packages"]
    kept.get("vcs", {}).pop("path", None)
    assert kept == {"name": "web", "version": "1.0", **reduced}
    assert resolution.packages == (package,)


def test_best_wheel_is_selected(interpreter: Python) -> None:
    """A wheel for this Python wins over one for any."""
    version = "".join(interpreter.version.split(".")[:2])
    special = _wheel(f"web-1.0-cp{version}-none-any.whl", hashes={"sha256": "b" * 64})
    resolution = select_artifacts(
        _lock(_package(wheels=[_wheel(), special])), interpreter, BASE, str
    )
    assert resolution.packages[0].content == f"sha256:{'b' * 64}"


def test_packages_are_sorted_and_normalized(interpreter: Python) -> None:
    """The lock keeps its own order."""
    entries = [_package(name, wheels=[_wheel(f"{name}-1.0-py3-none-any.whl")]) for name in "ba"]
    resolution = select_artifacts(_lock(*entries), interpreter, BASE, str)
    assert [package.name for package in resolution.packages] == ["a", "b"]
    assert [entry["name"] for entry in tomli.loads(resolution.lock)["packages"]] == ["b", "a"]


def test_marker_selects_one_of_two_entries(interpreter: Python) -> None:
    """A lock for several platforms may name a package twice."""
    entries = [
        _package(version="1.0", marker="sys_platform == 'win32'", wheels=[_wheel()]),
        _package(
            version="2.0",
            marker="sys_platform == 'linux'",
            wheels=[_wheel("web-2.0-py3-none-any.whl")],
        ),
    ]
    resolution = select_artifacts(_lock(*entries), interpreter, BASE, str)
    assert [package.version for package in resolution.packages] == ["2.0"]


def test_directory_has_the_digest_of_its_source(interpreter: Python, tmp_path: Path) -> None:
    """The version may come from its metadata."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "web"\nversion = "3.1"\n')
    entry = {"name": "web", "directory": {"path": str(tmp_path)}}
    (package,) = select_artifacts(_lock(entry), interpreter, BASE, "digest of {}".format).packages
    assert (package.version, package.content) == ("3.1", f"digest of {tmp_path}")
    assert package.origin == f"file://{tmp_path}"


@pytest.mark.parametrize("content", ["", "[project]\n", "not TOML", "project = 1\n"])
def test_directory_without_static_version(
    interpreter: Python, tmp_path: Path, content: str
) -> None:
    """The version stays empty until the build."""
    (tmp_path / "pyproject.toml").write_text(content)
    entry = {"name": "web", "directory": {"path": str(tmp_path)}}
    (package,) = select_artifacts(_lock(entry), interpreter, BASE, str).packages
    assert package.version == ""


REFUSED: dict[str, tuple[Lock, type[ConvergeError]]] = {
    "weak hash": (_lock(_package(wheels=[_wheel(hashes={"md5": "aa"})])), IntegrityError),
    "other Python": (_lock(**{"requires-python": ">=9"}), ConvergeError),
    "no matching wheel": (
        _lock(_package(wheels=[_wheel("web-1.0-cp20-cp20-win32.whl")])),
        ConvergeError,
    ),
    "no source": (_lock(_package()), ConvergeError),
    "future version": (_lock(**{"lock-version": "9.0"}), ConvergeError),
}


@pytest.mark.parametrize(("lock", "error"), REFUSED.values(), ids=REFUSED)
def test_unusable_lock_is_refused(
    interpreter: Python, lock: Lock, error: type[ConvergeError]
) -> None:
    """Only a missing SHA-256 is an integrity error."""
    with pytest.raises(ConvergeError) as caught:
        select_artifacts(lock, interpreter, BASE, str)
    assert type(caught.value) is error
    assert caught.value.hint


def test_projects_are_directories_relative_to_the_lock() -> None:
    """Only packages with a directory count."""
    lock = _lock(
        {"name": "web", "directory": {"path": "web"}},
        {"name": "api", "directory": {"path": "/srv/api"}},
        _package(wheels=[_wheel()]),
    )
    assert lock.projects("/etc/site") == {"/etc/site/web", "/srv/api"}
    assert _lock().projects("/etc/site") == set()
