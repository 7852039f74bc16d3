"""Mount namespaces that outlive one command, for tests with full or read-only disks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

UNPRIVILEGED_UID = 65534
"""The uid and gid of the user `nobody`."""


def as_user(uid: int) -> list[str]:
    """Return a command prefix that switches to a user and their group, which only root can."""
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]


@contextmanager
def mount_namespace(script: str, directory: Path) -> Iterator[list[str]]:
    """Run a script of mounts in a new namespace; yield a command prefix that enters it.

    Commands with the prefix start in `directory`. Skips the test if mounts aren't possible.
    """
    if os.geteuid() != 0 or not shutil.which("nsenter"):
        pytest.skip("mounting requires root, unshare and nsenter")
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-e", "-c"]
    holder = subprocess.Popen(
        [*command, f"{script}\necho ready\nexec sleep 600"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        if holder.stdout.readline() != "ready\n":
            pytest.skip("mounts aren't allowed here")
        yield ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", f"--wd={directory}"]
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout is not None:
            holder.stdout.close()


def small_disk(directory: Path, size: str) -> str:
    """Return a script that mounts a small file system at a directory."""
    return f"mount -t tmpfs -o size={size},mode=0755 small '{directory}'"


def read_only(directory: Path) -> str:
    """Return a script that makes a directory read-only."""
    return f"mount --bind '{directory}' '{directory}'\nmount -o remount,bind,ro '{directory}'"


def overlay(directory: Path, *options: str) -> str:
    """Return a script that mounts an overlayfs, as a container does with its image.

    The content of the directory becomes the lower layer. Changes go to an upper layer, and
    directories of the lower layer can't be renamed.
    """
    layer = directory.with_name(f"{directory.name}-layer")
    layer.mkdir()
    layers = f"lowerdir={directory},upperdir={layer}/upper,workdir={layer}/work"
    layers = ",".join((layers, *options))
    return (
        f"mount -t tmpfs layer '{layer}'\n"
        f"mkdir '{layer}/upper' '{layer}/work'\n"
        f"mount -t overlay -o '{layers}' image '{directory}'"
    )


def without_proc(root: Path) -> str:
    """Return a script that mounts the host's root directory at `root`, without `/proc`."""
    root.mkdir()
    return (
        f"mount -t tmpfs root '{root}'\n"
        "for entry in /*; do\n"
        f"  if [ -L $entry ]; then cp -P $entry '{root}'\n"
        f"  elif [ -d $entry ] && [ $entry != /proc ]; then mkdir '{root}'$entry\n"
        f"    mount --rbind $entry '{root}'$entry\n"
        "  fi\n"
        "done"
    )
