"""Bytecode compilation uses all available CPUs and no more."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from states.system import subprocesses
from states.venv.build.bytecode.compile import compile_in_parallel


def test_bytecode_compilers_are_limited_to_available_cpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = threading.Lock()
    running, max_running, total = 0, 0, 0

    def run(*_arguments: object, **_options: object) -> subprocesses.Completed:
        nonlocal running, max_running, total
        with lock:
            running, total = running + 1, total + 1
            max_running = max(max_running, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return subprocesses.Completed(0, "")

    monkeypatch.setattr(subprocesses, "run", run)
    sources = [f"{number}.py" for number in range(1000)]
    for source in sources:
        (tmp_path / source).touch()
    builds = []
    for number in range(4):
        work = tmp_path / f"work-{number}"
        work.mkdir()
        arguments = (str(tmp_path), sources, str(work))
        builds.append(threading.Thread(target=compile_in_parallel, args=arguments))
    for build in builds:
        build.start()
    for build in builds:
        build.join()

    assert total >= 4
    assert max_running <= len(os.sched_getaffinity(0))
