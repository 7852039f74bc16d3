"""Divide work among forked copies of this process.

A copy has everything that this process has read, so it starts within a millisecond and runs no
program. It only returns answers. If it fails, this process does its part of the work.
"""

from __future__ import annotations

import marshal
import os
from contextlib import suppress
from io import FileIO
from typing import TYPE_CHECKING

from engine.system.files import write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn, TypeVar

    from typing_extensions import Self

    Answer = TypeVar("Answer")

_MAX_TOKENS = 2048
"""A pipe holds at least a page (pipe(7)), so that many tokens of two bytes never block."""


def divide(
    function: Callable[[int], Answer],
    count: int,
    processes: int,
    on_take: Callable[[int], object] = lambda _number: None,
) -> list[Answer]:
    """Call a function with each number below `count`, in this process and in forked ones.

    Each process takes the next number when it is ready. If a fork fails, fewer processes do the
    work. If a child fails or is killed, this process repeats its calls.

    Call it while no other thread holds a lock that the function needs. The thread of a live display
    holds none. Before its return, all children have ended. If this process is killed, a child ends
    after its current call.

    Args:
        function: Reads, and returns what `marshal` can write. Its results must not depend on
            which process calls it, or in which order.
        count: The number of calls.
        processes: The maximum number of processes, with this one.
        on_take: Called in this process with each number that it takes. A process has taken every
            lower number.

    Returns:
        The results, in the order of the numbers.

    Raises:
        BaseException: The function raised it in this process.

    """
    try:
        queue = _Queue(count)
    except OSError:  # Too many files are open.
        return [function(number) for number in range(count)]
    children: list[_Child] = []
    try:
        with queue:
            with suppress(OSError):  # There are too many processes or open files: use fewer.
                for _ in range(min(processes, count) - 1):
                    children.append(_Child(function, queue))
            answers = {}
            for number in queue:
                on_take(number)
                answers[number] = function(number)
        for child in children:
            answers.update(child.answers())
    finally:
        for child in children:
            child.end()
    return [answers[number] if number in answers else function(number) for number in range(count)]


class _Queue:
    """Numbers that several processes take, each number once: a pipe full of tokens."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._descriptor, write_end = os.pipe()
        try:
            tokens = range(min(count, _MAX_TOKENS))
            write_all(write_end, b"".join(token.to_bytes(2, "little") for token in tokens))
        finally:
            os.close(write_end)  # So that the end of the tokens is the end of the file.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._descriptor)

    def __iter__(self) -> Iterator[int]:
        while token := os.read(self._descriptor, 2):
            yield from range(int.from_bytes(token, "little"), self._count, _MAX_TOKENS)


class _Child:
    """A forked process, and the pipe for its answers.

    Raises:
        OSError: The kernel has no resources for another process.

    """

    def __init__(self, function: Callable[[int], object], queue: _Queue) -> None:
        parent = os.getpid()
        self._descriptor, write_end = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            os.close(self._descriptor)
            raise
        else:
            if self._pid == 0:
                _answer(function, queue, parent, write_end)
        finally:
            os.close(write_end)

    def answers(self) -> dict[int, Any]:
        """Wait for the answers. There are none if the process failed."""
        with FileIO(self._descriptor, closefd=False) as file:
            data = file.readall()
        with suppress(EOFError, ValueError, TypeError):
            return dict(marshal.loads(data))
        return {}

    def end(self) -> None:
        """Kill the process if it still works, and wait for its end."""
        os.close(self._descriptor)
        with suppress(ProcessLookupError):
            os.kill(self._pid, 9)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def _answer(
    function: Callable[[int], object], queue: _Queue, parent: int, descriptor: int
) -> NoReturn:
    """Do a part of the work in a child. No exit handler runs, and no buffer is flushed.

    Args:
        function: The function to call.
        queue: The numbers.
        parent: The process that waits for the answers.
        descriptor: The pipe for the answers.

    """
    try:
        answers = {}
        for number in queue:
            if os.getppid() != parent:
                break
            with suppress(Exception):  # The parent meets the error again, and reports it.
                answers[number] = function(number)
        write_all(descriptor, marshal.dumps(answers))
    finally:
        os._exit(0)
