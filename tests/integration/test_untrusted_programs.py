"""Root runs a program that another user can change as that user, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.system import program_trust
from engine.system.program_trust import find_threat
from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.in_process import InProcess
from tests.integration.mount_namespaces import UNPRIVILEGED_UID

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")
SYSTEM_PYTHON = Path(os.path.realpath("/usr/bin/python3"))
CANARY = """
try:
    import posix
    descriptor = posix.open("{uids}", posix.O_WRONLY | posix.O_APPEND)
    posix.write(descriptor, b"%d " % posix.getuid())
    posix.close(descriptor)
except OSError:
    pass
"""


@pytest.fixture
def local(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcess]:
    """Yield a host in a directory that every user can enter."""
    directory = Path(tempfile.mkdtemp(prefix="untrusted-"))
    try:
        directory.chmod(0o755)
        host = Host(directory=directory, cache=shared_cache)
        make_wheels(host.wheels)
        yield InProcess(host, monkeypatch)
    finally:
        shutil.rmtree(directory)


def give_away(path: Path) -> None:
    """Give a file, or a directory and its content, to another user."""
    for entry in (path, *path.rglob("*")):
        os.lchown(entry, UNPRIVILEGED_UID, UNPRIVILEGED_UID)


def make_script(host: Host, name: str = "bin/tool") -> Path:
    """Create a script that prints the user that it runs as."""
    script = host.write("#!/bin/sh\nid -u\n", name)
    script.chmod(0o755)
    return script


def install_python(host: Host) -> Path:
    """Create an interpreter of another user, which records each user that starts it."""
    uids = host.write("", "uids")
    uids.chmod(0o666)
    top = host.directory / "python"
    library = top / "lib" / SYSTEM_PYTHON.name
    original = Path("/usr/lib", SYSTEM_PYTHON.name)
    library.mkdir(parents=True)
    for entry in original.iterdir():
        if entry.name != "encodings":
            (library / entry.name).symlink_to(entry)
    shutil.copytree(
        original / "encodings", library / "encodings", ignore=shutil.ignore_patterns("__pycache__")
    )
    with (library / "encodings/__init__.py").open("a") as stream:
        stream.write(CANARY.format(uids=uids))
    (top / "bin").mkdir()
    program = Path(shutil.copy(SYSTEM_PYTHON, top / "bin"))
    give_away(top)
    return program


@pytest.mark.skipif(not Path("/usr/lib", SYSTEM_PYTHON.name).is_dir(), reason="no /usr/bin/python3")
def test_interpreter_of_another_user_never_runs_as_root(local: InProcess) -> None:
    host = local.host
    python = install_python(host)
    host.declare(["alpha"], python=str(python), owner="nobody", smoke=["python -c pass"])

    assert local("plan").code == 0
    applied = local("apply")

    assert applied.code == 0, applied.out + applied.err
    assert set((host.directory / "uids").read_text().split()) == {str(UNPRIVILEGED_UID)}
    assert not local("plan").report["changed"]
    assert list(host.site.glob("alpha/__pycache__/*.pyc"))
    assert host.generation.stat().st_gid == os.getegid()


def test_planted_interpreter_in_path_is_not_started(local: InProcess) -> None:
    host = local.host
    planted = make_script(host, "planted/python3.11")
    planted.write_text(f"#!/bin/sh\ntouch {host.directory}/started\n")
    give_away(planted.parent)
    host.env["PATH"] = f"{planted.parent}:/usr/bin:/bin"
    host.write('[interpreter.main]\npython = "3.99"\n')

    planned = local("plan")

    assert planned.code == 1
    assert f"skipped `{planted}`" in planned.first["error"]["hint"]
    assert not (host.directory / "started").exists()


@pytest.mark.parametrize("part", ["program", "cwd", "target"])
def test_command_runs_as_the_owner_of_its_program(local: InProcess, part: str) -> None:
    script = make_script(local.host)
    program, cwd = script, local.host.directory / "work"
    cwd.mkdir()
    if part == "target":
        program = local.host.directory / "link"
        program.symlink_to(script)
    give_away(cwd if part == "cwd" else script)
    local.host.write(f'[command.tool]\nargv = ["{program}"]\ncwd = "{cwd}"\n')

    assert local("plan").code == 0
    applied = local("apply")

    assert applied.first["output"].strip() == str(UNPRIVILEGED_UID), applied.out


@pytest.mark.parametrize("key", ["command", "smoke"])
def test_program_that_all_users_can_change_is_refused(local: InProcess, key: str) -> None:
    script = make_script(local.host)
    script.chmod(0o777)
    if key == "command":
        local.host.write(f'[command.tool]\nargv = ["{script}"]\n')
    else:
        local.host.declare(smoke=[str(script)])

    planned, applied = local("plan"), local("apply")

    assert planned.code == applied.code == 77, planned.out
    assert planned.first["error"] == applied.first["error"]
    assert "unsafe program" in planned.first["error"]["message"]


def test_program_is_trusted_if_only_root_is_in_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Debian, the group `staff` may write to `/usr/local`."""
    program = tmp_path / "program"
    program.touch()
    program.chmod(0o775)
    assert find_threat(str(program)) is None

    os.chown(program, 0, 54321)
    assert find_threat(str(program)) is None
    monkeypatch.setattr(program_trust, "_has_members", lambda gid: gid == 54321)
    threat = find_threat(str(program))
    assert threat is not None
    assert threat.uid is None
