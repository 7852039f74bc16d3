"""Mount namespaces that outlive one command, so that a test can try a full or read-only disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


@contextmanager
def room(script: str, folder: Path) -> Iterator[list[str]]:
    """Run a script of mounts in a namespace of its own; yield the words that enter it there."""
    if os.geteuid() != 0 or not shutil.which("nsenter"):
        pytest.skip("only root can mount, and needs unshare and nsenter")
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-e", "-c"]
    holder = subprocess.Popen(
        [*words, f"{script}\necho ready\nexec sleep 600"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        if holder.stdout.readline() != "ready\n":
            pytest.skip("mounts are not allowed here")
        yield ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", f"--wd={folder}"]
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout is not None:
            holder.stdout.close()


def small_disk(folder: Path, size: str) -> str:
    """Return the script that puts a small file system at a folder."""
    return f"mount -t tmpfs -o size={size},mode=0755 small '{folder}'"


def read_only(folder: Path) -> str:
    """Return the script that makes a folder read-only."""
    return f"mount --bind '{folder}' '{folder}'\nmount -o remount,bind,ro '{folder}'"


def image(folder: Path, *options: str) -> str:
    """Return the script that makes of what a folder holds an image, seen from a container.

    Changes go to a layer above (overlayfs), and no folder of the image can be renamed.
    """
    layer = folder.with_name(f"{folder.name}-layer")
    layer.mkdir()
    places = f"lowerdir={folder},upperdir={layer}/upper,workdir={layer}/work"
    places = ",".join((places, *options))
    return (
        f"mount -t tmpfs layer '{layer}'\n"
        f"mkdir '{layer}/upper' '{layer}/work'\n"
        f"mount -t overlay -o '{places}' image '{folder}'"
    )


def without_proc(root: Path) -> str:
    """Return the script that shows in a folder all that the host has, but for `/proc`."""
    root.mkdir()
    return (
        f"mount -t tmpfs root '{root}'\n"
        "for one in /*; do\n"
        f"  if [ -L $one ]; then cp -P $one '{root}'\n"
        f"  elif [ -d $one ] && [ $one != /proc ]; then mkdir '{root}'$one\n"
        f"    mount --rbind $one '{root}'$one\n"
        "  fi\n"
        "done"
    )
