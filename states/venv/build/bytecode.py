"""Bytecode for all sources of a generation, made by its own interpreter, or remembered.

Compiling is what building a venv costs most.
"""

from __future__ import annotations

import contextvars
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor

from engine import progress
from engine.errors import ConvergeError
from engine.system.linux import cpu_count
from states.system import subprocesses
from states.venv.build.bytecode_cache import BytecodeCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.settings import Settings
    from states.interpreter.discovery import Python
    from states.venv.integrity.record_check import Inspection


_LAST_WORDS = re.compile(r"\[Errno (?P<number>\d+)\] (?P<text>[^:]+)(?:: '(?P<path>.*)')?$")
"""Of an interpreter, about an error that the system gave it."""

_compilers = threading.BoundedSemaphore(cpu_count())
"""Several venvs may be built at once; so many compilers run for all of them together."""


def compile_all(
    root: str, found: Inspection, python: Python, settings: Settings, work: str
) -> dict[str, str]:
    """Put bytecode beside the sources that were found; return its digests."""
    packs = BytecodeCache(settings, python)
    digests: dict[str, str] = {}
    rest: list[dict[str, str]] = []
    for package in _by_package(found.sources, found.owners):
        recalled = packs.recall(root, package)
        if recalled is None:
            rest.append(package)
        else:
            digests.update(recalled)
    if rest:
        sources = [source for package in rest for source in package if "\n" not in source]
        progress.step(f"compiling {len(sources)} files")
        _compile_side_by_side(root, sources, work)
        for package in rest:
            digests.update(packs.keep(root, package))
    return digests


def _by_package(sources: Mapping[str, str], owners: Mapping[str, str]) -> list[dict[str, str]]:
    packages: dict[str, dict[str, str]] = {}
    for source, digest in sources.items():
        packages.setdefault(owners.get(source, ""), {})[source] = digest
    return list(packages.values())


def _compile_side_by_side(root: str, sources: list[str], work: str) -> None:
    """Compile on all processors, each with an interpreter of its own."""
    count = min(cpu_count(), 1 + len(sources) // 50)
    # Dealt out from the largest to the smallest, so that all end at about the same time.
    dealt = sorted(sources, key=lambda source: (-os.path.getsize(f"{root}/{source}"), source))
    with ThreadPoolExecutor(max_workers=count) as pool:
        jobs = [
            pool.submit(
                contextvars.copy_context().run, _compile, root, dealt[index::count], work, index
            )
            for index in range(count)
        ]
        for job in jobs:
            job.result()


def _compile(root: str, share: list[str], work: str, index: int) -> None:
    listing = os.path.join(work, f"sources-{index}")
    with open(listing, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.writelines(f"{path}\n" for path in share)
    compiler = os.path.join(os.path.dirname(__file__), "compile_script.py")
    with _compilers:
        ended = subprocesses.run(
            [f"{root}/bin/python", "-I", "-S", compiler, root, listing],
            env=subprocesses.clean_environment(work),
            cwd=work,
        )
    if ended.status != 0:
        told = _LAST_WORDS.search(ended.output)
        if told:
            raise OSError(int(told["number"]), told["text"], told["path"])
        raise ConvergeError("the sources could not be compiled", output=ended.last_lines())
