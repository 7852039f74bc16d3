"""Smoke tests run before a generation is published."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.mount_namespaces import UNPRIVILEGED_UID, as_user, mount_namespace

SYSTEM_PYTHON = "/usr/bin/python3"
"""An interpreter that every user can run."""
as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not os.path.exists(SYSTEM_PYTHON),
    reason=f"only root can give files away; needs {SYSTEM_PYTHON}",
)


@pytest.fixture
def open_host(shared_cache: Path) -> Iterator[Host]:
    """Yield a host whose directory and interpreter every user can use."""
    with tempfile.TemporaryDirectory(prefix="open-host-") as directory:
        Path(directory).chmod(0o755)
        host = Host(
            directory=Path(directory),
            cache=shared_cache,
            python=os.path.realpath(SYSTEM_PYTHON),
            env={"TMPDIR": "/tmp"},
        )
        make_wheels(host.wheels)
        yield host


def test_generation_that_passes_is_published(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["alpha"], smoke=["alpha", "python -c 'import beta'"])

    host_with_wheels.assert_converges()


def test_generation_that_fails_is_never_published(applied_host: Host) -> None:
    before = applied_host.generation
    applied_host.declare(["alpha", "beta==2.0"], smoke=["python -c 'import no_such_module'"])

    first, second = applied_host.apply(), applied_host.apply()

    for failed in (first, second):
        assert failed.code == 1
        assert "failed with status 1" in failed.first["error"]["message"]
        assert "no_such_module" in failed.first["error"]["output"]
    assert applied_host.generation == before
    assert applied_host.generations() == [before.name]
    assert applied_host.run_script("alpha") == "alpha 1.1"


def test_missing_command_is_reported(applied_host: Host) -> None:
    applied_host.declare(["alpha", "beta==2.0"], smoke=["no-such-command --version"])

    failed = applied_host.apply()

    assert failed.code == 1
    assert "no program `no-such-command`" in failed.first["error"]["message"]
    assert "use a script" in failed.first["error"]["hint"]


def test_noexec_file_system_is_reported(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["alpha==1.0"], smoke=["alpha"])
    venvs = host_with_wheels.venv.parent
    venvs.mkdir()
    script = f"mount -t tmpfs -o noexec,mode=0755 none '{venvs}'"
    with mount_namespace(script, host_with_wheels.directory) as prefix:
        failed = host_with_wheels.apply(prefix=prefix)

    assert failed.code == 77
    assert failed.first["error"]["message"].startswith("smoke test `alpha`: permission denied")
    assert "noexec" in failed.first["error"]["hint"]


def test_changed_smoke_test_builds_nothing(applied_host: Host) -> None:
    before = applied_host.generation
    applied_host.declare(["alpha", "beta<2"], smoke=["alpha"])

    assert not applied_host.apply_ok().report["changed"]
    assert applied_host.generation == before


def test_smoke_test_doesnt_inherit_the_environment(host_with_wheels: Host) -> None:
    program = "import os, sys; sys.exit('CANARY' in os.environ)"
    host_with_wheels.env = {"CANARY": "1"}
    host_with_wheels.declare(["alpha"], smoke=[f'python -c "{program}"'])

    host_with_wheels.apply_ok()


def is_running(pid: int) -> bool:
    """Return whether a process runs. Init may not have collected one that ended (proc_pid_stat(5))."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def test_processes_that_a_smoke_test_starts_block_nothing(host_with_wheels: Host) -> None:
    """They end with it. One that hides itself holds neither the lock nor the generation."""
    host = host_with_wheels
    program = (
        "import os, time; os.fork() and os._exit(0); os.setsid(); os.closerange(0, 99); "
        f"open('{host.directory}/daemon', 'w').write(str(os.getpid())); time.sleep(300)"
    )
    clean = f"env -i setsid sh -c 'echo $$ > {host.directory}/hidden; exec sleep 300'"
    host.declare(
        ["alpha"],
        smoke=[
            f'python -c "{program}"',
            f'sh -c "setsid sleep 300 & echo $! > {host.directory}/shell"',
            f'sh -c "{clean} > /dev/null 2>&1 & sleep 0.3"',
        ],
    )
    host.apply_ok()
    hidden, *others = (
        int((host.directory / name).read_text()) for name in ("hidden", "daemon", "shell")
    )

    host.declare(["alpha", "beta<2"], keep=0)
    second = host.apply("--lock-timeout", "0")
    alive = [pid for pid in others if is_running(pid)]
    os.kill(hidden, signal.SIGKILL)

    assert second.code == 0, second.err
    assert alive == []
    assert len(host.generations()) == 1


def test_first_failure_doesnt_mention_a_previous_generation(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"], smoke=["python -c 'import no_such_module'"])

    failed = host_with_wheels.apply()

    assert failed.code == 1
    assert failed.first["error"]["hint"] == "fix the package or the command; nothing was published"


IDENTITY = """
import fcntl, json, os, sys
links = [f"/proc/self/fd/{number}" for number in range(100)]
descriptors = [os.readlink(link) for link in links if os.path.lexists(link)]
open(f"{os.environ['HOME']}/writable", "w").close()
try:
    open(f"{sys.prefix}/bin/planted", "w").close()
except PermissionError:
    json.dump([os.getuid(), os.getgid(), os.getgroups(), descriptors], open(sys.argv[1], "w"))
"""


@as_root
def test_smoke_test_runs_as_the_owner(open_host: Host) -> None:
    """It has none of root's groups and descriptors, and can't change what is published."""
    result = open_host.write("", "result.json")
    result.chmod(0o666)
    open_host.write(IDENTITY, "identity.py")
    smoke = [f"python {open_host.directory}/identity.py {result}"]
    open_host.declare(["beta"], owner="nobody", smoke=smoke)

    open_host.apply_ok()

    uid, gid, groups, descriptors = json.loads(result.read_text())
    assert (uid, gid, groups) == (UNPRIVILEGED_UID, UNPRIVILEGED_UID, [UNPRIVILEGED_UID])
    inherited = [path for path in descriptors if not path.endswith("/.converge/lease")]
    assert not [path for path in inherited if str(open_host.directory) in path]
    assert not list(open_host.store.glob("next-*"))
    assert open_host.site.stat().st_uid == UNPRIVILEGED_UID
    open_host.assert_no_changes()


@as_root
def test_ownership_changes_only_after_smoke_tests(open_host: Host) -> None:
    """Otherwise, a smoke test could change a file that is then published."""
    program = (
        "import os, sys; "
        "owners = {os.lstat(os.path.join(directory, name)).st_uid "
        "for directory, _, files in os.walk(sys.prefix) for name in [*files, '.']}; "
        "sys.exit(owners != {0} or os.stat(sys.prefix).st_mode & 0o777 != 0o750)"
    )
    open_host.declare(
        ["beta"], owner="nobody", group="nogroup", mode="0750", smoke=[f'python -c "{program}"']
    )

    open_host.assert_converges()

    assert {path.lstat().st_uid for path in open_host.site.rglob("*")} == {UNPRIVILEGED_UID}


@as_root
@pytest.mark.parametrize("owner", ["nobody", "root", None])
def test_code_in_a_persistent_directory_never_runs_as_root(
    open_host: Host, owner: str | None
) -> None:
    """The directory belongs to the declared owner, or an administrator has given it away."""
    smoke = ["python -c 'import sys; sys.path[:0] = [sys.prefix + \"/etc\"]; import planted'"]
    keys: dict[str, Any] = {"persistent": ["etc"], "owner": owner}
    open_host.declare(["beta<2"], **keys)
    open_host.apply_ok()
    etc = open_host.store / "persistent/etc"
    if owner != "nobody":
        os.chown(etc, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
    code = f"import os; open('{etc}/ran-as', 'w').write(str(os.getuid()))"
    planted = f"open('{etc}/planted.py', 'w').write({code!r})"
    subprocess.run([*as_user(UNPRIVILEGED_UID), SYSTEM_PYTHON, "-c", planted], check=True)
    open_host.declare(["beta==2.0"], smoke=smoke, **keys)

    open_host.apply_ok()

    assert (etc / "ran-as").read_text() == str(UNPRIVILEGED_UID)


@as_root
def test_smoke_test_that_the_owner_cant_run_is_an_error(open_host: Host) -> None:
    hidden = open_host.directory / "hidden"
    hidden.mkdir(0o700)
    venv = str(hidden / "app")
    open_host.declare(["beta"], owner="nobody", path=venv)
    open_host.apply_ok()
    open_host.declare(["beta<2"], owner="nobody", path=venv, smoke=["python -V"])

    failed = open_host.apply()

    assert failed.code == 77
    assert "user nobody can't run it" in failed.first["error"]["message"]
    assert open_host.run("status", "converge.toml").code == 0
