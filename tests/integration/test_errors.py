"""Each failure is reported as one clear error, and the live generation stays published."""

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

from states.installer.uv_errors import translate_error
from states.system.subprocesses import Completed as CompletedProcess
from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.mount_namespaces import mount_namespace, read_only, small_disk
from tests.support.command import Completed
from tests.support.index import Index
from tests.support.wheels import make_sdist, make_wheel

IMPORTED_AT = time.time()
"""The process that holds a lock in these tests started before this time."""

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root refuses unsafe paths")


def assert_failed(
    host: Host, run: Completed, code: int, message: str, *, hint: str, output: str = ""
) -> None:
    """Assert the exit code, the error, and that the failed run left no files."""
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
def working_host(applied_host: Host) -> Iterator[Host]:
    """Yield a host whose environment works before and after the test."""
    assert applied_host.run_script("alpha") == "alpha 1.1"
    yield applied_host
    assert applied_host.run_script("alpha") == "alpha 1.1"


def test_index_that_refuses_connections_is_unavailable(working_host: Host, index: Index) -> None:
    index.close()
    working_host.declare(["gamma"], find_links=[], no_index=False, index_url=index.url)

    failed = working_host.apply()

    hint = "check the network"
    assert_failed(working_host, failed, 69, "can't reach an index", hint=hint, output="gamma")
    assert failed.report["exit"] == {"code": 69, "class": "unavailable", "retryable": True}


def test_index_that_requires_a_password_is_unavailable(working_host: Host, index: Index) -> None:
    index.auth = ("user", "secret")
    working_host.declare(["gamma"], find_links=[], no_index=False, index_url=index.url)

    assert_failed(
        working_host, working_host.apply(), 69, "the index rejected the credentials", hint="netrc"
    )


def test_nonexistent_version_is_named(working_host: Host) -> None:
    working_host.declare(["beta==9"])

    message, hint = "`beta==9` doesn't exist", "choose a version that the index has"
    assert_failed(working_host, working_host.apply(), 1, message, hint=hint, output="beta==9")


def test_nonexistent_package_is_named(working_host: Host) -> None:
    working_host.declare(["no-such-package"])

    assert_failed(
        working_host,
        working_host.apply(),
        1,
        "resolving versions",
        hint="",
        output="no-such-package",
    )


def test_contradicting_requirements_are_named(working_host: Host) -> None:
    make_wheel(working_host.wheels, "delta", "1.0", requires=["beta>=2"])
    working_host.declare(["beta<2", "delta"])

    message = "no versions satisfy all requirements"
    assert_failed(working_host, working_host.apply(), 1, message, hint="overrides", output="delta")


BUILD_FAILURES = {
    "missing compiler": (
        "error: command 'gcc' failed: No such file or directory\n",
        "native 1.0: no wheel for this interpreter, and no compiler found: `gcc`",
        "install gcc, or provide a wheel of native through `find-links`",
        "command 'gcc'",
    ),
    "missing header": (
        """Modules/common.h:15:10: fatal error: lber.h: No such file or directory
compilation terminated.
error: command '/usr/bin/gcc' failed with exit code 1
""",
        "native 1.0: no wheel for this interpreter, and a header file is missing: `lber.h`",
        "install libldap-dev, or provide a wheel of native through `find-links`",
        "lber.h",
    ),
    "failing compiler": (
        """native.c:1: error: unknown type
error: command '/usr/bin/gcc' failed with exit code 1
""",
        "native 1.0: it failed to build from source",
        "build output",
        "unknown type",
    ),
    "failing setup.py": (
        "SyntaxError in setup.py\n",
        "native 1.0: it failed to build from source",
        "find-links",
        "SyntaxError in",
    ),
}


@pytest.mark.parametrize(
    ("stderr", "message", "hint", "output"), BUILD_FAILURES.values(), ids=BUILD_FAILURES
)
def test_sdist_build_failure_names_its_cause(
    working_host: Host, stderr: str, message: str, hint: str, output: str
) -> None:
    make_sdist(working_host.wheels, "native", "1.0", build_fails=stderr)
    working_host.declare(["native"])

    assert_failed(working_host, working_host.apply(), 1, message, hint=hint, output=output)


def test_missing_interpreter_error_lists_searched_directories(working_host: Host) -> None:
    working_host.declare(["beta"], python=">=3.99")

    message = 'no interpreter found for `python = ">=3.99"`'
    searched = "searched PATH, /usr/local/bin, /usr/bin, /bin, and pyenv versions"
    assert_failed(working_host, working_host.apply(), 1, message, hint=searched)


def test_broken_interpreter_differs_from_a_missing_one(working_host: Host) -> None:
    program = working_host.write("#!/bin/sh\nexit 1\n", "program")
    program.chmod(0o755)
    working_host.declare(["beta"], python=str(program))
    message = f"`{program}` doesn't run as a Python interpreter"
    assert_failed(working_host, working_host.apply(), 1, message, hint="repair or reinstall it")

    program.unlink()

    message, hint = "doesn't exist", "install it, or choose another one"
    assert_failed(working_host, working_host.apply(), 1, message, hint=hint)


def test_lock_timeout_names_the_lock_holder(working_host: Host) -> None:
    working_host.declare(["gamma"])
    with (working_host.store / "lock").open("r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        failed = working_host.apply("--lock-timeout", "0.1")

    assert_failed(
        working_host, failed, 75, f"is locked by pid {os.getpid()}", hint="--lock-timeout"
    )
    assert failed.report["exit"]["retryable"]


@pytest.mark.parametrize("command", ["apply", "gc", "rollback", "pin"])
def test_waiting_for_a_lock_reports_the_holder(working_host: Host, command: str) -> None:
    working_host.declare(["gamma"])
    arguments = (command, "converge.toml", *(["app"] if command in ("rollback", "pin") else []))
    with (working_host.store / "lock").open("r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        waited = working_host.run(*arguments, "--lock-timeout", "0.1")
        quiet = working_host.run(*arguments, "--lock-timeout", "0.1", "--quiet")

    assert waited.code == quiet.code == 75
    expected = f"venv.app: waiting for the lock, held by pid {os.getpid()} of "
    assert expected in waited.err
    assert "waited 0.1 s" in waited.out + waited.err
    assert expected not in quiet.err


def test_adopt_waiting_for_a_lock_reports_the_holder(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])
    (host_with_wheels.venv / "bin").mkdir(parents=True)
    host_with_wheels.store.mkdir()
    with (host_with_wheels.store / "lock").open("x") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        waited = host_with_wheels.run("adopt", "converge.toml", "app", "--lock-timeout", "0.1")

    assert waited.code == 75
    assert f"venv.app: waiting for the lock, held by pid {os.getpid()} of " in waited.err


def test_lock_holder_start_time_is_correct_in_a_fresh_proc(working_host: Host) -> None:
    """The timestamps of a directory in `/proc` are those of its first lookup."""
    working_host.declare(["gamma"])
    with (
        (working_host.store / "lock").open("r+b") as stream,
        mount_namespace("mount -t proc none /proc", working_host.directory) as in_namespace,
    ):
        fcntl.flock(stream, fcntl.LOCK_EX)
        failed = working_host.apply("--lock-timeout", "0.1", prefix=in_namespace, env={"TZ": "UTC"})

    match = re.search(r" since (\S+ \S+) \(", failed.first["error"]["message"])
    assert match is not None
    assert calendar.timegm(time.strptime(match[1], "%Y-%m-%d %H:%M:%S")) <= IMPORTED_AT


def test_failed_resource_does_not_affect_independent_ones(working_host: Host) -> None:
    other = '[venv.other]\npath = "venvs/other"\npackages = ["gamma"]\nfind-links = ["wheels"]\n'
    other += f'no-index = true\npython = "{working_host.python}"\n'
    link = '[link."bin/app"]\nto = "venv.app:bin/alpha"\n'
    working_host.declare(["no-such-package"], more=other + link)

    result = working_host.apply()

    assert result.code == 1
    assert result.resource("venv.other")["outcome"] == "changed"
    assert result.resource("link.bin/app")["outcome"] == "skipped"
    assert result.resource("link.bin/app")["blocked_by"] == "venv.app"
    assert result.report["summary"]["failed"] == 1


def test_full_disk_keeps_the_live_generation_only(host_with_wheels: Host) -> None:
    make_wheel(host_with_wheels.wheels, "big", "1.0", files={"big/data.bin": os.urandom(6 << 20)})
    disk = host_with_wheels.directory / "venvs"
    disk.mkdir()
    with mount_namespace(small_disk(disk, "4m"), host_with_wheels.directory) as in_namespace:
        host_with_wheels.declare(["beta"])
        host_with_wheels.apply_ok(prefix=in_namespace)
        free = _free_blocks(in_namespace, disk)
        host_with_wheels.declare(["big"])

        failed = host_with_wheels.apply(prefix=in_namespace)

        assert failed.code == 73, failed.out + failed.err
        assert failed.report["exit"]["class"] == "disk-full"
        assert "free disk space" in failed.first["error"]["hint"]
        assert _free_blocks(in_namespace, disk) == free
        host_with_wheels.declare(["beta"])
        assert not host_with_wheels.apply(prefix=in_namespace).report["changed"]


@pytest.mark.parametrize("path", ["app", "another/app"])
def test_disk_without_inodes_reports_how_many_are_missing(
    host_with_wheels: Host, path: str
) -> None:
    disk = host_with_wheels.directory / "venvs"
    disk.mkdir()
    with mount_namespace(
        small_disk(disk, "4m,nr_inodes=150"), host_with_wheels.directory
    ) as in_namespace:
        host_with_wheels.declare(["beta<2"])
        host_with_wheels.apply_ok(prefix=in_namespace)
        fill_script = f"i=0; while touch {disk}/file-$i; do i=$((i + 1)); done"
        subprocess.run([*in_namespace, "sh", "-c", fill_script], capture_output=True)
        assert (
            "inodes" in host_with_wheels.run("pin", "converge.toml", "app", prefix=in_namespace).err
        )
        host_with_wheels.declare(["beta==2.0"], path=f"venvs/{path}")

        failed = host_with_wheels.apply(prefix=in_namespace)

        assert failed.code == 73, failed.out + failed.err
        assert "and 0 inodes available" in failed.first["error"]["hint"]


def test_apply_writes_only_to_store_state_and_cache(host_with_wheels: Host) -> None:
    file = host_with_wheels.declare(["alpha"])
    writable = [
        host_with_wheels.directory / "venvs",
        host_with_wheels.directory / "state",
        host_with_wheels.cache,
    ]
    binds = "".join(f"mkdir -p '{path}'; mount --bind '{path}' '{path}'\n" for path in writable)
    script = binds + "for mount in / /tmp; do mount -o remount,bind,ro $mount || true; done"
    with mount_namespace(script, Path("/")) as in_namespace:
        result = host_with_wheels.run("apply", str(file), prefix=in_namespace)

    assert result.code == 0, result.out + result.err


def test_read_only_disk_is_reported(applied_host: Host) -> None:
    applied_host.declare(["gamma"])
    with mount_namespace(
        read_only(applied_host.directory / "venvs"), applied_host.directory
    ) as in_namespace:
        failed = applied_host.apply(prefix=in_namespace)

    assert failed.code == 74, failed.out
    assert "read-only" in failed.first["error"]["message"]
    assert failed.first["error"]["hint"].startswith("choose another path; or find the file system")


@root_only
def test_group_or_world_writable_parent_is_unsafe_for_root(host_with_wheels: Host) -> None:
    (host_with_wheels.directory / "venvs").mkdir()
    (host_with_wheels.directory / "venvs").chmod(0o777)
    host_with_wheels.declare(["beta"])

    failed = host_with_wheels.apply()

    assert failed.code == 77
    assert failed.first["error"]["message"].startswith(
        f"unsafe path `{host_with_wheels.directory}/venvs`"
    )
    assert f"chmod go-w {host_with_wheels.directory}/venvs" in failed.first["error"]["hint"]


@root_only
def test_parent_owned_by_another_user_is_unsafe_for_root(host_with_wheels: Host) -> None:
    (host_with_wheels.directory / "venvs").mkdir()
    os.chown(host_with_wheels.directory / "venvs", 65534, 65534)
    host_with_wheels.declare(["beta"])

    assert host_with_wheels.apply().code == 77


@root_only
def test_store_created_by_another_user_is_unsafe_for_root(host_with_wheels: Host) -> None:
    """Any user can do this in a directory such as `/tmp`."""
    (host_with_wheels.store / "generations").mkdir(parents=True)
    (host_with_wheels.directory / "venvs").chmod(0o1777)
    for directory in (host_with_wheels.store, host_with_wheels.store / "generations"):
        os.chown(directory, 65534, 65534)
    host_with_wheels.declare(["beta"])

    failed = host_with_wheels.apply()

    assert failed.code == 77
    assert f"`{host_with_wheels.store}`: owned by uid 65534" in failed.first["error"]["message"]
    assert list((host_with_wheels.store / "generations").iterdir()) == []


@root_only
def test_symlink_owned_by_another_user_is_unsafe_for_root(host_with_wheels: Host) -> None:
    (host_with_wheels.directory / "real").mkdir()
    (host_with_wheels.directory / "venvs").symlink_to("real")
    os.lchown(host_with_wheels.directory / "venvs", 65534, 65534)
    host_with_wheels.declare(["beta"])

    failed = host_with_wheels.apply()

    assert failed.code == 77
    assert (
        f"`{host_with_wheels.directory}/venvs`: owned by uid 65534"
        in failed.first["error"]["message"]
    )


@root_only
def test_nested_symlink_of_another_user_is_unsafe_for_root(host_with_wheels: Host) -> None:
    (host_with_wheels.directory / "safe").mkdir()
    other = host_with_wheels.directory / "other"
    other.mkdir()
    (other / "link").symlink_to("../safe")
    os.lchown(other / "link", 65534, 65534)
    (host_with_wheels.directory / "venvs").symlink_to("other/link")
    host_with_wheels.declare(["beta"])

    failed = host_with_wheels.apply()

    assert failed.code == 77
    error = failed.first["error"]
    assert "other/link`: owned by uid 65534" in error["message"]
    assert "chown -h root" in error["hint"]
    assert list((host_with_wheels.directory / "safe").iterdir()) == []


def test_path_may_start_with_two_slashes(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"], path=f"/{host_with_wheels.venv}")

    host_with_wheels.apply_ok()

    assert host_with_wheels.venv.is_symlink()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("cause: Too many open files (os error 24)", "too many open files"),
        (
            'Os { code: 11, message: "Resource temporarily unavailable" }',
            "can't start another process",
        ),
        (
            "OS can't spawn worker thread: Resource temporarily unavailable",
            "can't start another process",
        ),
    ],
)
def test_resource_limit_reached_by_uv_is_named(output: str, message: str) -> None:
    error = translate_error(
        CompletedProcess(status=2, output=f"error: Failed to install\n  {output}"), "installing"
    )

    assert error.message.startswith(f"installing: {message}")
    assert (error.code, "raise the limit" in (error.hint or "")) == (74, True)


def test_file_size_limit_is_named(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.apply_ok()
    shutil.rmtree(host_with_wheels.directory / "venvs")

    failed = host_with_wheels.apply(prefix=["prlimit", "--fsize=1000"])

    assert failed.code == 74
    assert failed.first["error"]["message"].startswith("file too large")
    assert "`ulimit -f`" in failed.first["error"]["hint"]
    assert not host_with_wheels.venv.exists()
    host_with_wheels.apply_ok()


def test_index_server_error_is_reported_without_a_traceback(host: Host, index: Index) -> None:
    make_wheels(index.directory)
    index.statuses["/simple/beta/"] = 500
    host.declare(["beta"], find_links=[], no_index=False, index_url=index.url)

    failed = host.apply()

    assert failed.code == 69
    assert "500" in failed.first["error"]["output"]


def _free_blocks(in_namespace: list[str], disk: Path) -> int:
    """Return the number of free blocks of a file system."""
    argv = [*in_namespace, "stat", "--file-system", "--format=%f", str(disk)]
    return int(subprocess.run(argv, capture_output=True, check=True).stdout)
