"""A place to start a command that is meant to be killed: its own processes, its own mounts.

Everything is read-only there but the folders named, so that a tool gone wrong harms nothing else;
and one SIGKILL to the cage's first process ends every process in it.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from . import seccomp
from .syscalls import machine

NEW_MOUNTS: Final = 0x00020000
_NEW_PIDS: Final = 0x20000000
_NEW_USERS: Final = 0x10000000
_NEW_NETWORK: Final = 0x40000000
_BIND: Final = 4096
_RECURSIVE: Final = 16384
_PRIVATE: Final = 1 << 18
_MOUNT_SETATTR: Final = 442
_AT_RECURSIVE: Final = 0x8000
_READ_ONLY: Final = 1
_DEATH_SIGNAL: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run, and what it may touch."""

    argv: Sequence[str]
    writable: Sequence[Path]
    """Folders that stay writable; everything else is read-only for the command."""
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: Path = Path("/")
    stdin: int | None = None
    """Descriptors for the three streams; None means nothing to read, and output kept."""
    stdout: int | None = None
    stderr: int | None = None
    umask: int = 0o022
    offline: bool = False
    """In a network namespace without any interface."""
    linger: bool = False
    """Let processes that outlive the command run to their own end instead of killing them."""
    before: Sequence[tuple[str, str, str, str]] = ()
    """Mounts made for this command only: source, target, type, options of mount(2)."""


BOOT: Final[ContextVar[Path | None]] = ContextVar("BOOT", default=None)
"""A file with what a cage is told is the kernel's boot id, where the power is said to have gone."""


def unshare(flags: int) -> None:
    """unshare(2), which Python has only since 3.12."""
    if seccomp.LIBC.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """mount(2); raises OSError."""
    arguments = [text.encode() or None for text in (source, target, kind)]
    options = data.encode() or None
    if seccomp.LIBC.mount(*arguments, ctypes.c_ulong(flags), options):
        raise OSError(ctypes.get_errno(), f"mount {source} {target}")


def private_mounts() -> None:
    """Leave the shared mount namespace, so that no mount made from here on is seen outside."""
    unshare(NEW_MOUNTS)
    mount("none", "/", "", _RECURSIVE | _PRIVATE)


def _set_read_only(path: str, on: bool) -> None:
    """Change the mounts at and below ``path``, never the file system beneath them."""
    bits = struct.pack("=4Q", _READ_ONLY if on else 0, 0 if on else _READ_ONLY, 0, 0)
    failed = seccomp.LIBC.syscall(
        _MOUNT_SETATTR, -100, path.encode(), _AT_RECURSIVE, bits, ctypes.c_size_t(len(bits))
    )
    if failed:
        raise OSError(ctypes.get_errno(), f"mount_setattr {path}")


def refused() -> str | None:
    """Why no cage can be made on this machine, or None where it can."""
    if not sys.platform.startswith("linux") or machine() is None:
        return "needs Linux on x86_64 or aarch64"
    child = os.fork()
    if child == 0:
        try:
            _separate(offline=False)
            _set_read_only("/", on=True)
            os.close(seccomp.install(writes=False))
        except OSError as problem:
            os._exit(problem.errno or 255)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return None if status == 0 else f"namespaces or seccomp refused: {os.strerror(status)}"


def _separate(*, offline: bool) -> None:
    """New process and mount namespaces; without privilege, through a user namespace."""
    wanted = _NEW_PIDS | NEW_MOUNTS | (_NEW_NETWORK if offline else 0)
    uid, gid = os.geteuid(), os.getegid()
    try:
        unshare(wanted)
    except OSError as problem:
        if problem.errno != errno.EPERM:
            raise
        unshare(wanted | _NEW_USERS)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    mount("none", "/", "", _RECURSIVE | _PRIVATE)


def start(command: Command, *, writes: bool) -> tuple[int, socket.socket]:
    """Start ``command``; returns the pid to wait for and the socket on which the cage reports.

    Messages are JSON: ``{"first": pid}``, ``{"listener": 0}`` with the descriptor and the
    credentials of the command attached, ``{"exit": code}``, or ``{"failed": text}``.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    outer = os.fork()
    if outer:
        theirs.close()
        return outer, ours
    ours.close()
    _guarded(theirs, lambda: _outer(command, theirs, writes))
    os._exit(0)


def _guarded(report: socket.socket, work: object) -> None:
    assert callable(work)
    try:
        work()
    except BaseException as problem:
        report.send(json.dumps({"failed": f"{type(problem).__name__}: {problem}"}).encode())
        os._exit(70)


def _outer(command: Command, report: socket.socket, writes: bool) -> None:
    """Between the supervisor and the cage: makes the namespaces, then only waits."""
    seccomp.LIBC.prctl(_DEATH_SIGNAL, signal.SIGKILL)
    os.setsid()
    _separate(offline=command.offline)
    for source, target, kind, options in command.before:
        mount(source, target, kind, 0, options)
    for folder in command.writable:
        mount(str(folder), str(folder), "", _BIND | _RECURSIVE)
    _set_read_only("/", on=True)
    for folder in command.writable:
        _set_read_only(str(folder), on=False)
    first = os.fork()
    if first:
        report.send(json.dumps({"first": first}).encode())
        os.waitpid(first, 0)
        return
    _guarded(report, lambda: _first(command, report, writes))
    os._exit(0)


def _first(command: Command, report: socket.socket, writes: bool) -> None:
    """The cage's process number 1: starts the command, reaps whatever is orphaned."""
    seccomp.LIBC.prctl(_DEATH_SIGNAL, signal.SIGKILL)
    try:
        mount("proc", "/proc", "proc")
    except OSError as problem:
        if problem.errno != errno.EPERM:
            raise
    boot = BOOT.get()
    if boot is not None:
        mount(str(boot), "/proc/sys/kernel/random/boot_id", "", _BIND)
    main = os.fork()
    if main == 0:
        _guarded(report, lambda: _become(command, report, writes))
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return
        if pid == main:
            code = os.waitstatus_to_exitcode(status)
            report.send(json.dumps({"exit": code}).encode())
            if not command.linger:
                return


def _become(command: Command, report: socket.socket, writes: bool) -> None:
    os.chdir(command.cwd)
    os.umask(command.umask)
    null = os.open(os.devnull, os.O_RDWR)
    for number, given in enumerate((command.stdin, command.stdout, command.stderr)):
        os.dup2(null if given is None else given, number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    listener = seccomp.install(writes=writes)
    rights = struct.pack("i", listener)
    report.sendmsg([b'{"listener": 0}'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    os.execvpe(command.argv[0], list(command.argv), dict(command.env))
