"""A wheelhouse builds source archives and Git repositories once, in a sandbox."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConvergeError
from states.venv.resolve.lines.sources import index_options
from states.venv.spec import Venv
from states.wheelhouse.sandbox import build_dirs, find_build_user
from states.wheelhouse.select.artifacts import Build
from states.wheelhouse.sources.git import check_out
from tests.integration.host import Host
from tests.integration.interpreters import private_interpreter
from tests.integration.test_build_settings import FILES
from tests.integration.test_untrusted_programs import SYSTEM_PYTHON
from tests.integration.test_wheelhouse import (
    ONLY,
    assert_converges,
    assert_unchanged,
    declare,
    files,
    house,
    other_python,
    page,
    stored,
    wheel_changes,
)
from tests.support import backend
from tests.support.command import ROOT
from tests.support.index import Index
from tests.support.projects import make_git_project, make_sdist
from tests.support.wheels import make_wheel
from tests.unit.states.values import make_python

BUILD_USER = pwd.getpwnam("nobody")
PROBE = """

def _probing(build):
    def build_and_probe(directory, config_settings=None, metadata_directory=None):
        import glob, json, socket
        facts = {{"uid": os.getuid(), "environment": sorted(os.environ)}}
        connection = socket.socket()
        connection.settimeout(5)
        facts["network"] = connection.connect_ex(("127.0.0.1", {port})) == 0
        with open(glob.glob("src/*")[0] + "/probe.json", "w") as file:
            json.dump(facts, file)
        with open({log!r}, "a") as file:
            file.write("built\\n")
        return build(directory, config_settings, metadata_directory)
    return build_and_probe

build_wheel = _probing(build_wheel)
"""
"""Makes a backend record its user and whether it reaches a server, and count the builds."""
OTHER_PLATFORM = """

def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = _wheel(directory, _tree("src"))
    other = name.replace("py3-none-any", "cp27-cp27m-win32")
    os.rename(os.path.join(directory, name), os.path.join(directory, other))
    return other
"""


@pytest.fixture
def public_host(shared_cache: Path) -> Iterator[Host]:
    """Yield a host in a directory that every user can enter, with an interpreter for all users."""
    directory = Path(tempfile.mkdtemp(prefix="wheelhouse-"))
    try:
        directory.chmod(0o755)
        host = Host(directory=directory, cache=shared_cache, python=str(SYSTEM_PYTHON))
        host.program = str(SYSTEM_PYTHON)
        if SYSTEM_PYTHON.name != f"python3.{sys.version_info.minor}":
            pytest.skip("the system's Python can't import the packages of the tests")
        host.env = {"PYTHONPATH": os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])}
        yield host
    finally:
        shutil.rmtree(directory)


def source(code: str) -> dict[str, str]:
    """Return the files of a project whose backend contains more code."""
    return {"_build/backend.py": Path(backend.__file__).read_text(encoding="utf-8") + code}


def content(host: Host, project: str, name: str) -> dict[str, Any]:
    """Return a JSON file in the package of the only wheel of a project in the index."""
    (entry,) = page(host, project)["files"]
    wheel = house(host) / "simple" / project / entry["url"]
    with zipfile.ZipFile(wheel) as archive:
        document: dict[str, Any] = json.loads(archive.read(f"{project}/{name}"))
    return document


def test_source_is_built_once_for_all_venvs_and_interpreters(host: Host, tmp_path: Path) -> None:
    with Index(host.wheels) as server:
        port = int(server.url.split(":")[2].split("/")[0])
        log = tmp_path / "log"
        make_sdist(
            host.wheels, "native", "1.0", files=source(PROBE.format(port=port, log=str(log)))
        )
        pythons = [host.python, other_python(host).executable]
        declare(host, ["native"], ["native==1.0"], pythons=pythons)
        planned = assert_converges(host)
        reasons = wheel_changes(planned)
        assert len(reasons) == 2
        assert set(reasons.values()) == {"to be built"}

        make_wheel(host.wheels, "alpha", "1.0")
        declare(host, ["native"], ["alpha"], pythons=pythons)
        host.apply_ok(*ONLY)

    assert log.read_text() == "built\n"
    assert files(host) == ["alpha-1.0-py3-none-any.whl", "native-1.0-py3-none-any.whl"]


def test_build_has_no_network(host: Host, tmp_path: Path) -> None:
    (host.directory / "served").mkdir()
    with Index(host.directory / "served") as server:
        port = int(server.url.split(":")[2].split("/")[0])
        log = str(tmp_path / "log")
        make_sdist(host.wheels, "native", "1.0", files=source(PROBE.format(port=port, log=log)))
        declare(host, ["native"])
        done = host.apply_ok(*ONLY)
    isolated = not any("could use the network" in notice for notice in done.report["notices"])
    assert content(host, "native", "probe.json")["network"] is not isolated
    if not isolated:
        pytest.skip("this host doesn't allow user namespaces")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")
@pytest.mark.parametrize("is_private", [False, True])
def test_build_user_clones_only_repositories_that_it_can_read(
    public_host: Host, is_private: bool
) -> None:
    """Without a lockfile, code of the build user chooses the URLs."""
    user = find_build_user("nobody")
    assert user is not None
    project = make_git_project(public_host.directory, "tool", "1.0")
    build = Build(make_python(), "", url=project.path.as_uri(), commit=project.head)
    if is_private:
        project.path.chmod(0o700)
    else:
        for path in (project.path, *project.path.rglob("*")):
            os.lchown(path, user.uid, user.gid)  # Git refuses a repository of another user.
    with build_dirs(user, "") as top:
        place = f"{top}/source"
        os.mkdir(place, 0o700)
        if is_private:
            with pytest.raises(ConvergeError):
                check_out(build, index_options(Venv(path="/srv/web")), place, user)
            return
        check_out(build, index_options(Venv(path="/srv/web")), place, user)
        assert {path.lstat().st_uid for path in Path(place).rglob("*")} == {user.uid}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")
@pytest.mark.parametrize("static", [True, False])
def test_build_user_builds_and_resolves(public_host: Host, static: bool) -> None:
    """Without static metadata, the resolution runs the backend as well."""
    log = public_host.write("", "log")
    log.chmod(0o666)
    code = PROBE.format(port=9, log=str(log))
    code += f'\nwith open("{public_host.directory}/uids", "a") as _file:\n'
    code += '    _file.write("%d " % os.getuid())\n'
    public_host.write("", "uids").chmod(0o666)
    make_sdist(public_host.wheels, "native", "1.0", files=source(code), static=static)
    make_wheel(public_host.wheels, "alpha", "1.0")
    declare(public_host, ["native", "alpha"], build_user="nobody")

    assert_converges(public_host)

    assert content(public_host, "native", "probe.json")["uid"] == BUILD_USER.pw_uid
    uids = set((public_host.directory / "uids").read_text().split())
    assert uids == {str(BUILD_USER.pw_uid)}
    owners = {path.stat().st_uid for path in house(public_host).rglob("*")}
    assert owners == {0}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")
def test_build_user_never_gets_credentials(public_host: Host) -> None:
    make_sdist(public_host.wheels, "native", "1.0")
    with Index(public_host.wheels, auth=("ann", "secret")) as server:
        public_host.env["INDEX"] = server.url_with_password
        declare(public_host, ["native"], more="index-url = 'env:INDEX'\n", build_user="nobody")
        refused = public_host.apply(*ONLY)
        assert refused.code == 77, refused.out
        lock = public_host.run("lock", "converge.toml")
        assert lock.code == 0, lock.err
        more = "index-url = 'env:INDEX'\nlock = 'pylock.v0.toml'\n"
        declare(public_host, ["native"], more=more, build_user="nobody")
        public_host.apply_ok(*ONLY)
    assert files(public_host) == ["native-1.0-py3-none-any.whl"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")
def test_interpreter_of_root_is_reported_by_plan(public_host: Host, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    python = private_interpreter(tmp_path / "python")
    make_wheel(public_host.wheels, "alpha", "1.0")
    declare(public_host, ["alpha"], build_user="nobody", pythons=[str(python)])

    planned = public_host.plan(*ONLY)

    assert planned.code == 77, planned.out
    message = planned.resource("wheelhouse.main")["error"]["message"]
    assert f"`build-user`: nobody can't run `{python}`" in message


@pytest.mark.parametrize(
    ("user", "code", "message"), [("no-such-user", 1, "user doesn't exist: `no-such-user`")]
)
def test_unknown_build_user_is_reported_by_plan(
    host: Host, user: str, code: int, message: str
) -> None:
    make_wheel(host.wheels, "alpha", "1.0")
    declare(host, ["alpha"], build_user=user)
    planned = host.plan(*ONLY)
    assert planned.code == code
    assert message in planned.resource("wheelhouse.main")["error"]["message"]


def test_build_gets_pinned_tools_and_settings(host: Host) -> None:
    """A change of the settings builds only the packages that they apply to."""
    requires = ["helper"]
    make_sdist(host.wheels, "native", "1.0", files=FILES, build_requires=requires)
    make_sdist(host.wheels, "other", "1.0", files=FILES)
    for version in ("1.0", "2.0"):
        helper = {"helper.py": f'__version__ = "{version}"\n'}
        make_wheel(host.wheels, "helper", version, files=helper, module=False)
    make_wheel(host.wheels, "extra", "1.0")
    host.write("helper<2\n", "tools.txt")
    more = "find-links = ['wheels']\nno-index = true\nbuild-constraints = ['tools.txt']\n"
    settings = (
        "build-variables-package.native = { FLAGS = '-O3' }\n"
        "config-settings-package.native = { plain = 'a', several = ['b', 'c'] }\n"
        "extra-build-dependencies.native = ['extra']\n"
    )
    declare(host, ["native", "other"], more=more + settings)
    host.apply_ok(*ONLY)

    built = content(host, "native", "built.json")
    assert built["helper"] == "1.0"
    assert built["FLAGS"] == "-O3"
    assert built["settings"] == {"plain": "a", "several": ["b", "c"]}
    assert "FLAGS" not in content(host, "other", "built.json")

    declare(host, ["native", "other"], more=more + settings.replace("-O3", "-O2"))
    planned = assert_converges(host)
    assert [name.split()[0] for name in wheel_changes(planned)] == ["native"]
    assert content(host, "native", "built.json")["FLAGS"] == "-O2"


def test_venvs_with_different_settings_of_a_build_are_refused(host: Host) -> None:
    make_sdist(host.wheels, "native", "1.0")
    declare(host, ["native"], ["native"])
    file = host.directory / "converge.toml"
    flags = "[venv.v1.build-variables]\nFLAGS = '-O3'\n"
    file.write_text(f"{file.read_text()}\n{flags}")

    planned = host.plan(*ONLY)

    assert planned.code == 1
    message = planned.resource("wheelhouse.main")["error"]["message"]
    assert "`venv.v0` and `venv.v1` need different contents of `native 1.0" in message


def test_build_requirement_without_a_wheel_is_named(host: Host) -> None:
    make_sdist(host.wheels, "native", "1.0", build_requires=["tool"])
    make_sdist(host.wheels, "tool", "1.0")
    declare(host, ["native"])

    done = host.apply(*ONLY)

    error = done.resource("wheelhouse.main")["error"]
    assert "building native" in error["message"]
    assert "tool" in error["message"] + str(error["output"])


def test_failed_build_keeps_the_index_and_the_finished_wheels(host: Host) -> None:
    make_sdist(host.wheels, "aaa", "1.0")
    declare(host, ["aaa"])
    host.apply_ok(*ONLY)
    before = os.readlink(house(host))
    make_sdist(host.wheels, "good", "1.0")
    make_sdist(host.wheels, "native", "1.0", build_fails="fatal error: no such luck")
    declare(host, ["aaa", "good", "native"])

    done = host.apply(*ONLY)

    error = done.resource("wheelhouse.main")["error"]
    assert done.code == 1
    assert "native 1.0: it failed to build from source" in error["message"]
    assert "fatal error: no such luck" in error["output"]
    assert os.readlink(house(host)) == before
    assert "good-1.0-py3-none-any.whl" in stored(host)
    make_sdist(host.wheels, "native", "1.0")
    host.apply_ok("--upgrade", *ONLY)
    assert len(files(host)) == 3


def test_wheel_for_another_platform_is_refused(host: Host) -> None:
    make_sdist(host.wheels, "native", "1.0", files=source(OTHER_PLATFORM))
    declare(host, ["native"])

    done = host.apply(*ONLY)

    assert done.code == 81
    message = done.resource("wheelhouse.main")["error"]["message"]
    assert "created `native-1.0-cp27-cp27m-win32.whl`" in message
    assert not (host.directory / ".house").exists()


def test_git_repository_is_built_at_its_commit(host: Host) -> None:
    """A moved tag changes nothing until `--upgrade`."""
    project = make_git_project(host.directory, "tool", "1.0")
    old = project.head
    declare(host, [f"tool @ {project.url}@1.0"])
    planned = assert_converges(host)
    assert any("git" in str(change["after"]) for change in planned["changes"])
    project.commit({"src/tool/more.py": ""})
    project.tag("1.0")
    assert_unchanged(host)

    upgraded = host.plan("--upgrade", *ONLY).resource("wheelhouse.main")
    values = {change["attribute"]: change for change in upgraded["changes"]}
    change = next(value for name, value in values.items() if name.startswith("wheel.tool"))
    assert change["before"] == f"built from git {old[:12]}"
    assert change["after"] == f"built from git {project.head[:12]}"
    host.apply_ok("--upgrade", *ONLY)
    (wheel,) = [path for path in house(host).glob("files/*/tool-*.whl") if _has(path, "more.py")]
    assert wheel.exists()
    assert_unchanged(host)


def _has(wheel: Path, name: str) -> bool:
    with zipfile.ZipFile(wheel) as archive:
        return any(member.endswith(name) for member in archive.namelist())


def test_lost_commit_is_reported_and_nothing_is_lost(host: Host) -> None:
    """A tag was moved, and its old commit was deleted, before the locked commit was built."""
    project = make_git_project(host.directory, "tool", "1.0")
    make_wheel(host.wheels, "alpha", "1.0")
    declare(host, ["alpha"])
    host.apply_ok(*ONLY)
    lock = {"type": "git", "url": project.path.as_uri(), "requested-revision": "1.0"}
    rows = "\n".join(f"{key} = {json.dumps(value)}" for key, value in lock.items())
    host.write(
        'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "tool"\n'
        f'[packages.vcs]\n{rows}\ncommit-id = "{"12ab" * 10}"\n',
        "pylock.toml",
    )
    declare(host, [], more="lock = 'pylock.toml'\n")

    done = host.apply(*ONLY)

    assert done.code == 1
    message = done.resource("wheelhouse.main")["error"]["message"]
    assert "the commit 12ab12ab12ab isn't in" in message
    assert "`1.0` was moved" in message
    assert files(host) == ["alpha-1.0-py3-none-any.whl"]


def test_unreachable_repository_is_reported(host: Host) -> None:
    project = make_git_project(host.directory, "tool", "1.0")
    declare(host, [f"tool @ {project.url}@1.0"])
    host.apply_ok(*ONLY)
    declare(host, ["tool @ git+http://127.0.0.1:9/tool@1.0"])

    done = host.apply(*ONLY)

    assert done.code == 69, done.out
    assert len(files(host)) == 1


def test_local_project_is_refused(host: Host) -> None:
    make_git_project(host.directory, "tool", "1.0")
    declare(host, ["tool @ ./tool"])
    planned = host.plan(*ONLY)
    error = planned.resource("wheelhouse.main")["error"]
    assert "is a local project" in error["message"]
    assert "git+file://" in error["hint"]
