"""Files of a venv belong to the declared owner. converge's metadata doesn't."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import make_wheels
from tests.integration.host import MINOR, Host
from tests.integration.mount_namespaces import UNPRIVILEGED_UID, as_user, mount_namespace
from tests.support.command import changes
from tests.support.wheels import make_wheel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def run_unprivileged(*arguments: object) -> int:
    """Run a command as an unprivileged user; return its exit status."""
    return subprocess.run(
        [*as_user(UNPRIVILEGED_UID), *map(str, arguments)], capture_output=True, cwd="/"
    ).returncode


@pytest.fixture
def open_host(shared_cache: Path) -> Iterator[Host]:
    """Yield a host whose directory every user can enter."""
    with tempfile.TemporaryDirectory(prefix="open-host-") as directory:
        Path(directory).chmod(0o755)
        host = Host(directory=Path(directory), cache=shared_cache)
        make_wheels(host.wheels)
        yield host


def test_owner_group_and_mode_are_applied_and_repaired(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.apply_ok()
    host_with_wheels.declare(["beta"], owner="nobody", group="nogroup", mode="0750")

    plan = host_with_wheels.assert_converges()

    assert plan["action"] == "update"
    assert changes(plan)["owner"] == (None, "nobody")
    assert changes(plan)["group"] == (None, "nogroup")
    assert changes(plan)["mode"] == ("0755", "0750")
    assert {path.lstat().st_uid for path in host_with_wheels.site.rglob("*")} == {UNPRIVILEGED_UID}
    assert host_with_wheels.generation.stat().st_mode & 0o7777 == 0o750

    host_with_wheels.generation.chmod(0o700)
    assert host_with_wheels.assert_converges()["action"] == "repair"
    assert host_with_wheels.generation.stat().st_mode & 0o7777 == 0o750


HOLD_LOCKS = """
import fcntl, os, sys, time
held = set()
while time.sleep(0.001) is None:
    for name in set(os.listdir(sys.argv[1])) - held:
        try:
            directory = os.open(f"{sys.argv[1]}/{name}/.converge", os.O_RDONLY)
        except OSError:
            continue
        fcntl.flock(directory, fcntl.LOCK_SH)
        held.add(name)
        print(name, flush=True)
"""


def test_apply_ignores_locks_held_by_other_users(open_host: Host) -> None:
    open_host.declare(["beta"], smoke=["sleep 0.5"])
    open_host.apply_ok()
    shutil.rmtree(open_host.generation)
    command = [
        *as_user(UNPRIVILEGED_UID),
        "/usr/bin/env",
        "python3",
        "-c",
        HOLD_LOCKS,
        str(open_host.store / "generations"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as locker:
        try:
            open_host.apply_ok()
            assert locker.stdout is not None
            assert locker.stdout.readline().strip() == open_host.generation.name
        finally:
            locker.kill()
    open_host.assert_no_changes()


CREATE_FILES = """
import glob, itertools, sys
for number in itertools.count():
    for directory in glob.glob(f"{sys.argv[1]}/trash-*/*/*/site-packages/beta/cache"):
        try:
            open(f"{directory}/more-{number}", "x").close()
        except OSError:
            continue
"""


def test_apply_succeeds_while_the_owner_creates_files(open_host: Host) -> None:
    open_host.declare(["beta<2"], owner="nobody", ignore=["*/beta/cache*"], keep=0)
    open_host.apply_ok()
    cache = open_host.site / "beta/cache"
    assert (
        run_unprivileged("sh", "-c", f"mkdir {cache} && cd {cache} && seq 2000 | xargs touch") == 0
    )
    command = [
        *as_user(UNPRIVILEGED_UID),
        "/usr/bin/env",
        "python3",
        "-c",
        CREATE_FILES,
        str(open_host.store),
    ]
    with subprocess.Popen(command, cwd="/") as writer:
        try:
            open_host.declare(["beta==2.0"], owner="nobody", ignore=["*/beta/cache*"], keep=0)
            done = open_host.apply()
        finally:
            writer.kill()

    assert done.code == 0, done.out
    assert open_host.run("gc", "converge.toml", "--keep", "0").code == 0
    assert {entry.name for entry in open_host.store.iterdir()} <= {
        "previous",
        "publication",
        "generations",
        "lock",
        "run",
    }


def test_huge_sparse_files_dont_stop_verify_or_repair(open_host: Host) -> None:
    """A sparse file can have any size without using disk space."""
    open_host.declare(["beta<2"], owner="nobody")
    open_host.apply_ok()
    site = open_host.site
    metadata = "printf 'Name: stray\\nVersion: 1.0\\n\\n'"
    script = f"""
        truncate -s 1T {site}/beta/__init__.py
        mkdir {site}/stray-1.0.dist-info {site}/stray-2.0.dist-info
        truncate -s 1T {site}/stray-1.0.dist-info/METADATA
        {metadata} > {site}/stray-2.0.dist-info/METADATA
        truncate -s 1T {site}/stray-2.0.dist-info/RECORD
    """
    assert run_unprivileged("sh", "-ec", script) == 0

    verified = open_host.run("verify", "converge.toml", "--json")
    repaired = open_host.assert_converges()

    assert verified.code == 2, verified.err
    assert "S.5....." in verified.out
    assert changes(repaired)["package.stray"] == ("1.0", None)


def test_owner_can_change_files_but_not_metadata(open_host: Host) -> None:
    open_host.declare(["beta"], owner="nobody")
    open_host.apply_ok()
    root = open_host.generation

    assert run_unprivileged("touch", open_host.site / "stray.py") == 0
    for command in (
        ["mv", root / ".converge", root / "renamed"],
        ["touch", root / ".converge/stray"],
        ["touch", root / ".converge/manifest.json"],
        ["mv", root, f"{root}-renamed"],
    ):
        assert run_unprivileged(*command) != 0
    assert root.stat().st_uid == 0
    assert {path.lstat().st_uid for path in (root / ".converge").rglob("*")} == {0}
    assert set(changes(open_host.assert_converges())) == {
        f"file.{(open_host.site / 'stray.py').relative_to(open_host.generation)}",
        "generation",
    }


def test_files_changed_by_a_smoke_test_are_drift(host_with_wheels: Host) -> None:
    program = "import beta; open(beta.__file__, 'a').write('pass')"
    host_with_wheels.declare(["beta"], smoke=[f'python -c "{program}"'])
    host_with_wheels.apply()

    assert host_with_wheels.run("check", "converge.toml").code == 2


def test_persistent_directory_belongs_to_the_owner(host_with_wheels: Host) -> None:
    make_wheel(
        host_with_wheels.wheels, "service", "1.0", data={"data/etc/service/service.conf": "x"}
    )
    host_with_wheels.declare(
        ["service"], owner="nobody", group="nogroup", persistent=["etc/service", "var"]
    )

    host_with_wheels.assert_converges()

    persistent = host_with_wheels.store / "persistent"
    for path in (
        persistent / "etc/service",
        persistent / "etc/service/service.conf",
        persistent / "var",
    ):
        assert (path.stat().st_uid, path.stat().st_gid) == (UNPRIVILEGED_UID, UNPRIVILEGED_UID)


def test_metadata_isnt_written_through_a_symlink(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.apply_ok()
    outside = host_with_wheels.directory / "outside"
    (host_with_wheels.generation / ".converge").rename(outside)
    (host_with_wheels.generation / ".converge").symlink_to(outside)
    before = {path: path.lstat().st_ctime_ns for path in outside.iterdir()}

    host_with_wheels.apply_ok()

    assert {path: path.lstat().st_ctime_ns for path in outside.iterdir()} == before


def test_mode_that_locks_out_the_owner_is_refused(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"], owner="nobody", mode="0700")

    failed = host_with_wheels.apply()

    assert failed.code == 1
    assert "would lock out the owner `nobody`" in failed.first["error"]["message"]
    assert not host_with_wheels.store.exists()


def test_group_writable_mode_is_refused(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"], mode="0775")

    refused = host_with_wheels.apply()

    assert refused.code == 65
    assert "lets other users replace" in refused.report["problems"][0]["message"]


def test_default_acl_makes_no_created_file_writable(host_with_wheels: Host) -> None:
    """A default ACL replaces the umask for every file created below (acl(5))."""
    parent = host_with_wheels.directory / "team"
    parent.mkdir()
    undefined_id, group = 0xFFFFFFFF, 100
    entries = [(1, 7, undefined_id), (4, 5, undefined_id), (8, 7, group), (16, 7, undefined_id)]
    rows = [struct.pack("<HHI", *entry) for entry in (*entries, (32, 5, undefined_id))]
    try:
        os.setxattr(parent, "system.posix_acl_default", struct.pack("<I", 2) + b"".join(rows))
    except OSError as error:
        pytest.skip(f"access control lists aren't supported here: {error.strerror}")
    link = '[link."team/bin/alpha"]\nto = "venv.app:bin/alpha"\n'
    host_with_wheels.declare(
        ["alpha==1.0"], link, path="team/venvs/app", persistent=["etc/deep/app"]
    )
    host_with_wheels.apply_ok()
    host_with_wheels.declare(
        ["alpha==1.1"], link, path="team/venvs/app", persistent=["etc/deep/more"]
    )
    host_with_wheels.apply_ok()

    paths = [path for path in parent.rglob("*") if not path.is_symlink()]
    assert [path for path in paths if path.stat().st_mode & 0o022] == []


def test_unknown_owner_fails_before_the_build(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"], owner="no-such-user")

    failed = host_with_wheels.apply()

    assert failed.code == 1
    assert "user doesn't exist: `no-such-user`" in failed.first["error"]["message"]
    assert "installing" not in failed.err, "the owner is checked before the build"
    assert not host_with_wheels.venv.exists()
    assert (
        not Path(host_with_wheels.store / "generations").exists()
        or host_with_wheels.generations() == []
    )


def test_owner_with_another_uid_is_drift(host_with_wheels: Host) -> None:
    """A user was deleted, and created again with the next free uid."""
    passwd = host_with_wheels.directory / "passwd"
    others = Path("/etc/passwd").read_text()
    passwd.write_text(f"{others}service:x:4001:4001::/:/bin/false\n")
    host_with_wheels.declare(["beta"], owner="service")
    with mount_namespace(f"mount --bind '{passwd}' /etc/passwd", passwd.parent) as prefix:
        host_with_wheels.apply_ok(prefix=prefix)
        passwd.write_text(others)
        planned = host_with_wheels.plan(prefix=prefix)
        checked = host_with_wheels.check(prefix=prefix)
        refused = host_with_wheels.apply(prefix=prefix)
        passwd.write_text(f"{others}service:x:4002:4002::/:/bin/false\n")
        status = host_with_wheels.run("status", "converge.toml", prefix=prefix)
        drifted = host_with_wheels.check(prefix=prefix)
        host_with_wheels.apply_ok(prefix=prefix)
        again = host_with_wheels.apply_ok(prefix=prefix)

    assert [planned.code, checked.code, refused.code] == [1, 1, 1]
    for failed in (planned, refused):
        assert "user doesn't exist: `service`" in failed.first["error"]["message"]
    assert "    ~ owner uid 4001\n" in status.out
    assert drifted.code == 2
    assert changes(drifted.first)["owner"] == ("uid 4001", "service")
    assert {path.lstat().st_uid for path in host_with_wheels.site.rglob("*")} == {4002}
    assert not again.report["changed"]


def test_mode_with_leading_zero_changes_nothing(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"], mode="750")
    host_with_wheels.apply_ok()
    host_with_wheels.declare(["beta"], mode="0750")

    host_with_wheels.assert_no_changes()


WRITE_MAPPING = """
import mmap, sys
with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 0) as pages:
    pages[0:1] = pages[0:1]
    print("mapped", flush=True)
    sys.stdin.readline()
    pages[0:1] = b"X"
    print("written", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("file_system", ["of the host", "in memory"])
def test_write_through_a_mapping_is_drift(open_host: Host, file_system: str) -> None:
    """The owner can map a file before its metadata is recorded, and change it later."""
    open_host.declare(["beta"], owner="nobody")
    (open_host.directory / "venvs").mkdir()
    mount = f"mount -t tmpfs -o mode=755 none '{open_host.directory}/venvs'"
    script = mount if file_system == "in memory" else "true"
    with mount_namespace(script, open_host.directory) as prefix:
        open_host.apply_ok(prefix=prefix)
        python = ["/usr/bin/env", "python3"]
        module = f"lib/{MINOR}/site-packages/beta/__init__.py"
        command = [*prefix, *as_user(UNPRIVILEGED_UID), *python, "-c", WRITE_MAPPING]
        with subprocess.Popen(
            [*command, str(open_host.venv / module)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as owner:
            assert owner.stdin is not None
            assert owner.stdout is not None
            assert owner.stdout.readline() == "mapped\n"
            open_host.apply_ok(prefix=prefix)  # The content is intact, and its ctime is new.
            assert not open_host.apply_ok(prefix=prefix).report["changed"]
            print(file=owner.stdin, flush=True)
            assert owner.stdout.readline() == "written\n"
            checked = open_host.check(prefix=prefix)
            repaired = open_host.apply_ok(prefix=prefix)
            print(file=owner.stdin, flush=True)

    assert checked.code == 2
    assert changes(repaired.first)[f"file.{module}"] == ("modified", "intact")
