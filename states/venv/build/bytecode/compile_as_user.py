"""Compile with an interpreter that another user can change, as that user.

Nothing is taken from the cache or added to it: the user decides what the bytecode contains, and
other venvs must not run it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import ConvergeError
from engine.system.existence import proves_no_file
from engine.system.files import read_regular_file, sha256, write_all
from states.interpreter.launcher import write_launcher
from states.system import subprocesses
from states.system.scratch import scratch_dir_in
from states.venv.build.bytecode.workers import SCRIPT, Job, write_jobs
from states.venv.integrity.pyc_paths import pyc_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from states.system.subprocesses import User
    from states.venv.build.stages import Draft

_MAX_SIZE = 1 << 26
"""Bytes of a bytecode file. That of the largest module on the public index has a tenth."""


def compile_as_user(draft: Draft, sources: Iterable[str], user: User) -> dict[str, str]:
    """Put bytecode beside each source.

    Args:
        draft: The directory of the generation, which the user can read.
        sources: The sources, relative to it.
        user: The user.

    Returns:
        The SHA-256 of each bytecode file by path.

    Raises:
        ConvergeError, OSError: The compiling process failed.

    """
    root, scratch = draft.root, draft.context.scratch
    paths = sorted(sources)
    progress.step(f"compiling {len(paths)} files as {user.name}")
    listing = os.path.join(scratch, "sources")
    write_jobs(listing, [Job(tuple(paths), are_sources=True)])
    os.makedirs(f"{scratch}/launcher", exist_ok=True)
    private = (os.path.dirname(SCRIPT), scratch)
    launcher = write_launcher(f"{scratch}/launcher", f"{root}/bin/python", user, private)
    with scratch_dir_in(draft.context.store.root) as output:
        os.chown(output, user.uid, user.gid)
        completed = subprocesses.run(
            [launcher, "-I", "-S", SCRIPT, root, listing, output],
            env=subprocesses.clean_environment(scratch),
            cwd=scratch,
        )
        if completed.status != 0:
            raise ConvergeError("compiling bytecode failed", output=completed.last_lines())
        return {path: digest for path, digest in _copy_all(root, output, paths) if digest}


def _copy_all(root: str, output: str, paths: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Copy each bytecode file.

    Args:
        root: The directory of the generation.
        output: The directory that the user wrote to.
        paths: The sources.

    Yields:
        The path and the SHA-256 of each file.

    """
    for path in paths:
        bytecode = pyc_path(path, root)
        try:
            content = read_regular_file(f"{output}/{bytecode}", _MAX_SIZE)
        except OSError as error:
            if not proves_no_file(error):
                raise
            continue  # A source with a syntax error has no bytecode.
        target = f"{root}/{bytecode}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            write_all(descriptor, content)
        finally:
            os.close(descriptor)
        yield bytecode, sha256(content)
