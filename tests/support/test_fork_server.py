"""A forked run of the command does what a started one does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import fork_server
from tests.support.command import ROOT, Converge, argv

BASE = {"LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}


@pytest.fixture
def environment(converge: Converge) -> dict[str, str]:
    converge.home.mkdir()
    return converge.environment()


def run_both(
    *arguments: str, environment: dict[str, str], cwd: Path, stdin: bytes = b"", umask: int = 0o022
) -> subprocess.CompletedProcess[bytes]:
    """Start the command, and fork it. Both must have the same result."""
    assert fork_server.can_fork(sys.executable, environment)
    shared: dict[str, Any] = {"env": environment, "cwd": cwd, "umask": umask, "timeout": 60.0}
    started = subprocess.run(
        argv(sys.executable, *arguments), input=stdin, capture_output=True, **shared
    )
    forked = fork_server.run(arguments, stdin=stdin, **shared)
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        started.returncode,
        started.stdout,
        started.stderr,
    )
    return forked


def test_fork_has_the_arguments_and_the_streams(
    environment: dict[str, str], tmp_path: Path
) -> None:
    text = f'[link."{tmp_path}/ü"]\nto = "{tmp_path}"\n'.encode() + b"#\n" * 100_000

    planned = run_both(
        "plan", "--detailed-exitcode", "-", environment=environment, cwd=tmp_path, stdin=text
    )

    assert planned.returncode == 2
    assert "ü".encode() in planned.stdout


@pytest.mark.parametrize(
    "arguments",
    [("--nonsense",), ("plan", "missing.toml"), ("check", "bad.toml", "--json"), ("--help",)],
)
def test_fork_reports_errors_alike(
    arguments: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    """The second one names a file in the current directory."""
    (tmp_path / "bad.toml").write_text("[venv.web]\nreqirements = 1\n")

    run_both(*arguments, environment=environment, cwd=tmp_path)


@pytest.mark.parametrize("name", ["seven", "eight"])
def test_fork_has_the_environment(name: str, environment: dict[str, str], tmp_path: Path) -> None:
    """A command gets a variable of the caller if its declaration names it."""
    (tmp_path / "site.toml").write_text(
        '[command.show]\nargv = ["sh", "-c", "echo $WORD; exit 3"]\nenvironment = { WORD = "env:WORD" }\n'
    )

    done = run_both("apply", "site.toml", environment={**environment, "WORD": name}, cwd=tmp_path)

    assert name.encode() in done.stderr + done.stdout


def test_fork_has_the_directory_the_signals_and_no_socket(
    environment: dict[str, str], tmp_path: Path
) -> None:
    program = (
        "cd /proc/$PPID; readlink fd/* | grep ^socket; readlink cwd;"
        "grep -E '^(Umask|Sig(Blk|Ign|Cgt)):' status; exit 3"
    )
    (tmp_path / "site.toml").write_text(
        f"[command.show]\nargv = ['sh', '-c', {json.dumps(program)}]\n"
    )

    done = run_both("apply", "site.toml", environment=environment, cwd=tmp_path)

    lines = done.stdout.decode().split()
    assert str(tmp_path) in lines
    assert not any(line.startswith("socket:") for line in lines)
    assert "SigIgn:\\t0000000001001000" in lines


def test_fork_may_leave_its_input_unread(environment: dict[str, str], tmp_path: Path) -> None:
    run_both("--help", environment=environment, cwd=tmp_path, stdin=b"#" * 500_000)


def test_command_that_never_ends_is_killed(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[command.wait]\nargv = ["sleep", "2"]\n')
    with pytest.raises(subprocess.TimeoutExpired):
        fork_server.run(
            ["apply", "site.toml"], env=environment, cwd=tmp_path, stdin=b"", umask=-1, timeout=0.5
        )


def test_successive_forks_have_another_hash_seed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """It is that of the server, which is the parent of the parent of the process."""
    program = (
        "parent() { sed -n 's/^PPid:.//p' /proc/$1/status; }\n"
        "echo server $(parent $(parent $PPID)); exit 3"
    )
    (tmp_path / "site.toml").write_text(
        f"[command.show]\nargv = ['sh', '-c', {json.dumps(program)}]\n"
    )
    shared: dict[str, Any] = {"env": environment, "cwd": tmp_path, "umask": -1, "timeout": 60.0}
    runs = [fork_server.run(["apply", "site.toml"], stdin=b"", **shared) for _ in range(3)]

    first, second, third = (re.search(rb"server \d+", run.stdout) for run in runs)
    assert first and second and third
    assert first[0] == third[0] != second[0]


def test_fork_of_a_killed_run_has_its_signal(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[command.kill]\nargv = ["sh", "-c", "kill -9 $PPID"]\n')

    assert run_both("apply", "site.toml", environment=environment, cwd=tmp_path).returncode == -9


@pytest.mark.parametrize(
    ("python", "variables"),
    [
        ("/usr/bin/python3", {}),
        (sys.executable, {"LC_ALL": "C"}),
        (sys.executable, {"LANG": "C"}),
        (sys.executable, {"PYTHONPATH": "elsewhere"}),
        (sys.executable, {"PYTHONHASHSEED": "1"}),
        (sys.executable, {"LD_PRELOAD": "other.so"}),
    ],
)
def test_another_start_of_the_interpreter_is_not_forked(
    python: str, variables: dict[str, str]
) -> None:
    assert fork_server.can_fork(sys.executable, BASE)
    assert not fork_server.can_fork(python, {**BASE, **variables})
