"""Start the command by a fork of a process that has imported its modules.

Starting an interpreter and importing everything takes half of the time of a small apply. A forked run is a
process of its own with its own environment, directory, umask, and streams, as if it had been started.
Successive runs have different hash seeds. `can_fork` decides which runs need a real start.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import itertools
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
_FIXED: Final = {
    "LANG": ("C.UTF-8",),
    "PYTHONPATH": (str(ROOT),),
    "PYTHONDONTWRITEBYTECODE": ("1",),
}
"""Variables that affect the start of an interpreter, with the values that a fork can have."""
_MAX_MESSAGE: Final = 1 << 17
_PRELOADED: Final = ("networkx", "pydantic", "rich.progress", "virtualenv.run", "packaging.pylock")


def can_fork(python: str, env: Mapping[str, str]) -> bool:
    """Return whether a run behaves the same if it is forked instead of started.

    Args:
        python: The interpreter.
        env: The complete environment. Coverage is measured only from the start of an interpreter.
    """
    if python != sys.executable or any(name.startswith("COVERAGE_") for name in os.environ):
        return False
    prefixes = ("PYTHON", "LC_", "LANG", "LD_", "COVERAGE_")
    special = {name: value for name, value in env.items() if name.startswith(prefixes)}
    return "LANG" in special and all(
        value in _FIXED.get(name, ()) for name, value in special.items()
    )


def run(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdin: bytes,
    umask: int,
    timeout: float,
) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end, as `subprocess.run` does.

    Args:
        arguments: The arguments without the name of the program.
        env: The complete environment, for which `can_fork` is true.
        cwd: The current directory.
        stdin: The content of standard input.
        umask: The umask; -1 keeps that of the server. The command sets its own at once.
        timeout: Seconds after which the command is killed.

    Raises:
        subprocess.TimeoutExpired: The command was killed.
    """
    request = json.dumps([list(arguments), dict(env), str(cwd), umask]).encode()
    client, server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pipes = [os.pipe() for _ in range(3)]
    (stdin_read, stdin_write), (out_read, out_write), (err_read, err_write) = pipes
    given = [server.fileno(), stdin_read, out_write, err_write]
    socket.send_fds(next(_servers()), [request], given)
    server.close()
    for descriptor in given[1:]:
        os.close(descriptor)
    with client:
        pid = int(client.recv(16))
        try:
            out, err = _communicate({stdin_write: stdin}, (out_read, err_read), timeout)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(arguments), timeout) from None
        code = os.waitstatus_to_exitcode(int(client.recv(16)))
    return subprocess.CompletedProcess(list(arguments), code, out, err)


def _communicate(
    inputs: dict[int, bytes], outputs: Sequence[int], timeout: float
) -> tuple[bytes, ...]:
    """Write to pipes and read from others until all of them are closed.

    Args:
        inputs: The content by descriptor.
        outputs: The descriptors to read.
        timeout: Seconds until a `TimeoutError`.
    """
    deadline = time.monotonic() + timeout
    collected = {descriptor: bytearray() for descriptor in outputs}
    with selectors.DefaultSelector() as selector:
        for descriptor in inputs:
            selector.register(descriptor, selectors.EVENT_WRITE)
        for descriptor in outputs:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            if time.monotonic() > deadline:
                raise TimeoutError
            for key, _ in selector.select(deadline - time.monotonic()):
                if not _transfer(key.fd, inputs, collected):
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return tuple(bytes(collected[descriptor]) for descriptor in outputs)


def _transfer(
    descriptor: int, inputs: dict[int, bytes], collected: Mapping[int, bytearray]
) -> bool:
    """Move one block. Return False at the end."""
    if descriptor in collected:
        data = os.read(descriptor, 1 << 16)
        collected[descriptor] += data
        return bool(data)
    try:
        written = os.write(descriptor, inputs[descriptor][: 1 << 12])
    except BrokenPipeError:
        return False  # The command doesn't read the rest.
    inputs[descriptor] = inputs[descriptor][written:]
    return bool(inputs[descriptor])


@cache
def _servers() -> Iterator[socket.socket]:
    """Start two servers, and yield their sockets in turn.

    A hash seed lasts as long as an interpreter. With one server, a test couldn't find output or
    state that depends on the order of a set.
    """
    return itertools.cycle([_start_server(), _start_server()])


def _start_server() -> socket.socket:
    """Start a server, and return its socket. It ends with this process."""
    client, server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        **{name: values[0] for name, values in _FIXED.items()},
    }
    with server:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server", str(server.fileno())],
            cwd=ROOT,
            env=environment,
            pass_fds=[server.fileno()],
        )
    atexit.register(_stop, process, client)
    return client


def _stop(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    connection.close()
    process.wait()


def serve(connection: socket.socket) -> None:
    """Import the command, then fork for each request until the client has ended."""
    _import_all(("engine", "states"))
    for name in _PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The client decides when the server ends.
    while True:
        request, descriptors, _, _ = socket.recv_fds(connection, _MAX_MESSAGE, 4)
        _reap()
        if not request:
            return
        if os.fork() == 0:
            connection.close()
            _watch(json.loads(request), *descriptors)
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def _reap() -> None:
    """Wait for the watchers that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _import_all(packages: Iterable[str]) -> None:
    for package in packages:
        module = importlib.import_module(package)
        for info in pkgutil.walk_packages(module.__path__, f"{package}."):
            is_program = info.name.endswith(("__main__", "compile_script", "startup_hook"))
            if not is_program and not info.name.startswith("states.wrappers."):
                importlib.import_module(info.name)


def _watch(request: list[Any], connection: int, *streams: int) -> None:
    """Fork the run, report its process ID, and then its exit status."""
    pid = os.fork()
    if pid == 0:
        os.close(connection)
        _become(streams)
        os._exit(_run(*request))
    for descriptor in streams:
        os.close(descriptor)
    with socket.socket(fileno=connection) as replies, suppress(BrokenPipeError):
        replies.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        replies.send(str(status).encode())


def _become(streams: Sequence[int]) -> None:
    """Make three descriptors the standard streams, and handle signals as at a start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    # The error handlers depend on the locale, which is the same in the server.
    sys.stdin = open(0, encoding="utf-8", errors=sys.stdin.errors, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors=sys.stdout.errors, closefd=False)  # noqa: SIM115
    sys.stderr = io.TextIOWrapper(
        open(2, "wb", closefd=False),  # noqa: SIM115
        "utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]


def _run(arguments: list[str], env: dict[str, str], cwd: str, umask: int) -> int:
    """Run the command in this process, and return its exit code."""
    os.chdir(cwd)
    if umask != -1:
        os.umask(umask)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    tempfile.tempdir = None  # A library may have found the directory of the server.
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in env
    sys.argv[1:] = arguments
    code = 1
    try:
        runpy.run_module("states", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]  # Waits for threads.
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    return code


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
