"""Bytecode for all sources of a generation, made once, by its own interpreter."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from engine import progress
from engine.errors import CannotCreate, ConvergeError
from states import child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def compile_all(root: str, sources: Iterable[str], work: str) -> None:
    """Compile sources (relative paths) that are there, side by side on all processors."""
    listed = sorted(one for one in sources if "\n" not in one)
    if not listed:
        return
    progress.step(f"compiling {len(listed)} files")
    count = min(os.cpu_count() or 1, 1 + len(listed) // 50)
    shares = [listed[index::count] for index in range(count)]
    with ThreadPoolExecutor(max_workers=count) as pool:
        import contextvars

        jobs = [
            pool.submit(contextvars.copy_context().run, _compile, root, share, work, index)
            for index, share in enumerate(shares)
        ]
        for job in jobs:
            job.result()


def _compile(root: str, share: list[str], work: str, index: int) -> None:
    listing = os.path.join(work, f"sources-{index}")
    with open(listing, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.writelines(f"{path}\n" for path in share)
    compiler = os.path.join(os.path.dirname(__file__), "compiler.py")
    ended = child.run(
        [f"{root}/bin/python", "-I", "-S", compiler, root, listing],
        env=child.environment(work),
        cwd=work,
    )
    if ended.status != 0:
        kind = CannotCreate if "No space left" in ended.output else ConvergeError
        raise kind("the sources could not be compiled", output=ended.last_lines())
