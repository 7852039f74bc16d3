"""Hash every file of a generation, and put bytecode beside every source, in one pass.

Compiling takes longer than every other step of a build. It runs no code of a package, so it
doesn't wait for the check of the RECORDs. If that fails, the whole directory is deleted.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import ConvergeError, Interrupted
from states.interpreter.user import user_of_python
from states.venv.build.bytecode.cache import BytecodeCache
from states.venv.build.bytecode.compile_as_user import compile_as_user
from states.venv.build.bytecode.turns import Turns
from states.venv.build.bytecode.units import split
from states.venv.build.bytecode.workers import Job, run_jobs
from states.venv.integrity.pyc_paths import pyc_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from states.venv.build.bytecode.units import Unit
    from states.venv.build.bytecode.workers import Row
    from states.venv.build.stages import Draft
    from states.venv.integrity.inspection import Inspection
    from states.venv.integrity.wheels.records import Records

_FILES_PER_JOB = 200
_turns = Turns()
"""The names of the files in the cache that builds of this process are going to write."""


@contextmanager
def compiling(draft: Draft) -> Iterator[Compilation]:
    """Yield the compilation of a generation. At the end, no other build waits for it anymore."""
    compilation = Compilation(draft)
    try:
        yield compilation
    finally:
        compilation.close()


class Compilation:
    """The bytecode of one generation."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._python = draft.context.selection.python
        self._user = user_of_python(self._python)
        self._cache = BytecodeCache(draft.context.settings, self._python)
        self._turns: set[str] = set()
        self._packed: set[str] = set()
        """New files of the cache, which aren't complete."""
        self._compiled: list[tuple[Unit, str, list[Row]]] = []
        """Compiled units that the cache doesn't have, with their new file and their result."""
        self._waiting: list[Unit] = []
        """Units that other builds compile."""
        self._done: set[str] = set()
        """Sources that were compiled, some of which have a syntax error."""
        self._failure: ConvergeError | OSError | None = None

    def hash_and_compile(self, records: Records) -> dict[str, str]:
        """Hash the files that RECORD files list, and compile their sources.

        An interpreter that another user can change isn't believed, so it isn't started here.

        Returns:
            The SHA-256 of each file, and of each new bytecode file. If a process failed, the
            result is empty. `finish` raises the error, because a mismatch can be its cause.

        Raises:
            Interrupted: A signal was received.

        """
        if self._user is not None:
            return {}
        units = list(split(records.sources(), records.owner))
        jobs = [self._job(unit) for unit in units]
        in_units = {path for job in jobs for path in job.files}
        others = [path for path in records.unhashed() if path not in in_units]
        jobs += _slices(others, are_sources=False)
        try:
            results = self._run(jobs)
        except Interrupted:
            raise
        except (ConvergeError, OSError) as error:
            self._failure = error
            return {}
        for unit, job, rows in zip(units, jobs, results, strict=False):
            if job.packed and [row[0] for row in rows] == list(unit.sources.values()):
                self._compiled.append((unit, job.packed, rows))
        return self._digests(jobs, results)

    def finish(self, inspection: Inspection) -> dict[str, str]:
        """Cache the bytecode, which the check has found to be that of the packages, and the rest.

        Returns:
            The SHA-256 of each bytecode file that wasn't known before, by path.

        Raises:
            ConvergeError, OSError: A process failed. A source with a syntax error isn't a
                failure. It stays without bytecode.

        """
        if self._user is not None:
            return compile_as_user(self._draft, inspection.sources, self._user)
        if self._failure is not None:
            raise self._failure
        for unit, packed, rows in self._compiled:
            self._cache.add(unit, packed, rows)
        # INVARIANT: this build has no turn while it waits for others, which may wait for it.
        self.close()
        _turns.wait(self._cache.path(unit) for unit in self._waiting)
        jobs = self._remaining_jobs(inspection)
        return self._digests(jobs, self._run(jobs))

    def close(self) -> None:
        """Let other builds go on, and delete what the cache didn't take."""
        _turns.end(self._turns)
        for path in self._packed:
            with suppress(OSError):
                os.unlink(path)

    def _job(self, unit: Unit) -> Job:
        """Return the job for a unit: to compile it, unless another build does that."""
        path, rows, files = self._cache.path(unit), self._cache.find(unit), tuple(unit.sources)
        packed = self._cache.new_file(unit)
        if packed and not rows:
            if not _turns.take(path):
                self._waiting.append(unit)
                return Job(files, are_sources=False)
            self._turns.add(path)
        self._packed.add(packed)
        return Job(
            files, are_sources=True, packed=packed, cached=path if rows else "", expected=rows
        )

    def _remaining_jobs(self, inspection: Inspection) -> list[Job]:
        """Return jobs for the sources without bytecode. Declared files may have replaced some."""
        remaining = {path for path in inspection.sources if path not in self._done}
        jobs = []
        for unit in self._waiting:
            rows = self._cache.find(unit)
            if rows and remaining.issuperset(unit.sources):
                remaining.difference_update(unit.sources)
                path = self._cache.path(unit)
                jobs.append(Job(tuple(unit.sources), are_sources=True, cached=path, expected=rows))
        return [*jobs, *_slices([*sorted(remaining), *inspection.own_sources], are_sources=True)]

    def _run(self, jobs: Sequence[Job]) -> list[list[Row]]:
        """Do jobs. Raises as `run_jobs`."""
        if not jobs:
            return []
        count = sum(len(job.files) for job in jobs if job.are_sources and not job.cached)
        if count:
            progress.step(f"compiling {count} {'file' if count == 1 else 'files'}")
        total = sum(len(job.files) for job in jobs)
        progress.measure("compiling" if count else "verifying", total, "files")
        scratch = self._draft.context.scratch
        return run_jobs(self._python.executable, self._draft.root, jobs, scratch)

    def _digests(self, jobs: Iterable[Job], results: Iterable[list[Row]]) -> dict[str, str]:
        """Return the digests of files and of their bytecode, and record which were compiled."""
        digests = {}
        for job, rows in zip(jobs, results, strict=True):
            if job.are_sources:
                self._done.update(job.files)
            for path, (digest, bytecode, _) in zip(job.files, rows, strict=True):
                if digest:
                    digests[path] = digest
                if bytecode:
                    digests[pyc_path(path, self._draft.root)] = bytecode
        return digests


def _slices(paths: Sequence[str], *, are_sources: bool) -> list[Job]:
    """Return jobs for files in any number."""
    starts = range(0, len(paths), _FILES_PER_JOB)
    return [Job(tuple(paths[start : start + _FILES_PER_JOB]), are_sources) for start in starts]
