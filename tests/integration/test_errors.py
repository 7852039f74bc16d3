"""What goes wrong below becomes one clear message, and what was live stays live."""

from __future__ import annotations

import calendar
import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from states.child import Ended
from states.uv import complaint
from tests.integration.conftest import stock
from tests.integration.host import Host, Run
from tests.integration.rooms import read_only, room, small_disk
from tests.support.index import Index
from tests.support.wheels import make_sdist, make_wheel

READ = time.time()
"""Whoever runs these tests has run since before that."""


def refused(host: Host, run: Run, code: int, message: str, *, hint: str, output: str = "") -> None:
    """Insist on how a run failed: its class, its words, and that nothing of it is left."""
    assert run.code == code, run.out + run.err
    error = run.first["error"]
    assert error["code"] == code
    assert message in error["message"]
    assert hint in (error["hint"] or "")
    assert output in error["output"]
    assert "Traceback" not in run.err
    assert len(host.generations()) == 1
    assert not list(host.store.glob("trash-*"))


@pytest.fixture
def running(live: Host) -> Iterator[Host]:
    """An environment that answers before and after, whatever fails meanwhile."""
    assert live.script("alpha") == "alpha 1.1"
    yield live
    assert live.script("alpha") == "alpha 1.1"


def test_an_index_that_refuses_connections_is_unavailable(running: Host, index: Index) -> None:
    index.close()
    running.declare(["gamma"], find_links=[], no_index=False, index_url=index.url)

    failed = running.apply()

    hint = "check the network"
    refused(running, failed, 69, "an index cannot be reached", hint=hint, output="gamma")
    assert failed.report["exit"] == {"code": 69, "class": "unavailable", "retryable": True}


def test_an_index_that_wants_a_password_is_unavailable(running: Host, index: Index) -> None:
    index.auth = ("user", "secret")
    running.declare(["gamma"], find_links=[], no_index=False, index_url=index.url)

    refused(running, running.apply(), 69, "the index refuses us", hint="netrc")


def test_a_version_that_does_not_exist_is_named(running: Host) -> None:
    running.declare(["beta==9"])

    message, hint = "no set of versions satisfies all requirements", "overrides"
    refused(running, running.apply(), 1, message, hint=hint, output="beta==9")


def test_a_package_that_does_not_exist_is_named(running: Host) -> None:
    running.declare(["no-such-package"])

    refused(running, running.apply(), 1, "choosing versions", hint="", output="no-such-package")


def test_contradicting_requirements_are_named(running: Host) -> None:
    make_wheel(running.wheels, "delta", "1.0", requires=["beta>=2"])
    running.declare(["beta<2", "delta"])

    message = "no set of versions satisfies all requirements"
    refused(running, running.apply(), 1, message, hint="overrides", output="delta")


def test_a_source_that_needs_a_compiler_says_so(running: Host) -> None:
    words = "error: command 'gcc' failed: No such file or directory\n"
    make_sdist(running.wheels, "native", "1.0", build_fails=words)
    running.declare(["native"])

    refused(
        running, running.apply(), 1, "no compiler is here", hint="headers", output="command 'gcc'"
    )


def test_a_source_that_needs_a_header_says_so(running: Host) -> None:
    words = """Modules/common.h:15:10: fatal error: lber.h: No such file or directory
compilation terminated.
error: command '/usr/bin/gcc' failed with exit code 1
"""
    make_sdist(running.wheels, "native", "1.0", build_fails=words)
    running.declare(["native"])

    message = "a header to build it is not here"
    refused(running, running.apply(), 1, message, hint="headers", output="lber.h")


def test_a_compiler_that_fails_is_not_taken_for_missing(running: Host) -> None:
    words = (
        "native.c:1: error: unknown type\nerror: command '/usr/bin/gcc' failed with exit code 1\n"
    )
    make_sdist(running.wheels, "native", "1.0", build_fails=words)
    running.declare(["native"])

    message = "a package could not be built from source"
    refused(running, running.apply(), 1, message, hint="its words", output="unknown type")


def test_a_source_that_does_not_build_says_so(running: Host) -> None:
    make_sdist(running.wheels, "wrong", "1.0", build_fails="SyntaxError in setup.py\n")
    running.declare(["wrong"])

    message = "a package could not be built from source"
    refused(running, running.apply(), 1, message, hint="find-links", output="SyntaxError in")


def test_no_interpreter_says_where_was_looked(running: Host) -> None:
    running.declare(["beta"], python=">=3.99")

    message = 'no interpreter found for `python = ">=3.99"`'
    where = "searched were PATH, /usr/local/bin, /usr/bin, /bin and pyenv's versions"
    refused(running, running.apply(), 1, message, hint=where)


def test_a_path_without_an_interpreter_is_told_from_one_that_does_not_run(running: Host) -> None:
    program = running.write("#!/bin/sh\nexit 1\n", "program")
    program.chmod(0o755)
    running.declare(["beta"], python=str(program))
    message = f"`{program}` does not run as a Python interpreter"
    refused(running, running.apply(), 1, message, hint="repair or reinstall it")

    program.unlink()

    message, hint = "no interpreter found", "install it, or name another one"
    refused(running, running.apply(), 1, message, hint=hint)


def test_a_lock_that_is_held_names_the_holder(running: Host) -> None:
    running.declare(["gamma"])
    with (running.store / "lock").open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        failed = running.apply("--lock-timeout", "0.1")

    refused(running, failed, 75, f"is locked by pid {os.getpid()}", hint="--lock-timeout")
    assert failed.report["exit"]["retryable"]


@pytest.mark.parametrize("verb", ["apply", "gc", "rollback", "pin"])
def test_who_waits_for_a_lock_says_for_whom_meanwhile(running: Host, verb: str) -> None:
    running.declare(["gamma"])
    words = (verb, "converge.toml", *(["app"] if verb in ("rollback", "pin") else []))
    with (running.store / "lock").open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waited = running.run(*words, "--lock-timeout", "0.1")
        quiet = running.run(*words, "--lock-timeout", "0.1", "--quiet")

    assert waited.code == quiet.code == 75
    told = f"venv.app: waiting for the lock, held by pid {os.getpid()} of "
    assert told in waited.err
    assert told not in quiet.err


def test_who_waits_to_adopt_says_so_too(stocked: Host) -> None:
    stocked.declare(["beta"])
    (stocked.venv / "bin").mkdir(parents=True)
    stocked.store.mkdir()
    with (stocked.store / "lock").open("x") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waited = stocked.run("adopt", "converge.toml", "app", "--lock-timeout", "0.1")

    assert waited.code == 75
    assert f"venv.app: waiting for the lock, held by pid {os.getpid()} of " in waited.err


def test_since_when_the_holder_runs_is_told_where_nobody_looked_at_it_before(running: Host) -> None:
    """The times of a folder in /proc are those of the first look at it."""
    running.declare(["gamma"])
    with (
        (running.store / "lock").open("r+b") as held,
        room("mount -t proc none /proc", running.folder) as prefix,
    ):
        fcntl.flock(held, fcntl.LOCK_EX)
        failed = running.apply("--lock-timeout", "0.1", prefix=prefix, env={"TZ": "UTC"})

    told = re.search(r" since (\S+ \S+) \(", failed.first["error"]["message"])
    assert told is not None
    assert calendar.timegm(time.strptime(told[1], "%Y-%m-%d %H:%M:%S")) <= READ


def test_one_failure_leaves_the_others_alone(running: Host) -> None:
    other = '[venv.other]\npath = "venvs/other"\npackages = ["gamma"]\nfind-links = ["wheels"]\n'
    other += f'no-index = true\npython = "{running.python}"\n'
    victim = '[link."bin/app"]\nto = "venv.app:bin/alpha"\n'
    running.declare(["no-such-package"], more=other + victim)

    done = running.apply()

    assert done.code == 1
    assert done.resource("venv.other")["outcome"] == "changed"
    assert done.resource("link.bin/app")["outcome"] == "skipped"
    assert done.resource("link.bin/app")["because"] == "venv.app"
    assert done.report["summary"]["failed"] == 1


def test_a_full_disk_leaves_what_was_there_and_nothing_else(stocked: Host) -> None:
    make_wheel(stocked.wheels, "big", "1.0", files={"big/data.bin": os.urandom(6 << 20)})
    disk = stocked.folder / "venvs"
    disk.mkdir()
    with room(small_disk(disk, "4m"), stocked.folder) as inside:
        stocked.declare(["beta"])
        stocked.applied(prefix=inside)
        free = _free(inside, disk)
        stocked.declare(["big"])

        failed = stocked.apply(prefix=inside)

        assert failed.code == 73, failed.out + failed.err
        assert failed.report["exit"]["class"] == "disk-full"
        assert "free some space" in failed.first["error"]["hint"]
        assert _free(inside, disk) == free
        stocked.declare(["beta"])
        assert not stocked.apply(prefix=inside).report["changed"]


@pytest.mark.parametrize("path", ["app", "another/app"])
def test_a_disk_without_any_room_says_how_much_is_missing(stocked: Host, path: str) -> None:
    disk = stocked.folder / "venvs"
    disk.mkdir()
    with room(small_disk(disk, "4m,nr_inodes=150"), stocked.folder) as inside:
        stocked.declare(["beta<2"])
        stocked.applied(prefix=inside)
        fill = f"i=0; while touch {disk}/file-$i; do i=$((i + 1)); done"
        subprocess.run([*inside, "sh", "-c", fill], capture_output=True)
        assert "inodes" in stocked.run("pin", "converge.toml", "app", prefix=inside).err
        stocked.declare(["beta==2.0"], path=f"venvs/{path}")

        failed = stocked.apply(prefix=inside)

        assert failed.code == 73, failed.out + failed.err
        assert "it has room for 0 files" in failed.first["error"]["hint"]


def test_nothing_but_the_store_and_our_own_folders_need_be_writable(stocked: Host) -> None:
    file = stocked.declare(["alpha"])
    ours = [stocked.folder / "venvs", stocked.folder / "state", stocked.cache]
    binds = "".join(f"mkdir -p '{one}'; mount --bind '{one}' '{one}'\n" for one in ours)
    script = binds + "for one in / /tmp; do mount -o remount,bind,ro $one || true; done"
    with room(script, Path("/")) as inside:
        done = stocked.run("apply", str(file), prefix=inside)

    assert done.code == 0, done.out + done.err


def test_a_read_only_disk_is_named(live: Host) -> None:
    live.declare(["gamma"])
    with room(read_only(live.folder / "venvs"), live.folder) as inside:
        failed = live.apply(prefix=inside)

    assert failed.code == 74, failed.out
    assert "read-only" in failed.first["error"]["message"]
    assert failed.first["error"]["hint"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has permissions to lose")
def test_a_folder_that_others_may_write_is_unsafe_for_root(stocked: Host) -> None:
    (stocked.folder / "venvs").mkdir()
    (stocked.folder / "venvs").chmod(0o777)
    stocked.declare(["beta"])

    failed = stocked.apply()

    assert failed.code == 77
    assert failed.first["error"]["message"].startswith(f"unsafe: `{stocked.folder}/venvs`")
    assert f"chmod go-w {stocked.folder}/venvs" in failed.first["error"]["hint"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has permissions to lose")
def test_a_folder_that_another_owns_is_unsafe_for_root(stocked: Host) -> None:
    (stocked.folder / "venvs").mkdir()
    os.chown(stocked.folder / "venvs", 65534, 65534)
    stocked.declare(["beta"])

    assert stocked.apply().code == 77


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has permissions to lose")
def test_a_store_that_another_made_beforehand_is_unsafe(stocked: Host) -> None:
    """As anybody can in a folder like `/tmp`."""
    (stocked.store / "generations").mkdir(parents=True)
    (stocked.folder / "venvs").chmod(0o1777)
    for folder in (stocked.store, stocked.store / "generations"):
        os.chown(folder, 65534, 65534)
    stocked.declare(["beta"])

    failed = stocked.apply()

    assert failed.code == 77
    assert f"`{stocked.store}` belongs to uid 65534" in failed.first["error"]["message"]
    assert list((stocked.store / "generations").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has permissions to lose")
def test_a_symlink_of_another_on_the_way_is_unsafe_for_root(stocked: Host) -> None:
    (stocked.folder / "real").mkdir()
    (stocked.folder / "venvs").symlink_to("real")
    os.lchown(stocked.folder / "venvs", 65534, 65534)
    stocked.declare(["beta"])

    failed = stocked.apply()

    assert failed.code == 77
    assert f"`{stocked.folder}/venvs` belongs to uid 65534" in failed.first["error"]["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has permissions to lose")
def test_a_symlink_of_another_is_unsafe_behind_one_of_roots_too(stocked: Host) -> None:
    (stocked.folder / "safe").mkdir()
    theirs = stocked.folder / "theirs"
    theirs.mkdir()
    (theirs / "link").symlink_to("../safe")
    os.lchown(theirs / "link", 65534, 65534)
    (stocked.folder / "venvs").symlink_to("theirs/link")
    stocked.declare(["beta"])

    failed = stocked.apply()

    assert failed.code == 77
    error = failed.first["error"]
    assert "theirs/link` belongs to uid 65534" in error["message"]
    assert "chown -h root" in error["hint"]
    assert list((stocked.folder / "safe").iterdir()) == []


def test_a_path_may_begin_with_two_slashes(stocked: Host) -> None:
    stocked.declare(["beta"], path=f"/{stocked.venv}")

    stocked.applied()

    assert stocked.venv.is_symlink()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("cause: Too many open files (os error 24)", "too many files are open"),
        ('Os { code: 11, message: "Resource temporarily unavailable" }', "no further process"),
        ("OS can't spawn worker thread: Resource temporarily unavailable", "no further process"),
    ],
)
def test_a_limit_that_the_installer_meets_is_named(words: str, told: str) -> None:
    error = complaint(Ended(status=2, output=f"error: Failed to install\n  {words}"), "installing")

    assert error.message.startswith(f"installing: {told}")
    assert (error.code, "raise the limit" in (error.hint or "")) == (74, True)


def test_a_limit_of_the_size_of_files_is_named(stocked: Host) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    shutil.rmtree(stocked.folder / "venvs")

    failed = stocked.apply(prefix=["prlimit", "--fsize=1000"])

    assert failed.code == 74
    assert failed.first["error"]["message"].startswith("file too large")
    assert "`ulimit -f`" in failed.first["error"]["hint"]
    assert not stocked.venv.exists()
    stocked.applied()


def test_a_damaged_index_page_is_told_without_a_traceback(host: Host, index: Index) -> None:
    stock(index.directory)
    index.statuses["/simple/beta/"] = 500
    host.declare(["beta"], find_links=[], no_index=False, index_url=index.url)

    failed = host.apply()

    assert failed.code == 69
    assert "500" in failed.first["error"]["output"]


def _free(inside: list[str], disk: Path) -> int:
    words = [*inside, "stat", "--file-system", "--format=%f", str(disk)]
    return int(subprocess.run(words, capture_output=True, check=True).stdout)
