"""A user without privileges converges what is theirs, and is told about the rest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.holder import lockers
from engine.lock import holding
from tests.integration.conftest import stock
from tests.integration.host import Host
from tests.integration.rooms import NOBODY

BECOME = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
DROP = [*BECOME, "sh", "-c", 'exec "$@"', "sh"]


@pytest.fixture
def theirs() -> Iterator[Host]:
    """A host whose folder belongs to nobody, with an interpreter that nobody may run."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    python = _python_for_nobody()
    folder = Path(tempfile.mkdtemp(prefix="unprivileged-"))
    try:
        folder.chmod(0o755)
        host = Host(folder=folder, cache=folder / "cache", python=python, program=python)
        libraries = [one for one in sys.path if one.endswith("site-packages")]
        here = host.environment()["PYTHONPATH"]
        host.env = {"PYTHONPATH": os.pathsep.join([here, *libraries])}
        stock(host.wheels)
        (folder / "home").mkdir()
        for one in (folder, *folder.rglob("*")):
            os.chown(one, NOBODY, NOBODY)
        yield host
    finally:
        shutil.rmtree(folder)


def _python_for_nobody() -> str:
    program = "import pydantic, virtualenv, uv; uv.find_uv_bin()"
    libraries = os.pathsep.join(one for one in sys.path if one.endswith("site-packages"))
    for python in map(os.path.realpath, (sys.executable, "/usr/bin/python3")):
        if not os.path.exists(python):
            continue
        env = {"PYTHONPATH": libraries, "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([*DROP, python, "-c", program], env=env, cwd="/", check=False)
        if done.returncode == 0:
            return python
    pytest.skip("no interpreter here may be run by another user")


def test_their_own_environment_converges(theirs: Host) -> None:
    theirs.declare(["alpha", "beta<2"])

    done = theirs.apply(prefix=DROP)

    assert done.code == 0, done.out + done.err
    assert theirs.script("alpha") == "alpha 1.1"
    assert {one.lstat().st_uid for one in theirs.store.rglob("*")} == {NOBODY}
    assert not theirs.apply(prefix=DROP).report["changed"]


def test_a_folder_of_programs_that_they_may_not_list_is_passed_over(theirs: Host) -> None:
    """As a shell does, which can still run what it names."""
    (theirs.folder / "closed").mkdir(mode=0o711)
    theirs.declare(["beta"], python=">=3.8")
    found = os.pathsep.join([str(theirs.folder / "closed"), os.path.dirname(theirs.python)])

    done = theirs.apply(prefix=DROP, env={"PATH": f"{found}:{os.defpath}"})

    assert done.code == 0, done.out


def test_a_command_of_a_user_whom_nobody_knows_is_at_home_at_the_top(theirs: Host) -> None:
    """As in a container that runs as any number; `~` would be a folder of that name."""
    uid = 54321
    for name in ("cache", "state"):
        (theirs.folder / name).mkdir(exist_ok=True)
        os.chown(theirs.folder / name, uid, uid)
    theirs.write('[command.told]\nargv = ["sh", "-c", "echo home is $HOME"]\n')
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]

    done = theirs.run("apply", "converge.toml", "--verbose", prefix=["env", "-u", "HOME", *become])

    assert done.code == 0, done.err
    assert "home is /\n" in done.err


@pytest.mark.parametrize("limit", [1, 2])
def test_a_limit_of_processes_and_threads_is_named(theirs: Host, limit: int) -> None:
    theirs.declare(["beta"])

    failed = theirs.apply(prefix=[*DROP, "prlimit", f"--nproc={limit}"])

    assert failed.code == 74, failed.err
    assert "no further process or thread can be started" in failed.out
    assert "Traceback" not in failed.err


@pytest.mark.parametrize("mode", ["0500", "0600"])
def test_a_mode_that_shuts_them_out_is_named_and_leaves_nothing(theirs: Host, mode: str) -> None:
    theirs.declare(["beta"], mode=mode)

    failed = theirs.apply(prefix=DROP)

    assert failed.code == 1
    assert f'`mode = "{mode}"` shuts us out' in failed.first["error"]["message"]
    assert theirs.generations() == []


def test_a_folder_that_is_not_theirs_is_refused_by_name(theirs: Host) -> None:
    (theirs.folder / "venvs").mkdir()
    theirs.declare(["beta"])

    failed = theirs.apply(prefix=DROP)

    assert failed.code == 77, failed.out
    assert failed.report["exit"]["class"] == "no-permission"
    assert str(theirs.folder / "venvs") in failed.first["error"]["message"]
    assert list((theirs.folder / "venvs").iterdir()) == []


def test_a_link_that_they_may_not_put_is_named_by_its_own_folder(theirs: Host) -> None:
    (theirs.folder / "bin").mkdir()
    theirs.write('[link."bin/tool"]\nto = "/bin/true"\n')

    failed = theirs.apply(prefix=DROP)

    assert failed.code == 77, failed.out
    assert f"denied: `{theirs.folder}/bin/" in failed.first["error"]["message"]


def test_what_they_may_not_look_at_is_not_taken_for_damaged(theirs: Host) -> None:
    os.chown(theirs.folder, 0, 0)
    theirs.declare(["beta"], mode="0700")
    theirs.applied()
    cache = {"CONVERGE_CACHE_DIR": str(theirs.folder / "home/cache")}

    looked = theirs.check(prefix=DROP, env=cache)

    assert looked.code == 1
    assert looked.first["error"]["code"] == 77
    assert "permission" in looked.first["error"]["message"]


def test_looking_at_what_root_made_needs_no_more_than_reading(theirs: Host) -> None:
    os.chown(theirs.folder, 0, 0)
    theirs.declare(["beta"])
    theirs.applied()
    cache = {"CONVERGE_CACHE_DIR": str(theirs.folder / "home/cache")}

    looked = theirs.check(prefix=DROP, env=cache)

    assert looked.code == 0, looked.out


def test_what_root_is_just_making_is_not_taken_for_left_over(theirs: Host) -> None:
    os.chown(theirs.folder, 0, 0)
    theirs.declare(["beta"])
    theirs.applied()
    cache = {"CONVERGE_CACHE_DIR": str(theirs.folder / "home/cache")}
    (theirs.store / "generations/000002-0a0b0c0d").mkdir(0o700)

    with holding(lambda: str(theirs.store / "lock"), 1):
        if not lockers((theirs.store / "lock").stat()):
            pytest.skip("the kernel lists locks here by another number of the device")
        meanwhile = theirs.check(prefix=DROP, env=cache)
    afterwards = theirs.check(prefix=DROP, env=cache)

    assert meanwhile.code == 0, meanwhile.out
    assert afterwards.code == 2


@pytest.mark.parametrize("key", ["requirements", "constraints", "build_constraints", "lock"])
def test_a_file_they_may_not_read_is_told_beside_all_else(theirs: Host, key: str) -> None:
    hidden = theirs.write("beta", "hidden.txt")
    hidden.chmod(0o600)
    named = hidden.name if key == "lock" else [hidden.name]
    theirs.declare(["beta"], mode="9", **{key: named})

    refused = theirs.plan(prefix=DROP)

    assert refused.code == 65
    told = {one["message"]: one for one in refused.report["problems"]}
    assert told[f"`{hidden}`: permission denied"]["hint"] == "run as a user who may read it"
    assert told[f"`{hidden}`: permission denied"]["line"]
    assert "`0009` is no mode" in told or "`9` is no mode" in told


def test_a_project_they_may_not_read_is_told_beside_all_else(theirs: Host) -> None:
    hidden = theirs.write("beta", "project/hidden.py")
    hidden.chmod(0o600)
    theirs.declare(["beta @ ./project"], mode="0666")

    refused = theirs.plan(prefix=DROP)

    assert refused.code == 65
    told = [one["message"] for one in refused.report["problems"]]
    assert f"`{hidden}`: permission denied" in told
    assert len(told) == 2


def test_what_they_may_not_read_is_no_matter_of_writing(theirs: Host) -> None:
    theirs.declare(["beta"]).chmod(0o600)

    refused = theirs.plan(prefix=DROP)

    assert refused.code == 77
    assert "hint: run as a user who may read, or write, it" in refused.err
