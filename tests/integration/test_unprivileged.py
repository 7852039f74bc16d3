"""An unprivileged user can apply their own venvs. Other paths cause clear errors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.system.lock import hold_lock
from engine.system.processes import flock_owners
from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.mount_namespaces import UNPRIVILEGED_UID, as_user
from tests.support.wheels import make_project

DROP = [*as_user(UNPRIVILEGED_UID), "sh", "-c", 'exec "$@"', "sh"]


@pytest.fixture
def user_host() -> Iterator[Host]:
    """Yield a host that belongs to the user `nobody`, with an interpreter that they can run."""
    if os.geteuid() != 0:
        pytest.skip("only root can switch users")
    python = _python_for_unprivileged_user()
    directory = Path(tempfile.mkdtemp(prefix="unprivileged-"))
    try:
        directory.chmod(0o755)
        host = Host(directory=directory, cache=directory / "cache", python=python, program=python)
        libraries = [path for path in sys.path if path.endswith("site-packages")]
        python_path = host.environment()["PYTHONPATH"]
        host.env = {"PYTHONPATH": os.pathsep.join([python_path, *libraries])}
        make_wheels(host.wheels)
        (directory / "home").mkdir()
        for path in (directory, *directory.rglob("*")):
            os.chown(path, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
        yield host
    finally:
        shutil.rmtree(directory)


def _python_for_unprivileged_user() -> str:
    """Return an interpreter that `nobody` can run with all dependencies."""
    program = "import pydantic, virtualenv, uv; uv.find_uv_bin()"
    libraries = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    for python in map(os.path.realpath, (sys.executable, "/usr/bin/python3")):
        if not os.path.exists(python):
            continue
        env = {"PYTHONPATH": libraries, "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([*DROP, python, "-c", program], env=env, cwd="/", check=False)
        if done.returncode == 0:
            return python
    pytest.skip("no interpreter can be run by another user")


def test_user_can_apply_their_own_venv(user_host: Host) -> None:
    user_host.declare(["alpha", "beta<2"])

    done = user_host.apply(prefix=DROP)

    assert done.code == 0, done.out + done.err
    assert user_host.run_script("alpha") == "alpha 1.1"
    assert {path.lstat().st_uid for path in user_host.store.rglob("*")} == {UNPRIVILEGED_UID}
    assert not user_host.apply(prefix=DROP).report["changed"]


def test_unlistable_path_directory_is_skipped(user_host: Host) -> None:
    """A shell also skips it, and can still run programs in it by name."""
    (user_host.directory / "closed").mkdir(mode=0o711)
    user_host.declare(["beta"], python=">=3.8")
    search_path = os.pathsep.join(
        [str(user_host.directory / "closed"), os.path.dirname(user_host.python)]
    )

    done = user_host.apply(prefix=DROP, env={"PATH": f"{search_path}:{os.defpath}"})

    assert done.code == 0, done.out


def test_home_of_an_unknown_user_is_the_root_directory(user_host: Host) -> None:
    """A container can run with any uid. Otherwise, `~` would be a literal directory name."""
    uid = 54321
    for name in ("cache", "state"):
        (user_host.directory / name).mkdir(exist_ok=True)
        os.chown(user_host.directory / name, uid, uid)
    user_host.write('[command.print]\nargv = ["sh", "-c", "echo home is $HOME"]\n')

    prefix = ["env", "-u", "HOME", *as_user(uid)]
    done = user_host.run("apply", "converge.toml", "--verbose", prefix=prefix)

    assert done.code == 0, done.err
    assert "home is /\n" in done.err


@pytest.mark.parametrize("limit", [1, 2])
def test_process_limit_is_reported(user_host: Host, limit: int) -> None:
    user_host.declare(["beta"])

    failed = user_host.apply(prefix=[*DROP, "prlimit", f"--nproc={limit}"])

    assert failed.code == 74, failed.err
    assert "can't start another process or thread" in failed.out
    assert "Traceback" not in failed.err


@pytest.mark.parametrize("mode", ["0500", "0600"])
def test_mode_that_locks_out_the_user_is_refused(user_host: Host, mode: str) -> None:
    user_host.declare(["beta"], mode=mode)

    failed = user_host.apply(prefix=DROP)

    assert failed.code == 1
    assert f'`mode = "{mode}"` would lock out' in failed.first["error"]["message"]
    assert not user_host.store.exists()


def test_directory_of_another_user_is_reported(user_host: Host) -> None:
    (user_host.directory / "venvs").mkdir()
    user_host.declare(["beta"])

    for failed in (user_host.plan(prefix=DROP), user_host.apply(prefix=DROP)):
        assert failed.code == 77, failed.out
        assert failed.report["exit"]["class"] == "no-permission"
        assert str(user_host.directory / "venvs") in failed.first["error"]["message"]
    assert user_host.check(prefix=DROP).code == 2
    assert list((user_host.directory / "venvs").iterdir()) == []


def test_link_in_an_unwritable_directory_is_reported(user_host: Host) -> None:
    (user_host.directory / "bin").mkdir()
    user_host.write('[link."bin/tool"]\nto = "/bin/true"\n')

    for failed in (user_host.plan(prefix=DROP), user_host.apply(prefix=DROP)):
        assert failed.code == 77, failed.out
        assert f"denied: `{user_host.directory}/bin`" in failed.first["error"]["message"]


def test_unreadable_venv_isnt_reported_as_damaged(user_host: Host) -> None:
    os.chown(user_host.directory, 0, 0)
    user_host.declare(["beta"], mode="0700")
    user_host.apply_ok()
    cache = {"CONVERGE_CACHE_DIR": str(user_host.directory / "home/cache")}

    checked = user_host.check(prefix=DROP, env=cache)

    assert checked.code == 1
    assert checked.first["error"]["code"] == 77
    assert "permission" in checked.first["error"]["message"]


def test_unreadable_venv_is_not_drift(user_host: Host) -> None:
    """Exit code 2 would mean that the venv differs, or isn't there yet."""
    os.chown(user_host.directory, 0, 0)
    user_host.declare(["beta"])
    user_host.apply_ok()
    cache = {"CONVERGE_CACHE_DIR": str(user_host.directory / "home/cache")}
    for closed in ("venvs", "venvs/.app", "venvs/.app/generations"):
        (user_host.directory / closed).chmod(0o700)
        for verb, code in (("check", 1), ("status", 77), ("verify", 1)):
            completed = user_host.run(verb, "converge.toml", "--json", prefix=DROP, env=cache)
            assert completed.code == code, completed.out
            assert "permission denied" in completed.out
        (user_host.directory / closed).chmod(0o755)


def test_check_needs_only_read_permission(user_host: Host) -> None:
    os.chown(user_host.directory, 0, 0)
    user_host.declare(["beta"])
    user_host.apply_ok()
    cache = {"CONVERGE_CACHE_DIR": str(user_host.directory / "home/cache")}

    checked = user_host.check(prefix=DROP, env=cache)

    assert checked.code == 0, checked.out


def test_generation_that_root_is_building_isnt_unfinished(user_host: Host) -> None:
    os.chown(user_host.directory, 0, 0)
    user_host.declare(["beta"])
    user_host.apply_ok()
    cache = {"CONVERGE_CACHE_DIR": str(user_host.directory / "home/cache")}
    (user_host.store / "generations/000002-0a0b0c0d").mkdir(0o700)

    with hold_lock(lambda: str(user_host.store / "lock"), 1):
        if not flock_owners((user_host.store / "lock").stat()):
            pytest.skip("the kernel lists locks with a different device number here")
        meanwhile = user_host.check(prefix=DROP, env=cache)
        status = user_host.run("status", "converge.toml", prefix=DROP, env=cache)
    afterwards = user_host.check(prefix=DROP, env=cache)

    assert meanwhile.code == status.code == 0, meanwhile.out + status.err
    assert afterwards.code == 1  # Only its owner knows whether it is finished.


@pytest.mark.parametrize("key", ["requirements", "constraints", "build_constraints", "lock"])
def test_unreadable_file_is_reported_with_other_problems(user_host: Host, key: str) -> None:
    hidden = user_host.write("beta", "hidden.txt")
    hidden.chmod(0o600)
    keys: dict[str, Any] = {key: hidden.name if key == "lock" else [hidden.name]}
    user_host.declare(["beta"], mode="9", **keys)

    refused = user_host.plan(prefix=DROP)

    assert refused.code == 65
    problems = {problem["message"]: problem for problem in refused.report["problems"]}
    assert (
        problems[f"`{hidden}`: permission denied"]["hint"]
        == "run converge as a user who can read it"
    )
    assert problems[f"`{hidden}`: permission denied"]["line"]
    assert "invalid mode `9`" in problems


def test_unreadable_project_is_reported(user_host: Host) -> None:
    make_project(user_host.directory, "beta", "1.0")
    hidden = user_host.write("", "beta/hidden.py")
    hidden.chmod(0o600)
    user_host.declare(["beta @ ./beta"])

    refused = user_host.plan(prefix=DROP)

    error = refused.resource("venv.app")["error"]
    assert refused.code == error["code"] == 77
    assert error["message"] == f"permission denied: `{hidden}`"


def test_unreadable_declaration_is_reported(user_host: Host) -> None:
    user_host.declare(["beta"]).chmod(0o600)

    refused = user_host.plan(prefix=DROP)

    assert refused.code == 77
    assert "hint: run as a user who can read or write it" in refused.err
