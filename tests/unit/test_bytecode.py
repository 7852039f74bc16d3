"""Sources are compiled on all processors that we may use, and on no more."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from states import child
from states.venv import bytecode


def test_bytecode_compilers_are_limited_to_available_cpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Lock()
    running, most, all_ = 0, 0, 0

    def run(*_arguments: object, **_how: object) -> child.Ended:
        nonlocal running, most, all_
        with gate:
            running, all_ = running + 1, all_ + 1
            most = max(most, running)
        time.sleep(0.02)
        with gate:
            running -= 1
        return child.Ended(0, "")

    monkeypatch.setattr(child, "run", run)
    sources = [f"{number}.py" for number in range(1000)]
    for one in sources:
        (tmp_path / one).touch()
    builds = []
    for number in range(4):
        work = tmp_path / f"work-{number}"
        work.mkdir()
        arguments = (str(tmp_path), sources, str(work))
        builds.append(threading.Thread(target=bytecode._compile_side_by_side, args=arguments))
    for one in builds:
        one.start()
    for one in builds:
        one.join()

    assert all_ >= 4
    assert most <= len(os.sched_getaffinity(0))
