"""converge works in a chroot without `/proc`, such as one used to build an image."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.system.lock import hold_lock
from tests.integration.host import Host
from tests.integration.mount_namespaces import mount_namespace, without_proc


@pytest.fixture
def in_chroot(host_with_wheels: Host) -> Iterator[list[str]]:
    """Yield the command prefix that runs a program in the chroot."""
    root = host_with_wheels.directory.with_name(f"{host_with_wheels.directory.name}-root")
    with mount_namespace(without_proc(root), host_with_wheels.directory) as in_namespace:
        yield [*in_namespace, "unshare", f"--root={root}", f"--wd={host_with_wheels.directory}"]


def test_apply_without_proc_updates_and_collects_garbage(
    host_with_wheels: Host, in_chroot: list[str]
) -> None:
    for version in ("1.0", "1.1"):
        host_with_wheels.declare([f"alpha=={version}"], keep=0)
        host_with_wheels.apply_ok(prefix=in_chroot)
    again = host_with_wheels.apply_ok(prefix=in_chroot)

    assert not again.report["changed"]
    assert len(host_with_wheels.generations()) == 1
    assert not list((host_with_wheels.cache / "uv-unflushed").iterdir())


def test_generation_in_use_is_detected_by_its_lease(
    host_with_wheels: Host, in_chroot: list[str]
) -> None:
    host_with_wheels.declare(["alpha==1.0"], keep=0)
    host_with_wheels.apply_ok()
    argv: list[str | Path] = [
        host_with_wheels.venv / "bin/python",
        "-c",
        "print(flush=True); input()",
    ]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        service.stdout.readline()
        host_with_wheels.declare(["alpha==1.1"], keep=0)
        host_with_wheels.apply_ok(prefix=in_chroot)

        assert len(host_with_wheels.generations()) == 2
        assert host_with_wheels.run("status", "converge.toml", prefix=in_chroot).code == 0
        service.communicate()


def test_lock_holder_without_proc_is_unknown(host_with_wheels: Host, in_chroot: list[str]) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.apply_ok()
    with hold_lock(lambda: str(host_with_wheels.store / "lock"), 1):
        refused = host_with_wheels.run("gc", "converge.toml", "--lock-timeout=0", prefix=in_chroot)

    assert refused.code == 75
    assert "locked by a process that isn't visible from here" in refused.err


@pytest.mark.parametrize("kind", ["directory", "file", "file system"])
def test_mount_inside_a_generation_is_found_without_proc(
    host_with_wheels: Host, in_chroot: list[str], kind: str
) -> None:
    """A bind mount of the same file system has the same device number."""
    host = host_with_wheels
    host.declare(["beta"], keep=1)
    host.apply_ok()
    target, data = host.generation / "data", host.directory / "data"
    (host.site / "beta").mkdir(exist_ok=True)
    for directory in (target, data):
        directory.touch() if kind == "file" else directory.mkdir()
    if kind == "directory":
        (data / "file").write_text("precious")
    elif kind == "file":
        data.write_text("precious")
    source = ["-t", "tmpfs", "tmpfs"] if kind == "file system" else ["--bind", str(data)]
    subprocess.run([*in_chroot, "mount", *source, target], check=True)
    host.declare(["beta"], keep=0, mode="0750")
    applied = host.apply(prefix=in_chroot)
    collected = host.run("gc", "converge.toml", "--keep", "0", prefix=in_chroot)
    assert applied.code == collected.code == 0
    (stuck,) = host.store.glob("stuck-*")
    assert f"can't delete `{stuck}`" in collected.err
    assert (data if kind == "file" else data / "file" if kind == "directory" else data).exists()
    assert (stuck / "pyvenv.cfg").exists()  # Not even partly deleted.
