"""Hash and compile files in processes of an interpreter, on all CPUs.

The processes share two files. One has a job in each line, as JSON. The other is the queue: the
number of each job. All processes have it open as one file, so each takes the next number.
"""

from __future__ import annotations

import contextvars
import json
import os
import re
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.frozen import frozen
from engine.system.linux import cpu_count
from states.system import subprocesses

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import BinaryIO

SCRIPT = os.path.join(os.path.dirname(__file__), "compile_script.py")
Row = tuple[str, str, int]
"""The SHA-256 of a file, that of its bytecode or nothing, and the size of that in bytes."""
_NUMBER_SIZE = 4
_OS_ERROR = re.compile(r"\[Errno (?P<number>\d+)\] (?P<message>[^:]+)(?:: '(?P<path>.*)')?$")
"""The last line of an interpreter that got an OSError."""
_FILES_PER_PROCESS = 50
_processes = threading.BoundedSemaphore(cpu_count())
"""Limits the processes of all venvs that are built in parallel."""


@frozen
class Job:
    """Files that one process hashes, and compiles if they are sources."""

    files: tuple[str, ...]
    """The files, relative to the generation."""
    are_sources: bool
    """Whether to compile them."""
    packed: str = ""
    """A new file that also receives the bytecode of all sources. Not created if empty."""
    cached: str = ""
    """A file that begins with the bytecode of all sources, or empty."""
    expected: tuple[Row, ...] = ()
    """The result if the sources and `cached` are as expected. Otherwise, they are compiled."""


def write_jobs(path: str, jobs: Iterable[Job], results: str = "") -> None:
    """Write the file with the jobs.

    Args:
        path: The file.
        jobs: The jobs.
        results: The directory for the results. If empty, the processes don't report any.

    """
    with open(path, "w", encoding="ascii") as stream:
        for number, job in enumerate(jobs):
            record = {
                "files": job.files,
                "compile": job.are_sources,
                "packed": job.packed,
                "cached": job.cached,
                "expected": job.expected,
                "result": f"{results}/{number}" if results else "",
            }
            stream.write(f"{json.dumps(record)}\n")


def run_jobs(python: str, root: str, jobs: Sequence[Job], scratch: str) -> list[list[Row]]:
    """Do jobs in parallel, those with the largest sources first.

    Args:
        python: The interpreter. It isn't the one in the generation: nothing of that is verified.
        root: The directory of the generation.
        jobs: The jobs.
        scratch: A directory for files that the processes share.

    Returns:
        The result of each job: a row for each file. The SHA-256 of a file is empty if the caller
        has to examine the file.

    Raises:
        ConvergeError, OSError: A process failed.

    """
    directory = tempfile.mkdtemp(dir=scratch)
    listing, queue = f"{directory}/jobs", f"{directory}/queue"
    write_jobs(listing, jobs, directory)
    sizes = [_size(root, job) for job in jobs]
    with open(queue, "wb") as stream:
        for number in sorted(range(len(jobs)), key=lambda number: (-sizes[number], number)):
            stream.write(number.to_bytes(_NUMBER_SIZE, "little"))
    count = min(cpu_count(), 1 + sum(len(job.files) for job in jobs) // _FILES_PER_PROCESS)
    argv = [python, "-I", "-S", SCRIPT, root, listing]
    with open(queue, "rb", buffering=0) as stream, ThreadPoolExecutor(max_workers=count) as pool:
        futures = [
            pool.submit(contextvars.copy_context().run, _work, argv, stream, scratch)
            for _ in range(count)
        ]
        for future in futures:
            future.result()
    return [_read_result(f"{directory}/{number}") for number in range(len(jobs))]


def _size(root: str, job: Job) -> int:
    """Return the size in bytes of the sources to compile, which take nearly all of the time."""
    if not job.are_sources or job.cached:
        return 0
    return sum(os.path.getsize(f"{root}/{path}") for path in job.files)


def _work(argv: list[str], queue: BinaryIO, scratch: str) -> None:
    """Run one process, unless the others have done all jobs before it may start.

    Args:
        argv: The program and its arguments.
        queue: The queue, which becomes the standard input.
        scratch: The home directory of the process.

    Raises:
        ConvergeError, OSError: The process failed.

    """
    with _processes:
        if queue.tell() == os.fstat(queue.fileno()).st_size:
            return
        completed = subprocesses.run(
            argv,
            env=subprocesses.clean_environment(scratch),
            cwd=scratch,
            inherit=subprocesses.Inherited(stdin=queue),
        )
    if completed.status != 0:
        match = _OS_ERROR.search(completed.output)
        if match:
            raise OSError(int(match["number"]), match["message"], match["path"])
        raise ConvergeError("compiling bytecode failed", output=completed.last_lines())


def _read_result(path: str) -> list[Row]:
    with open(path, encoding="ascii") as stream:
        return [(digest, bytecode, size) for digest, bytecode, size in json.load(stream)]
