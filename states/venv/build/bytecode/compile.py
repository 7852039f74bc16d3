"""Put bytecode beside every source of a generation, from the cache or compiled.

Compiling takes longer than every other step of a build.
"""

from __future__ import annotations

import contextvars
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import ConvergeError
from engine.system.linux import cpu_count
from states.interpreter.user import user_of_python
from states.system import subprocesses
from states.venv.build.bytecode.cache import BytecodeCache
from states.venv.build.bytecode.compile_as_user import compile_as_user

if TYPE_CHECKING:
    from collections.abc import Mapping

    from states.venv.build.stages import Draft
    from states.venv.integrity.inspection import Inspection


_OS_ERROR = re.compile(r"\[Errno (?P<number>\d+)\] (?P<message>[^:]+)(?:: '(?P<path>.*)')?$")
"""The last line of an interpreter that got an OSError."""
_FILES_PER_PROCESS = 50
_processes = threading.BoundedSemaphore(cpu_count())
"""Limits the compiling processes of all venvs that are built in parallel."""


def compile_all(draft: Draft, inspection: Inspection) -> dict[str, str]:
    """Put bytecode beside each source that doesn't have any.

    Returns:
        The SHA-256 of each bytecode file by path.

    Raises:
        ConvergeError, OSError: A compiling process failed. A source with a syntax error isn't a
            failure. It stays without bytecode.

    """
    root, context = draft.root, draft.context
    user = user_of_python(context.selection.python)
    if user is not None:
        return compile_as_user(draft, inspection.sources, user)
    cache = BytecodeCache(context.settings, context.selection.python)
    digests: dict[str, str] = {}
    missing: list[dict[str, str]] = []
    for sources in group_by_package(inspection.sources, inspection.owners):
        restored = cache.restore(root, sources)
        if restored is None:
            missing.append(sources)
        else:
            digests.update(restored)
    if missing or inspection.own_sources:
        # A newline separates the paths in the list for the compiling process.
        paths = [path for sources in missing for path in sources if "\n" not in path]
        paths += inspection.own_sources
        noun = "file" if len(paths) == 1 else "files"
        progress.step(f"compiling {len(paths)} {noun}")
        progress.measure("compiling", len(paths), "files")
        compile_in_parallel(root, paths, context.scratch)
        for sources in missing:
            digests.update(cache.store(root, sources))
    return digests


def group_by_package(sources: Mapping[str, str], owners: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the sources of each package with their digests."""
    packages: dict[str, dict[str, str]] = {}
    for path, digest in sources.items():
        packages.setdefault(owners.get(path, ""), {})[path] = digest
    return list(packages.values())


def compile_in_parallel(root: str, paths: list[str], scratch: str) -> None:
    """Compile sources on all CPUs, in one process of the generation's interpreter for each.

    Args:
        root: The directory of the generation.
        paths: The sources, relative to it.
        scratch: A directory for the lists of sources.

    Raises:
        ConvergeError, OSError: A process failed.

    """
    count = min(cpu_count(), 1 + len(paths) // _FILES_PER_PROCESS)
    # Dealt out from the largest to the smallest, so that all processes take about as long.
    dealt = sorted(paths, key=lambda path: (-os.path.getsize(f"{root}/{path}"), path))
    with ThreadPoolExecutor(max_workers=count) as pool:
        futures = [
            pool.submit(
                contextvars.copy_context().run,
                _compile,
                root,
                dealt[index::count],
                os.path.join(scratch, f"sources-{index}"),
            )
            for index in range(count)
        ]
        for future in futures:
            future.result()


def _compile(root: str, paths: list[str], listing: str) -> None:
    with open(listing, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.writelines(f"{path}\n" for path in paths)
    script = os.path.join(os.path.dirname(__file__), "compile_script.py")
    scratch = os.path.dirname(listing)
    with _processes:
        completed = subprocesses.run(
            [f"{root}/bin/python", "-I", "-S", script, root, listing],
            env=subprocesses.clean_environment(scratch),
            cwd=scratch,
        )
    if completed.status != 0:
        match = _OS_ERROR.search(completed.output)
        if match:
            raise OSError(int(match["number"]), match["message"], match["path"])
        raise ConvergeError("compiling bytecode failed", output=completed.last_lines())
