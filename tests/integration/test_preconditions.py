"""If the host prevents a change, the plan reports the same error as the apply."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.errors import PermissionDenied
from engine.system import permissions
from tests.integration.host import Host
from tests.integration.mount_namespaces import UNPRIVILEGED_UID, as_user

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change file owners")


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
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_plan_reports_the_error_of_apply(
    host: Host, prepare: Callable[[Host], None], code: int, message: str
) -> None:
    prepare(host)
    planned, applied = host.plan(), host.apply()

    assert planned.code == applied.code == code, planned.out
    assert planned.first["error"] == applied.first["error"]
    assert message in planned.first["error"]["message"]
    assert not (host.store / "generations").exists()
    assert not (host.directory / "bin/tool").is_symlink()
    assert host.check().code in (1, 2)


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
