"""If the host prevents a change, the plan reports the same error as the apply."""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import PermissionDenied
from engine.system import permissions
from states.installer import readiness
from tests.integration.host import Host
from tests.integration.in_process import InProcess
from tests.integration.mount_namespaces import UNPRIVILEGED_UID, as_user
from tests.support.wheels import make_wheel

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change file owners")
LONG = "n" * 250


@pytest.fixture
def local(tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """Return an empty host whose commands run in this process."""
    return InProcess(Host(directory=tmp_path, cache=shared_cache), monkeypatch)


def lock_beta(host: Host, **keys: Any) -> None:
    """Declare the package beta, from a lockfile with the path of its wheel."""
    wheel = make_wheel(host.wheels, "beta", "1.0")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    source = f'path = "wheels/{wheel.name}", hashes = {{sha256 = "{digest}"}}'
    host.write(
        'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "beta"\n'
        f'version = "1.0"\nwheels = [{{name = "{wheel.name}", {source}}}]\n',
        "pylock.app.toml",
    )
    host.declare(lock="pylock.app.toml", **keys)


def prepare_open_directory(host: Host) -> None:
    (host.directory / "venvs").mkdir()
    (host.directory / "venvs").chmod(0o777)
    host.declare()


def prepare_home_of_a_user(host: Host) -> None:
    (host.directory / "venvs").mkdir()
    os.chown(host.directory / "venvs", UNPRIVILEGED_UID, UNPRIVILEGED_UID)
    host.declare()


def prepare_owned_store(host: Host) -> None:
    host.store.mkdir(parents=True)
    os.chown(host.store, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
    host.declare()


def prepare_file_in_the_way(host: Host) -> None:
    (host.directory / "venvs").write_text("")
    host.declare()


def prepare_unknown_owner(host: Host) -> None:
    host.declare(owner="no-such-user")


def prepare_unknown_group(host: Host) -> None:
    host.declare(group="no-such-group")


def prepare_locked_out_owner(host: Host) -> None:
    host.declare(owner="nobody", mode="0700")


def prepare_redirected_link(host: Host) -> None:
    (host.directory / "bin").symlink_to("/usr")
    os.lchown(host.directory / "bin", UNPRIVILEGED_UID, UNPRIVILEGED_UID)
    host.write('[link."bin/tool"]\nto = "/bin/true"\n')


def prepare_state_that_is_a_file(host: Host) -> None:
    (host.directory / "state").write_text("")
    host.declare()


def prepare_interpreter_without_state(host: Host) -> None:
    (host.directory / "state").write_text("")
    host.write(f'[interpreter.main]\npython = "{host.python}"\n')


def prepare_missing_target(host: Host) -> None:
    host.write('[link.tool]\nto = "/no/such/tool"\n')


def prepare_link_with_a_long_name(host: Host) -> None:
    host.write(f'[link.{LONG}]\nto = "/bin/true"\n')


def prepare_venv_with_a_long_name(host: Host) -> None:
    host.declare(path=f"venvs/{LONG}{LONG}")


def prepare_missing_program(host: Host) -> None:
    host.write('[command.restart]\nargv = ["no-such-program"]\n')


def prepare_missing_path(host: Host) -> None:
    host.write('[command.restart]\nargv = ["/no/such/program"]\n')


def prepare_unknown_format(host: Host) -> None:
    host.write("echo hello\n", "script").chmod(0o755)
    host.write(f'[command.restart]\nargv = ["{host.directory}/script"]\n')


def prepare_unknown_format_of_smoke_test(host: Host) -> None:
    host.write("", "script").chmod(0o755)
    host.declare(smoke=[f"{host.directory}/script"])


def prepare_missing_directory(host: Host) -> None:
    host.write('[command.restart]\nargv = ["true"]\ncwd = "/no/such/directory"\n')


def prepare_script_without_interpreter(host: Host) -> None:
    script = host.write("#!/no/such/interpreter\n", "script")
    script.chmod(0o755)
    host.write(f'[command.restart]\nargv = ["{script}"]\n')


def prepare_unexecutable_program(host: Host) -> None:
    script = host.write("#!/bin/sh\n", "script")
    host.write(f'[command.restart]\nargv = ["{script}"]\n')


def prepare_missing_secret(host: Host) -> None:
    host.write('[command.call]\nargv = ["true"]\nenvironment = {TOKEN = "env:NO_SUCH"}\n')


def prepare_missing_secret_file(host: Host) -> None:
    host.write('[command.call]\nargv = ["true"]\nenvironment = {TOKEN = "file:no-such"}\n')


def prepare_missing_system_package(host: Host) -> None:
    host.declare(system_packages=["no_such_module"])


def prepare_missing_smoke_program(host: Host) -> None:
    host.declare(smoke=["/no/such/program"])


def prepare_closed_directory(host: Host) -> None:
    (host.directory / "venvs").mkdir(0o700)
    host.declare(smoke=["python -V"], owner="nobody")


def prepare_owned_parent_of_data(host: Host) -> None:
    (host.store / "persistent/data").mkdir(parents=True)
    os.chown(host.store / "persistent/data", UNPRIVILEGED_UID, UNPRIVILEGED_UID)
    host.declare(persistent=["data/site"])


def prepare_missing_netrc(host: Host) -> None:
    lock_beta(host, netrc="no-such")


def prepare_missing_index_variable(host: Host) -> None:
    lock_beta(host, extra_index_url=["env:NO_SUCH"])


def prepare_missing_find_links(host: Host) -> None:
    lock_beta(host, find_links=["no-such"])


def prepare_missing_wheel(host: Host) -> None:
    lock_beta(host)
    next(host.wheels.iterdir()).unlink()


def prepare_host_without_uv(host: Host) -> None:
    lock_beta(host)


def prepare_mounted_volume(host: Host) -> None:
    host.venv.mkdir(parents=True)
    host.declare(adopt=True)


@as_root
@pytest.mark.parametrize(
    ("prepare", "code", "message"),
    [
        (prepare_open_directory, 77, "writable by other users"),
        (prepare_home_of_a_user, 77, f"owned by uid {UNPRIVILEGED_UID}"),
        (prepare_owned_store, 77, f"owned by uid {UNPRIVILEGED_UID}"),
        (prepare_file_in_the_way, 1, "not a directory"),
        (prepare_unknown_owner, 1, "user doesn't exist: `no-such-user`"),
        (prepare_unknown_group, 1, "group doesn't exist: `no-such-group`"),
        (prepare_locked_out_owner, 1, "would lock out the owner `nobody`"),
        (prepare_redirected_link, 77, "unsafe symlink"),
        (prepare_state_that_is_a_file, 1, "can't record the declared resources"),
        (prepare_interpreter_without_state, 1, "not a directory"),
        (prepare_missing_target, 1, "doesn't exist: `/no/such/tool`"),
        (prepare_link_with_a_long_name, 1, "file name too long"),
        (prepare_venv_with_a_long_name, 1, "file name too long"),
        (prepare_missing_program, 1, "can't run `no-such-program`"),
        (prepare_missing_path, 1, "can't run `/no/such/program`"),
        (prepare_unknown_format, 1, "Exec format error"),
        (prepare_unknown_format_of_smoke_test, 1, "isn't a program or a script with `#!`"),
        (prepare_missing_directory, 1, "can't run `true`: No such file or directory: `/no"),
        (prepare_script_without_interpreter, 1, "No such file or directory"),
        (prepare_unexecutable_program, 77, "Permission denied"),
        (prepare_missing_secret, 1, "`NO_SUCH` isn't set"),
        (prepare_missing_secret_file, 66, "no such file"),
        (prepare_missing_system_package, 1, "no system package"),
        (prepare_missing_smoke_program, 1, "no program `/no/such/program`"),
        (prepare_closed_directory, 77, "user nobody can't run it"),
        (prepare_owned_parent_of_data, 77, "unsafe directory"),
        (prepare_missing_netrc, 66, "(from `netrc`)"),
        (prepare_missing_index_variable, 1, "`NO_SUCH` isn't set"),
        (prepare_missing_find_links, 66, "(from `find-links`)"),
        (prepare_missing_wheel, 66, "(for beta)"),
        (prepare_host_without_uv, 1, "`uv` isn't installed"),
        (prepare_mounted_volume, 1, "a file system is mounted there"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_plan_reports_the_error_of_apply(
    local: InProcess,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[Host], None],
    code: int,
    message: str,
) -> None:
    prepare(local.host)
    if prepare is prepare_host_without_uv:
        monkeypatch.setattr(readiness, "find_uv_bin", lambda: _raise(FileNotFoundError()))
    if prepare is prepare_mounted_volume:
        mounts = "states.venv.preconditions.publication.mount_points"
        monkeypatch.setattr(mounts, lambda: [os.fsencode(local.host.venv)])
    before = local.tree()
    planned, applied = local("plan"), local("apply")

    assert planned.code == applied.code == code, planned.out
    assert planned.first["error"] == applied.first["error"]
    assert message in planned.first["error"]["message"]
    assert local.tree() == before
    assert local("check").code in (1, 2)


def _raise(error: Exception) -> None:
    raise error


def test_program_that_a_dependency_creates_may_be_missing(local: InProcess) -> None:
    """A plan can't know what a command creates, or which files a new generation contains."""
    tool = local.host.directory / "tool"
    local.host.write(
        "[command.create]\n"
        f'argv = ["/bin/sh", "-c", "ln -s /bin/true {tool}"]\n'
        '[link."bin/tool"]\nto = "tool"\nneeds = ["command.create"]\n'
        f'[command.call]\nargv = ["bin/tool"]\ncwd = "{local.host.directory}"\n'
    )

    assert local("plan").code == 0
    applied = local("apply")

    assert applied.outcomes() == dict.fromkeys(applied.outcomes(), "changed"), applied.out
    assert not local("plan").report["changed"]


def test_change_without_a_download_needs_no_secret(local: InProcess) -> None:
    """Packages are copied from the live generation, so no index is needed."""
    lock_beta(local.host)
    assert local("apply").code == 0
    lock_beta(local.host, netrc="no-such", mode="0750")

    assert local("plan").code == 0
    assert local("apply").code == 0


def test_failed_creation_leaves_no_store(host: Host) -> None:
    """Otherwise, later runs report the store as a resource that is no longer declared."""
    more = '[link.tool]\nto = "/bin/true"\n'
    host.declare(smoke=["false"], more=more)
    assert host.apply().code == 1

    assert not host.store.exists()
    host.write(more)
    assert host.plan().report["notices"] == []


@pytest.mark.parametrize("home", [True, False])
def test_hint_leaves_the_home_directory_to_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: bool
) -> None:
    """Root must not take the home directory away from the user of a service."""
    if os.geteuid() != 0:
        pytest.skip("only root can change file owners")
    os.chown(tmp_path, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
    user = SimpleNamespace(
        pw_name="web", pw_uid=UNPRIVILEGED_UID, pw_dir=str(tmp_path if home else "/home/web")
    )
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: user)

    with pytest.raises(PermissionDenied) as caught:
        permissions.require_trusted_path(str(tmp_path / "venvs"))

    assert caught.value.hint is not None
    assert ("runuser -u web -- converge" in caught.value.hint) == home
    assert ("chown" in caught.value.hint) != home


@as_root
def test_unmapped_user_of_a_user_namespace_is_trusted() -> None:
    """Users that the namespace doesn't map can't run a process in it, so they aren't a threat."""
    program = "from engine.system.permissions import *; require_trusted_path('/usr/bin')"
    done = subprocess.run(
        [*as_user(12345), "unshare", "--user", "--map-root-user", "/usr/bin/python3", "-c", program],
        capture_output=True, text=True, env={"PYTHONPATH": os.pathsep.join(sys.path)}, cwd="/",
    )  # fmt: skip
    if "unshare:" in done.stderr:
        pytest.skip("user namespaces aren't available")
    assert done.returncode == 0, done.stderr
