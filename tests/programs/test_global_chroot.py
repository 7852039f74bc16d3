"""`scan` and `[global.*]` in a fresh Debian system, in which directories can be renamed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.global_packages import HOME, PYTHON, UID, GlobalHost, install_seven
from tests.integration.mount_namespaces import mount_namespace
from tests.integration.test_global import TABLE, state_of
from tests.support.command import ROOT

pytestmark = [pytest.mark.programs, pytest.mark.network]


@pytest.fixture(scope="module")
def chroot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GlobalHost]:
    """Return a Debian system with the seven packages. The source tree is mounted in it."""
    directory = tmp_path_factory.mktemp("chroot")
    root, shared = directory / "root", directory / "shared"
    shared.mkdir()
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip("requires root and debootstrap")
    suite = _os_release("VERSION_CODENAME")
    command = ["debootstrap", "--variant=minbase", "--include=python3", suite, str(root)]
    subprocess.run(command, check=True, capture_output=True)
    mounted = {str(ROOT), os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)}
    script = [
        "mount --rbind /dev '{root}/dev'",
        "mount -t proc proc '{root}/proc'",
        *(f"mkdir -p '{{root}}{p}'; mount --bind '{p}' '{{root}}{p}'" for p in [*mounted, shared]),
        f"echo 'ann:x:{UID}:{UID}::{HOME}:/bin/sh' >> '{{root}}/etc/passwd'",
    ]
    lines = "\n".join(script).replace("{root}", str(root))
    with mount_namespace(lines, directory) as in_namespace:
        prefix = [*in_namespace, "unshare", f"--root={root}", f"--wd={shared}"]
        host = GlobalHost(prefix, shared)
        install_seven(host)
        yield host


def _os_release(name: str) -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    return next(line.partition("=")[2].strip('"') for line in lines if line.startswith(f"{name}="))


def test_seven_packages_are_found_removed_and_restored(chroot: GlobalHost) -> None:
    document = json.loads(chroot.converge("scan", PYTHON, "--json").out)
    rows = document["interpreters"][0]["packages"]
    assert {row["name"] for row in rows if not row["owner"]} == {
        "shadow",
        "metrics",
        "editable",
        "personal",
        "tool",
        "library",
    }
    owners = {row["owner"] for row in rows if row["owner"]}
    assert owners >= {"python3-owned", "python3-shadow"}
    assert chroot.command("dpkg", "--verify") == ""
    before = state_of(chroot)
    file = chroot.directory / "global.toml"
    file.write_text(TABLE + 'allow = ["library"]\nusers = ["ann"]\n')

    applied = chroot.converge("apply", file)

    assert applied.code == 0, applied.out + applied.err
    assert chroot.command("dpkg", "--verify") == ""
    chroot.command("dpkg", "--audit")
    document = json.loads(chroot.converge("scan", PYTHON, "--json").out)
    names = {r["name"] for r in document["interpreters"][0]["packages"] if not r["owner"]}
    assert names == {"library"}
    assert chroot.command(PYTHON, "-B", "-c", "import shadow; print(shadow.__version__)") == "1.0\n"
    assert chroot.converge("check", file).code == 0

    restored = chroot.converge("rollback", file, "global.system")

    assert restored.code == 0, restored.err
    assert state_of(chroot) == before
    assert chroot.command("dpkg", "--verify") == ""
    assert chroot.converge("check", file).code == 0
