"""A sandbox for a command that a test kills, with its own PID and mount namespaces.

The whole file system is read-only except the named directories, so a faulty tool can't damage
anything else. One SIGKILL to the first process of the sandbox ends all of its processes.
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
from .syscalls import architecture

CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWPID: Final = 0x20000000
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_MS_BIND: Final = 4096
_MS_REC: Final = 16384
_MS_PRIVATE: Final = 1 << 18
_SYS_MOUNT_SETATTR: Final = 442
_AT_RECURSIVE: Final = 0x8000
_MOUNT_ATTR_RDONLY: Final = 1
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, and the directories that it can write to."""

    argv: Sequence[str]
    writable: Sequence[Path]
    """Writable directories. Everything else is read-only for the command."""
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: Path = Path("/")
    stdin: int | None = None
    """Descriptors of the three streams. By default, stdin is empty and the output is captured."""
    stdout: int | None = None
    stderr: int | None = None
    umask: int = 0o022
    offline: bool = False
    """Whether to run in a network namespace without interfaces."""
    wait_for_orphans: bool = False
    """Whether to wait for processes that outlive the command, instead of killing them."""
    mounts: Sequence[tuple[str, str, str, str]] = ()
    """Mounts for this command only: source, target, type, and options of mount(2)."""


BOOT_ID_FILE: Final[ContextVar[Path | None]] = ContextVar("BOOT_ID_FILE", default=None)
"""A file to mount over the kernel's boot ID, to simulate a reboot after a power cut."""


def unshare(flags: int) -> None:
    """Call unshare(2). Python has it only since 3.12."""
    if seccomp.LIBC.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """Call mount(2). Raises OSError."""
    arguments = [argument.encode() or None for argument in (source, target, kind)]
    options = data.encode() or None
    if seccomp.LIBC.mount(*arguments, ctypes.c_ulong(flags), options):
        raise OSError(ctypes.get_errno(), f"mount {source} {target}")


def unshare_mounts() -> None:
    """Enter a new mount namespace, so that later mounts aren't visible outside."""
    unshare(CLONE_NEWNS)
    mount("none", "/", "", _MS_REC | _MS_PRIVATE)


def _set_read_only(path: str, on: bool) -> None:
    """Make the mounts at and below `path` read-only or writable, but not their file systems."""
    bits = struct.pack(
        "=4Q", _MOUNT_ATTR_RDONLY if on else 0, 0 if on else _MOUNT_ATTR_RDONLY, 0, 0
    )
    failed = seccomp.LIBC.syscall(
        _SYS_MOUNT_SETATTR, -100, path.encode(), _AT_RECURSIVE, bits, ctypes.c_size_t(len(bits))
    )
    if failed:
        raise OSError(ctypes.get_errno(), f"mount_setattr {path}")


def unsupported_reason() -> str | None:
    """Return why this machine doesn't support the sandbox, or None if it does."""
    if not sys.platform.startswith("linux") or architecture() is None:
        return "requires Linux on x86_64 or aarch64"
    child = os.fork()
    if child == 0:
        try:
            _unshare_namespaces(offline=False)
            _set_read_only("/", on=True)
            os.close(seccomp.install(writes=False))
        except OSError as error:
            os._exit(error.errno or 255)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return None if status == 0 else f"no namespaces or seccomp: {os.strerror(status)}"


def _unshare_namespaces(*, offline: bool) -> None:
    """Enter new PID and mount namespaces, inside a user namespace if unprivileged."""
    flags = _CLONE_NEWPID | CLONE_NEWNS | (_CLONE_NEWNET if offline else 0)
    uid, gid = os.geteuid(), os.getegid()
    try:
        unshare(flags)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        unshare(flags | _CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    mount("none", "/", "", _MS_REC | _MS_PRIVATE)


def start(command: Command, *, writes: bool, reads: bool = False) -> tuple[int, socket.socket]:
    """Start `command` and return the process ID to wait for and the socket of its reports.

    The reports are JSON:

    * `{"init": pid}`: the first process of the sandbox has started.
    * `{"listener": 0}`: the descriptor of the listener and the credentials of the command are
      attached.
    * `{"exit": code}`: the command has ended.
    * `{"failed": message}`: the sandbox couldn't start the command.
    """
    parent_end, child_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent_end.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    outer = os.fork()
    if outer:
        child_end.close()
        return outer, parent_end
    parent_end.close()
    calls = {"writes": writes, "reads": reads}
    _report_failure(child_end, lambda: _run_outer(command, child_end, calls))
    os._exit(0)


def _report_failure(report: socket.socket, function: object) -> None:
    assert callable(function)
    try:
        function()
    except BaseException as error:
        report.send(json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode())
        os._exit(70)


def _run_outer(command: Command, report: socket.socket, calls: Mapping[str, bool]) -> None:
    """Run the process between the supervisor and the sandbox: create the namespaces, then wait."""
    seccomp.LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    isolate(command.writable, offline=command.offline, mounts=command.mounts)
    init_pid = os.fork()
    if init_pid:
        report.send(json.dumps({"init": init_pid}).encode())
        os.waitpid(init_pid, 0)
        return
    _report_failure(report, lambda: _run_init(command, report, calls))
    os._exit(0)


def isolate(
    writable: Sequence[Path],
    *,
    offline: bool = False,
    mounts: Sequence[tuple[str, str, str, str]] = (),
) -> None:
    """Enter new namespaces in which only some directories are writable. Children are in them."""
    _unshare_namespaces(offline=offline)
    for source, target, kind, options in mounts:
        mount(source, target, kind, 0, options)
    for directory in writable:
        mount(str(directory), str(directory), "", _MS_BIND | _MS_REC)
    _set_read_only("/", on=True)
    for directory in writable:
        _set_read_only(str(directory), on=False)


def mount_proc() -> None:
    """Mount the `/proc` of this PID namespace, if that is allowed."""
    try:
        mount("proc", "/proc", "proc")
    except OSError as error:
        if error.errno != errno.EPERM:
            raise


def _run_init(command: Command, report: socket.socket, calls: Mapping[str, bool]) -> None:
    """Run process 1 of the sandbox: start the command, and reap orphaned processes."""
    seccomp.LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    mount_proc()
    boot_id_file = BOOT_ID_FILE.get()
    if boot_id_file is not None:
        mount(str(boot_id_file), "/proc/sys/kernel/random/boot_id", "", _MS_BIND)
    main = os.fork()
    if main == 0:
        _report_failure(report, lambda: _exec_command(command, report, calls))
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return
        if pid == main:
            code = os.waitstatus_to_exitcode(status)
            report.send(json.dumps({"exit": code}).encode())
            if not command.wait_for_orphans:
                return


def _exec_command(command: Command, report: socket.socket, calls: Mapping[str, bool]) -> None:
    os.chdir(command.cwd)
    os.umask(command.umask)
    null = os.open(os.devnull, os.O_RDWR)
    for number, stream in enumerate((command.stdin, command.stdout, command.stderr)):
        os.dup2(null if stream is None else stream, number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    listener = seccomp.install(**calls)
    rights = struct.pack("i", listener)
    report.sendmsg([b'{"listener": 0}'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    os.execvpe(command.argv[0], list(command.argv), dict(command.env))
