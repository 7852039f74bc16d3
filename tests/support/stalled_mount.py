"""Mount a file system whose server stops answering, as an unreachable network file system does.

Run it in a mount namespace: `python stalled_mount.py DIRECTORY`. It prints the ID of a process
that has a file of the file system open, and that then waits for the server indefinitely.
"""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import struct
import sys
import time

LOOKUP, GETATTR, OPEN, INIT = 1, 3, 14, 26
"""Opcodes of the FUSE protocol (linux/fuse.h)."""
ENOSYS = 38
DIRECTORY, FILE = 1, 2
"""The two inodes."""


def attributes(inode: int) -> bytes:
    """Return a `struct fuse_attr`."""
    mode = stat.S_IFDIR | 0o755 if inode == DIRECTORY else stat.S_IFREG | 0o644
    return struct.pack("<6Q10I", inode, 1, 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer(opcode: int, inode: int) -> bytes | None:
    """Return the answer to a request, or None if the request isn't supported.

    No answer is valid for any time, so the kernel requests it again for each system call.
    """
    if opcode == INIT:
        return struct.pack("<4I2H2I2H8I", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, *[0] * 8)
    if opcode == LOOKUP:
        return struct.pack("<4Q2I", FILE, 0, 0, 0, 0, 0) + attributes(FILE)
    if opcode == GETATTR:
        return struct.pack("<Q2I", 0, 0, 0) + attributes(inode)
    return bytes(16) if opcode == OPEN else None


def serve(device: int) -> None:
    """Answer requests until a file was opened."""
    opcode = 0
    while opcode != OPEN:
        request = os.read(device, 1 << 17)
        _, opcode, unique, inode = struct.unpack_from("<2I2Q", request)
        body = answer(opcode, inode)
        error = 0 if body is not None else -ENOSYS
        content = body or b""
        os.write(device, struct.pack("<IiQ", 16 + len(content), error, unique) + content)


def use(directory: str) -> None:
    """Open a file, and then wait for the server."""
    file = f"{directory}/file"
    os.open(file, os.O_RDONLY)
    print(os.getpid(), flush=True)
    time.sleep(0.2)
    os.stat(file)


def main(directory: str) -> None:
    """Mount the file system, let a child use it, and stop."""
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if ctypes.CDLL(None).mount(b"stalled", directory.encode(), b"fuse", 0, options) != 0:
        sys.exit("can't mount")
    if os.fork() == 0:
        os.close(device)
        use(directory)
    else:
        serve(device)
        os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    main(sys.argv[1])
