"""A wheelhouse collects the wheels of declared venvs, and publishes them as a package index."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import tomli
from uv import find_uv_bin

from engine.errors import ConvergeError
from states.interpreter import discovery
from states.interpreter.discovery import Python
from states.venv.resolve.pylock import parse_lock, select_artifacts
from tests.integration.host import Host
from tests.integration.snapshots import Snapshots
from tests.support.command import Resource, reasons
from tests.support.index import Index
from tests.support.static_server import JSON, StaticServer
from tests.support.wheels import make_wheel

ONLY = ("--only", "wheelhouse.main")


def declare(host: Host, *packages: list[str], more: str = "", **keys: object) -> None:
    """Declare a wheelhouse, and a venv for each list of packages."""
    host.wheels.mkdir(exist_ok=True)
    table = {"path": "house", **keys}
    rows = [f"{key.replace('_', '-')} = {json.dumps(value)}" for key, value in table.items()]
    tables = [
        f"[venv.v{number}]\npath = 'venvs/v{number}'\npackages = {json.dumps(names)}\n"
        for number, names in enumerate(packages)
    ]
    defaults = more or "find-links = ['wheels']\nno-index = true\n"
    defaults = f"[defaults]\npython = {json.dumps(host.python)}\n{defaults}"
    host.write("\n".join([defaults, *tables, "[wheelhouse.main]", *rows]))


def prepare(host: Host) -> None:
    """Apply two venvs, and a wheelhouse for them."""
    make_wheel(host.wheels, "alpha", "1.0", requires=["beta"], requires_python=">=3.8")
    for version in ("1.0", "2.0"):
        make_wheel(host.wheels, "beta", version)
    declare(host, ["alpha"], ["beta<2"])
    host.apply_ok()


@pytest.fixture
def applied(snapshots: Snapshots) -> Host:
    """Return a host with an applied wheelhouse."""
    return snapshots.host("wheelhouse", prepare)


def house(host: Host) -> Path:
    """Return the published path."""
    return host.directory / "house"


def page(host: Host, project: str) -> dict[str, Any]:
    """Return the JSON page of a project."""
    document: dict[str, Any] = json.loads(
        (house(host) / f"simple/{project}/index.json").read_text()
    )
    return document


def files(host: Host) -> list[str]:
    """Return the names of all wheels in the index."""
    projects = json.loads((house(host) / "simple/index.json").read_text())["projects"]
    return sorted(file["filename"] for p in projects for file in page(host, p["name"])["files"])


def stored(host: Host) -> list[str]:
    """Return the names of all wheels in the store."""
    return sorted(path.name for path in (host.directory / ".house/wheels").glob("*/*.whl"))


def assert_unchanged(host: Host) -> None:
    """Assert that a run finds no difference in the wheelhouse."""
    assert not host.apply_ok(*ONLY).report["changed"]
    assert host.check(*ONLY).code == 0


def assert_converges(host: Host) -> Resource:
    """Assert that plan and apply agree, and return the planned resource."""
    planned = host.plan(*ONLY).resource("wheelhouse.main")
    applied = host.apply_ok(*ONLY).resource("wheelhouse.main")
    assert wheel_changes(applied) == wheel_changes(planned)
    assert applied["action"] == planned["action"]
    assert_unchanged(host)
    return planned


def wheel_changes(resource: Resource) -> dict[str, str]:
    """Return the reason of the change of each wheel."""
    prefix = "wheel."
    return {
        name.removeprefix(prefix): reason
        for name, reason in reasons(resource).items()
        if name.startswith(prefix)
    }


def test_index_contains_each_wheel_once_with_its_facts(applied: Host) -> None:
    assert files(applied) == [
        "alpha-1.0-py3-none-any.whl",
        "beta-1.0-py3-none-any.whl",
        "beta-2.0-py3-none-any.whl",
    ]
    (entry,) = page(applied, "alpha")["files"]
    content = (applied.wheels / entry["filename"]).read_bytes()
    served = house(applied) / "simple/alpha" / entry["url"]
    assert served.read_bytes() == content
    assert entry["hashes"] == {"sha256": hashlib.sha256(content).hexdigest()}
    assert entry["size"] == len(content)
    assert entry["requires-python"] == ">=3.8"
    metadata = Path(f"{served}.metadata").read_bytes()
    assert entry["core-metadata"] == {"sha256": hashlib.sha256(metadata).hexdigest()}
    assert b"Requires-Dist: beta" in metadata
    assert page(applied, "beta")["versions"] == ["1.0", "2.0"]
    html = (house(applied) / "simple/alpha/index.html").read_text()
    assert f"{entry['url']}#sha256={entry['hashes']['sha256']}" in html


def test_every_user_can_read_the_published_files(applied: Host) -> None:
    root = Path(os.path.realpath(house(applied)))
    public = [path for path in (root, *root.rglob("*")) if ".converge" not in path.parts]
    assert len(public) > 15
    for path in public:
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


@pytest.mark.parametrize("form", ["html", "json"])
@pytest.mark.parametrize("client", ["uv", "pip"])
def test_client_installs_from_a_web_server(applied: Host, client: str, form: str) -> None:
    target = applied.directory / "target"
    with StaticServer(house(applied), negotiates=form == "json") as server:
        index = ["--index-url", f"{server.url}/simple/", "--target", str(target), "alpha"]
        programs = {
            "uv": [find_uv_bin(), "pip", "install", "--no-cache", "--python", applied.python],
            "pip": [sys.executable, "-m", "pip", "--isolated", "install", "--no-cache-dir"],
        }
        subprocess.run([*programs[client], *index], check=True, env=applied.environment())

    assert (target / "alpha/__init__.py").exists()
    assert '"2.0"' in (target / "beta/__init__.py").read_text()
    pages = {kind for path, kind in server.requests if path.endswith("/beta/")}
    assert pages == {JSON if form == "json" else "text/html"}
    assert any(path.endswith(".whl.metadata") for path, _ in server.requests)


def test_cooldown_counts_the_upload_to_the_origin(host: Host) -> None:
    """A wheel that was added to the wheelhouse just now isn't new."""
    wheel = make_wheel(host.wheels, "beta", "2.0")
    with Index(host.wheels) as origin:
        origin.uploaded = {wheel.name: "2026-01-02T03:04:05Z"}
        declare(host, ["beta"], more=f"index-url = '{origin.url}'\n")
        host.apply_ok(*ONLY)
    (entry,) = page(host, "beta")["files"]
    assert entry["upload-time"] == "2026-01-02T03:04:05.000000Z"
    target = host.directory / "target"
    with StaticServer(house(host), negotiates=True) as server:
        index = ["--index-url", f"{server.url}/simple/", "--target", str(target), "beta"]
        install = [find_uv_bin(), "pip", "install", "--no-cache", "--python", host.python]
        before, after = (["--exclude-newer", f"2026-01-0{day}"] for day in (1, 4))
        refused = subprocess.run([*install, *before, *index], env=host.environment(), check=False)
        subprocess.run([*install, *after, *index], env=host.environment(), check=True)
    assert refused.returncode == 1
    assert (target / "beta/__init__.py").exists()


def test_run_without_changes_needs_no_source(applied: Host) -> None:
    applied.wheels.rename(applied.directory / "other-wheels")
    assert_unchanged(applied)


def test_plan_names_fetched_reused_and_removed_wheels(applied: Host) -> None:
    make_wheel(applied.wheels, "gamma", "1.0")
    declare(applied, ["alpha"], ["gamma"])
    planned = assert_converges(applied)
    assert wheel_changes(planned) == {
        "beta-1.0-py3-none-any.whl": "no declared venv needs it",
        "gamma-1.0-py3-none-any.whl": "to be fetched",
    }

    declare(applied, ["alpha"], ["beta<2"])
    again = applied.plan(*ONLY).resource("wheelhouse.main")
    assert wheel_changes(again) == {
        "beta-1.0-py3-none-any.whl": "in the store already",
        "gamma-1.0-py3-none-any.whl": "no declared venv needs it",
    }


def test_clients_of_the_previous_page_still_get_its_files(applied: Host) -> None:
    (old,) = [f for f in page(applied, "beta")["files"] if "-1.0-" in f["filename"]]
    declare(applied, ["alpha"])

    applied.apply_ok(*ONLY)

    assert "beta-1.0-py3-none-any.whl" not in files(applied)
    assert (house(applied) / "simple/beta" / old["url"]).exists()
    assert applied.check(*ONLY).code == 0


def test_gc_keeps_the_wheels_of_declared_releases(applied: Host) -> None:
    """A wheel goes once neither a declared venv nor a kept generation needs it."""
    declare(applied, ["alpha"])
    applied.apply_ok(*ONLY)

    listed = json.loads(applied.run("gc", "converge.toml", "--json", "--keep", "0", "-n").out)
    assert "beta-1.0-py3-none-any.whl" in stored(applied)
    done = json.loads(applied.run("gc", "converge.toml", "--json", "--keep", "0").out)

    assert done["removed_wheels"] == {"wheelhouse.main": ["beta-1.0-py3-none-any.whl"]}
    assert done["removed_wheels"] == listed["removed_wheels"]
    assert stored(applied) == ["alpha-1.0-py3-none-any.whl", "beta-2.0-py3-none-any.whl"]
    assert not [*house(applied).glob("files/*/beta-1.0*")]
    assert_unchanged(applied)


def test_gc_keeps_all_wheels_while_the_path_is_missing(applied: Host) -> None:
    make_wheel(applied.wheels, "gamma", "1.0")
    declare(applied, ["gamma"])
    applied.apply_ok(*ONLY)
    before = stored(applied)
    house(applied).unlink()

    done = json.loads(applied.run("gc", "converge.toml", "--json", "--keep", "0").out)

    assert done["removed_wheels"] == {}
    assert stored(applied) == before


def test_apply_keeps_the_wheels_of_the_previous_generation(applied: Host) -> None:
    make_wheel(applied.wheels, "gamma", "1.0")
    declare(applied, ["gamma"])
    applied.apply_ok(*ONLY)
    assert len(stored(applied)) == 4

    make_wheel(applied.wheels, "delta", "1.0")
    declare(applied, ["delta"])
    applied.apply_ok(*ONLY)

    assert stored(applied) == ["delta-1.0-py3-none-any.whl", "gamma-1.0-py3-none-any.whl"]


@pytest.mark.parametrize("damage", ["modified", "missing", "added"])
def test_damaged_house_is_repaired(applied: Host, damage: str) -> None:
    """An edited wheel is also damaged in the store, which shares the file. It is fetched again."""
    wheel = next(house(applied).glob("files/*/alpha*.whl"))
    good = wheel.read_bytes()
    if damage == "modified":
        wheel.write_bytes(good[:-10] + b"0123456789")
    elif damage == "missing":
        (house(applied) / "simple/alpha/index.html").unlink()
    else:
        (house(applied) / "simple/alpha/other.html").write_text("x")

    plan = applied.plan(*ONLY).resource("wheelhouse.main")
    assert plan["action"] == "repair"
    assert damage in {change["before"] for change in plan["changes"]}
    applied.apply_ok(*ONLY)

    assert next(house(applied).glob("files/*/alpha*.whl")).read_bytes() == good
    assert_unchanged(applied)


def test_upgrade_selects_newer_versions(applied: Host) -> None:
    make_wheel(applied.wheels, "beta", "2.5")
    assert_unchanged(applied)

    planned = applied.plan("--upgrade", *ONLY).resource("wheelhouse.main")

    assert wheel_changes(planned)["beta-2.5-py3-none-any.whl"] == "to be fetched"
    applied.apply_ok("--upgrade", *ONLY)
    assert "beta-2.5-py3-none-any.whl" in files(applied)
    assert_unchanged(applied)


def test_wheels_behind_a_password_are_fetched(host: Host) -> None:
    make_wheel(host.wheels, "alpha", "1.0")
    with Index(host.wheels, auth=("ann", "se cret")) as origin:
        host.env = {"INDEX": origin.url.replace("//", "//ann:se%20cret@")}
        declare(host, ["alpha"], more="index-url = 'env:INDEX'\n")
        host.apply_ok(*ONLY)

    assert files(host) == ["alpha-1.0-py3-none-any.whl"]
    for path in (host.directory / ".house").rglob("*"):
        if path.is_file():
            assert b"se%20cret" not in path.read_bytes(), path


def test_replaced_file_on_the_index_is_refused(host: Host) -> None:
    wheel = make_wheel(host.wheels, "alpha", "1.0")
    with Index(host.wheels) as origin:
        origin.replaced = {wheel.name: wheel.read_bytes() + b"x"}
        declare(host, ["alpha"], more=f"index-url = '{origin.url}'\ndownload-retries = 0\n")
        done = host.apply(*ONLY)
        assert done.code == 81, done.out
        origin.replaced = {}
        host.apply_ok(*ONLY)

    assert stored(host) == [wheel.name]


def test_interrupted_download_keeps_the_finished_wheels(host: Host) -> None:
    make_wheel(host.wheels, "alpha", "1.0")
    broken = make_wheel(host.wheels, "beta", "1.0")
    with Index(host.wheels) as origin:
        origin.interrupted = {broken.name: "cut"}
        declare(host, ["alpha", "beta"], more=f"index-url = '{origin.url}'\ndownload-retries = 0\n")
        done = host.apply(*ONLY)
        assert done.code == 69, done.out
        assert stored(host) == ["alpha-1.0-py3-none-any.whl"]
        origin.interrupted = {}
        origin.requests.clear()
        host.run("gc", "converge.toml")
        host.apply_ok(*ONLY)

    assert not [path for path in origin.paths() if path.endswith("alpha-1.0-py3-none-any.whl")]
    assert files(host) == ["alpha-1.0-py3-none-any.whl", broken.name]


def test_reader_never_sees_half_of_an_index(applied: Host) -> None:
    """Each page that a reader gets is complete, and all its files exist."""
    make_wheel(applied.wheels, "gamma", "1.0")
    problems: list[str] = []
    reads = 0
    stop = threading.Event()

    def read() -> None:
        nonlocal reads
        while not stop.is_set():
            try:
                with urllib.request.urlopen(f"{server.url}/simple/beta/index.json") as response:
                    document = json.load(response)
                for file in document["files"]:
                    url = f"{server.url}/simple/beta/{file['url']}"
                    with urllib.request.urlopen(url) as response:
                        digest = hashlib.sha256(response.read()).hexdigest()
                    if digest != file["hashes"]["sha256"]:
                        problems.append(url)
                reads += 1
            except (OSError, ValueError) as error:
                problems.append(repr(error))

    with StaticServer(house(applied), negotiates=False) as server:
        reader = threading.Thread(target=read)
        reader.start()
        for packages in (["gamma", "beta"], ["beta<2"], ["alpha"], ["beta<2", "gamma"]) * 2:
            declare(applied, packages)
            applied.apply_ok(*ONLY)
        stop.set()
        reader.join()

    assert problems == []
    assert reads > 10


def test_declared_absent_house_is_deleted(applied: Host) -> None:
    declare(applied, ["alpha"], ["beta<2"], state="absent")
    assert applied.apply_ok(*ONLY).resource("wheelhouse.main")["action"] == "delete"
    assert not os.path.lexists(house(applied))
    assert not (applied.directory / ".house").exists()


def test_venv_that_needs_the_house_is_applied_after_it(applied: Host) -> None:
    """The reference from the wheelhouse to the venv isn't a dependency."""
    file = applied.directory / "converge.toml"
    needs = "path = 'venvs/v0'\nneeds = ['wheelhouse.main']"
    file.write_text(file.read_text().replace("path = 'venvs/v0'", needs))
    order = [resource["address"] for resource in applied.plan().report["resources"]]
    assert order.index("wheelhouse.main") < order.index("venv.v0")


def lock_of(host: Host, name: str = "v0") -> dict[str, Any]:
    """Return the lockfile that a wheelhouse publishes for a venv."""
    return tomli.loads((house(host) / f"locks/pylock.{name}.toml").read_text())


def install(host: Host, target: Path, lock: Path) -> dict[str, str]:
    """Apply a venv on another host that has only a lockfile; return its versions."""
    target.mkdir()
    other = Host(directory=target, cache=target / "cache", python=host.python)
    other.declare(["alpha"], find_links=None, lock=str(lock))
    other.apply_ok()
    return other.versions()


def test_lockfile_names_only_wheels_of_the_house(applied: Host, tmp_path: Path) -> None:
    """Without a URL, its paths are relative to it."""
    document = lock_of(applied)
    assert [package["name"] for package in document["packages"]] == ["alpha", "beta"]
    for package in document["packages"]:
        (wheel,) = package["wheels"]
        file = house(applied) / "locks" / wheel["path"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == wheel["hashes"]["sha256"]
    copy = tmp_path / "copy"
    shutil.copytree(house(applied), copy)
    versions = install(applied, tmp_path / "target", copy / "locks/pylock.v0.toml")
    assert versions == {"alpha": "1.0", "beta": "2.0"}


def test_lockfile_names_the_declared_url(applied: Host, tmp_path: Path) -> None:
    with StaticServer(house(applied), negotiates=False) as server:
        declare(applied, ["alpha"], ["beta<2"], url=server.url)
        planned = assert_converges(applied)
        assert {change["attribute"] for change in planned["changes"]} == {"url", "generation"}
        copied = tmp_path / "pylock.toml"
        shutil.copy(house(applied) / "locks/pylock.v0.toml", copied)

        versions = install(applied, tmp_path / "target", copied)

    assert versions == {"alpha": "1.0", "beta": "2.0"}
    assert len([path for path, _ in server.requests if path.endswith(".whl")]) == 2


def test_lockfile_serves_several_interpreters(host: Host) -> None:
    """Each interpreter gets its own versions, and a shared package has no marker."""
    first, second = (discovery.find(host.python), other_python(host))
    minor = second.version.rpartition(".")[0]
    make_wheel(host.wheels, "alpha", "1.0", requires=["beta"])
    make_wheel(host.wheels, "beta", "1.0")
    make_wheel(host.wheels, "beta", "2.0", requires_python=f"=={minor}.*")
    declare(host, ["alpha"], pythons=[host.python, second.executable])

    host.apply_ok(*ONLY)

    text = (house(host) / "locks/pylock.v0.toml").read_text()
    markers = {
        (package["name"], package["version"]): package.get("marker")
        for package in tomli.loads(text)["packages"]
    }
    own = first.version.rpartition(".")[0]
    assert markers == {
        ("alpha", "1.0"): None,
        ("beta", "1.0"): f"python_version == '{own}'",
        ("beta", "2.0"): f"python_version == '{minor}'",
    }
    for python, expected in ((first, "1.0"), (second, "2.0")):
        resolution = select_artifacts(parse_lock(text), python, str(house(host) / "locks"), str)
        versions = {package.name: package.version for package in resolution.packages}
        assert versions == {"alpha": "1.0", "beta": expected}


def other_python(host: Host) -> Python:
    """Return an interpreter of another minor version, or skip the test."""
    own = discovery.find(host.python).version.rpartition(".")[0]
    for minor in range(14, 8, -1):
        if f"3.{minor}" != own:
            try:
                return discovery.find(f"3.{minor}")
            except ConvergeError:
                continue
    pytest.skip("this host has only one version of Python")


def test_two_interpreters_of_one_version_are_refused(host: Host) -> None:
    minor = f"3.{sys.version_info.minor}"
    make_wheel(host.wheels, "alpha", "1.0")
    declare(host, ["alpha"], pythons=[host.python, minor])
    planned = host.plan(*ONLY)
    message = planned.resource("wheelhouse.main")["error"]["message"]
    assert "`pythons` selects two interpreters" in message


def test_venvs_with_the_same_lockfile_are_refused(host: Host) -> None:
    make_wheel(host.wheels, "alpha", "1.0")
    declare(host, ["alpha"], ["alpha"])
    file = host.directory / "converge.toml"
    text = file.read_text().replace("[venv.v0]", "[venv.'a.b']").replace("[venv.v1]", "[venv.a_b]")
    file.write_text(text)
    message = host.plan(*ONLY).resource("wheelhouse.main")["error"]["message"]
    assert "the lockfiles of `venv.a.b` and `venv.a_b` have the same name" in message


def test_other_build_host_is_refused_and_named(applied: Host) -> None:
    """Each of two hosts with one directory would replace the wheels of the other."""
    record = applied.directory / ".house/host"
    assert os.readlink(record) == os.uname().nodename
    record.unlink()
    record.symlink_to("build-host-7")
    declare(applied, ["alpha"])

    for command in ("plan", "apply"):
        done = applied.run(command, "converge.toml", "--json", *ONLY)
        assert done.code == 1
        error = done.resource("wheelhouse.main")["error"]
        assert "belongs to the build host `build-host-7`" in error["message"]
    assert "beta-1.0-py3-none-any.whl" in files(applied)
    record.unlink()  # As the hint recommends.
    applied.apply_ok(*ONLY)
    assert "beta-1.0-py3-none-any.whl" not in files(applied)


def test_concurrent_run_waits_for_the_lock(applied: Host) -> None:
    declare(applied, ["alpha"])
    with open(applied.directory / ".house/lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = applied.apply("--lock-timeout", "0", *ONLY)
    assert done.code == 75
    assert "beta-1.0-py3-none-any.whl" in files(applied)


@pytest.mark.parametrize("content", ["file", "directory"])
def test_foreign_content_at_the_path_is_kept(host: Host, content: str) -> None:
    make_wheel(host.wheels, "alpha", "1.0")
    declare(host, ["alpha"])
    if content == "file":
        house(host).write_text("other")
    else:
        (house(host) / "inner").mkdir(parents=True)

    done = host.apply(*ONLY)

    message = done.resource("wheelhouse.main")["error"]["message"]
    assert "exists and wasn't created by converge" in message
    assert house(host).exists()
