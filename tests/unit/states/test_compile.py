"""Files are hashed and compiled on all available CPUs and no more, each once."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.errors import ConvergeError
from engine.system.files import sha256
from states.system import subprocesses
from states.venv.build.bytecode.turns import Turns
from states.venv.build.bytecode.workers import Job, run_jobs

TAG = sys.implementation.cache_tag


def test_processes_are_limited_to_available_cpus(
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
        return subprocesses.Completed(1, "")

    monkeypatch.setattr(subprocesses, "run", run)
    files = [f"{number}.py" for number in range(1000)]
    for name in files:
        (tmp_path / name).touch()

    def build() -> None:
        with pytest.raises(ConvergeError):
            run_jobs(
                sys.executable, str(tmp_path), [Job(tuple(files), are_sources=True)], str(tmp_path)
            )

    builds = [threading.Thread(target=build) for _ in range(4)]
    for thread in builds:
        thread.start()
    for thread in builds:
        thread.join()

    assert total >= 4
    assert max_running <= len(os.sched_getaffinity(0))


def test_each_job_is_done_once(tmp_path: Path) -> None:
    """A second attempt to write the same bytecode would fail."""
    names = [f"m{number}.py" for number in range(300)]
    for name in names:
        (tmp_path / name).write_text(f"NAME = {name!r}\n")
    jobs = [Job((name,), are_sources=True) for name in names]

    results = run_jobs(sys.executable, str(tmp_path), jobs, str(tmp_path))

    for name, [(digest, bytecode, size)] in zip(names, results, strict=True):
        compiled = (tmp_path / "__pycache__" / f"{name[:-3]}.{TAG}.pyc").read_bytes()
        assert digest == sha256((tmp_path / name).read_bytes())
        assert (bytecode, size) == (sha256(compiled), len(compiled))


def test_only_regular_files_are_hashed(tmp_path: Path) -> None:
    """The caller examines the others, and reports them."""
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    names = ("file", "empty", "link", "directory", "pipe", "missing", "odd\nname\udcff")
    (tmp_path / names[-1]).touch()

    [rows] = run_jobs(sys.executable, str(tmp_path), [Job(names, are_sources=False)], str(tmp_path))

    hashed = {name: digest for name, (digest, _, _) in zip(names, rows, strict=True) if digest}
    assert hashed == {
        "file": sha256(b"x" * 3_000_000),
        "empty": sha256(b""),
        names[-1]: sha256(b""),
    }


def test_turn_is_taken_once_until_it_ends() -> None:
    turns = Turns()
    assert turns.take("a")
    assert not turns.take("a")
    turns.end(["a"])
    assert turns.take("a")


def test_wait_ends_with_the_turn() -> None:
    turns, ended = Turns(), []
    assert turns.take("a")

    def wait() -> None:
        turns.wait(iter(["b", "a"]))
        ended.append(True)

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)  # Longer than the interval in which it looks for signals.
    before = list(ended)
    turns.end(["a"])
    waiting.join(60)
    assert (before, ended) == ([], [True])
