"""`selftest` checks a file system, including recovery after kills."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.integration.host import Host
from tests.integration.mount_namespaces import UNPRIVILEGED_UID, mount_namespace


@pytest.mark.parametrize("kills", ["0", "-3", "²", "many"])
def test_invalid_number_of_kills_is_refused(host: Host, kills: str) -> None:
    refused = host.run("selftest", "--dir", ".", f"--kills={kills}")

    assert refused.code == 64
    assert "--kills" in refused.err


def test_selftest_passes_on_a_working_file_system(host: Host) -> None:
    done = host.run("selftest", "--dir", ".", "--kills", "2")

    assert done.code == 0, done.out + done.err
    assert "kill 2 of 2" in done.err
    assert "killed updates: 2, each repaired by the next run" in done.out
    assert "all tests passed" in done.out
    assert not list(host.directory.glob("converge-selftest-*"))


def test_interrupted_selftest_removes_its_files(host: Host) -> None:
    command = host.argv("selftest", "--dir", ".")
    process = subprocess.Popen(
        command, cwd=host.directory, env=host.environment(), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "kill 1 of" in process.stderr.readline()
    process.terminate()

    assert "interrupted by SIGTERM" in process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert not list(host.directory.glob("converge-selftest-*"))


def test_selftest_reports_failed_recovery_and_its_kill(host: Host) -> None:
    """Negative control: renames to `trash-*` fail, which breaks only the recovery."""
    host.write(
        "import os\n"
        "rename = os.rename\n"
        "def refuse(source, target, **more):\n"
        "    if 'trash-' in str(target):\n"
        "        raise OSError(5, os.strerror(5), source)\n"
        "    rename(source, target, **more)\n"
        "os.rename = refuse\n",
        "broken/sitecustomize.py",
    )
    python_path = f"{host.directory / 'broken'}:{host.environment()['PYTHONPATH']}"

    done = host.run("selftest", "--dir", ".", "--kills", "4", env={"PYTHONPATH": python_path})

    assert done.code == 1, done.out + done.err
    assert "x killed before change" in done.out
    assert "the disk reports errors" in done.out
    assert "all tests passed" not in done.out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused a directory of another user")
def test_selftest_reports_failure_without_any_kill(host: Host) -> None:
    (host.directory / "foreign").mkdir()
    os.chown(host.directory / "foreign", UNPRIVILEGED_UID, UNPRIVILEGED_UID)

    done = host.run("selftest", "--dir", "foreign")

    assert done.code == 1, done.out + done.err
    assert "failed without a kill" in done.out
    assert f"owned by uid {UNPRIVILEGED_UID}" in done.out
    assert "repaired" not in done.out


def test_selftest_reports_a_noexec_file_system(host: Host) -> None:
    (host.directory / "disk").mkdir()
    with mount_namespace(
        f"mount -t tmpfs -o noexec none '{host.directory / 'disk'}'", host.directory
    ) as prefix:
        done = host.run("selftest", "--dir", "disk", "--kills", "1", prefix=prefix)

    assert done.code == 1, done.out + done.err
    assert "x programs can be executed: Permission denied" in done.out
