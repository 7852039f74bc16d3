"""Copy the files of a generation in several processes, one for each CPU."""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import InputOutputError
from engine.system.linux import cpu_count
from states.system import subprocesses
from states.venv.build.reuse.file_copy import copy_files, read_keys, write_listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from states.venv.build.reuse.file_copy import File
    from states.venv.integrity.stat_cache import Key

_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); "
    f"from {copy_files.__module__} import main; main(*sys.argv[2:])"
)
_LIBRARY = __file__.removesuffix(f"{__name__.replace('.', os.sep)}.py")
"""The directory that contains the package `states`."""
_FILES_PER_PROCESS = 500
"""Fewer files are copied before another process has started."""
_FILE_COST = 1 << 16
"""The number of bytes that take as long to copy as it takes to create a file."""
_processes = threading.BoundedSemaphore(cpu_count())
"""Limits the copying processes of all venvs that are built in parallel."""


@contextmanager
def copying(
    source: str, target: str, files: list[File], scratch: str
) -> Iterator[Callable[[], dict[str, Key | None]]]:
    """Copy files while the context runs.

    The lock of the store must be held. A worker inherits it. If this process is killed, the
    worker ends when it has copied its part, or earlier, at its next report of progress.

    Args:
        source: The directory of one generation.
        target: The directory of the other one.
        files: The files.
        scratch: A directory for temporary files.

    Yields:
        A function that waits for the copies and returns the stat key of each, by path, or None
        without a copy. If a worker failed, its paths are missing: their copies may exist.

    """
    parts = deal(files, min(cpu_count(), 1 + len(files) // _FILES_PER_PROCESS))
    copy = _copy_in_worker if len(parts) > 1 else _copy_here
    with ThreadPoolExecutor(max_workers=max(1, len(parts))) as pool:
        futures = [
            pool.submit(
                contextvars.copy_context().run,
                copy,
                source,
                target,
                part,
                f"{scratch}/copies-{os.path.basename(source)}-{index}",
            )
            for index, part in enumerate(parts)
        ]
        yield lambda: {path: key for future in futures for path, key in future.result().items()}


def deal(files: Iterable[File], count: int) -> list[list[File]]:
    """Divide files into parts that take about as long to copy.

    A directory stays in one part, because the kernel creates one file at a time in it.
    """
    directories: dict[str, list[File]] = {}
    for file in files:
        directories.setdefault(os.path.dirname(file[0]), []).append(file)
    groups = directories.values()
    loads = [0] * count
    parts: list[list[File]] = [[] for _ in range(count)]
    for cost, group in sorted(((_cost(group), group) for group in groups), reverse=True):
        lightest = loads.index(min(loads))
        loads[lightest] += cost
        parts[lightest] += group
    return [part for part in parts if part]


def _cost(files: list[File]) -> int:
    return sum(size + _FILE_COST for _, _, size, _ in files)


def _copy_in_worker(
    source: str, target: str, files: list[File], listing: str
) -> dict[str, Key | None]:
    """Copy files in a process of this interpreter, or in this one if it can't be started.

    Args:
        source: The directory of one generation.
        target: The directory of the other one.
        files: The files.
        listing: A path for their list.

    Returns:
        The stat key of each copy by path, or an empty dictionary if the process failed.

    """
    write_listing(listing, files)
    scratch = os.path.dirname(listing)
    interpreter = [sys.executable, "-I", "-S", "-B"]
    arguments = [_LIBRARY, source, target, listing]
    try:
        with _processes:
            completed = subprocesses.run(
                [*interpreter, "-c", _PROGRAM, *arguments],
                env=subprocesses.clean_environment(scratch),
                cwd=scratch,
            )
    except (OSError, InputOutputError):
        return _copy_here(source, target, files, listing)
    if completed.status != 0:
        return {}
    return dict(zip((path for path, *_ in files), read_keys(listing), strict=True))


def _copy_here(source: str, target: str, files: list[File], _listing: str) -> dict[str, Key | None]:
    """Copy files as `_copy_in_worker`, in this process.

    Args:
        source: The directory of one generation.
        target: The directory of the other one.
        files: The files.
        _listing: Not used.

    Returns:
        The stat key of each copy by path, or None if there is no copy.

    """
    keys: dict[str, Key | None] = {}
    for (path, *_), key in zip(files, copy_files(source, target, files), strict=True):
        keys[path] = key
        progress.advance()
    return keys
