"""Commands run when what they watch has changed since they last succeeded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from states import child
from tests.integration.host import Host, changes, reasons

COMMAND = """
[command.restart]
argv = ["{script}"]
on-change = ["venv.app"]
"""


@pytest.fixture
def watched(stocked: Host) -> Host:
    """A host with a command that counts its runs; it fails while `broken` is there."""
    script = stocked.write(
        f"#!/bin/sh\ncd {stocked.folder}\n"
        "if [ -e broken ]; then echo cannot do it; exit 3; fi\necho run >> runs\n",
        "restart",
    )
    script.chmod(0o755)
    declare(stocked, ["beta<2"])
    return stocked


def declare(host: Host, packages: list[str]) -> None:
    host.declare(packages, more=COMMAND.format(script=host.folder / "restart"))


def runs(host: Host) -> int:
    file = host.folder / "runs"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_it_runs_once_for_each_change(watched: Host) -> None:
    watched.applied()
    assert runs(watched) == 1
    watched.settled()
    assert runs(watched) == 1
    declare(watched, ["beta==2.0"])

    plan = watched.plan().resource("command.restart")
    watched.applied()

    assert plan["action"] == "update"
    assert reasons(plan)["for.venv.app"] == "venv.app changed since it last succeeded"
    assert runs(watched) == 2
    watched.settled()


def test_a_repair_is_a_change_too(watched: Host) -> None:
    watched.applied()
    (watched.site / "beta/__init__.py").write_text("")

    watched.applied()

    assert runs(watched) == 2


COUNTING = """\
import sys
for number in range(30_000):
    print(f"{number:060}")
sys.stdout.write("x" * 5_000_000)
print()
print("the end")
sys.exit(3)
"""


def test_a_command_may_say_as_much_as_it_likes_and_the_end_of_it_is_kept() -> None:
    argv = [sys.executable, "-c", COUNTING]

    ended = child.run(argv, env={"PATH": os.defpath}, cwd="/")

    assert ended.status == 3
    assert len(ended.output) < 1_100_000
    *_, before, last, longest, end = ended.output.splitlines()
    assert (int(before), int(last), end) == (29_998, 29_999, "the end")
    assert 1000 < len(longest) < 10_000


def test_a_password_is_hidden_where_a_long_line_is_cut() -> None:
    argv = [sys.executable, "-c", "print('x' * 8176 + ' https://ann:sesame@host/' + 'x' * 9000)"]

    ended = child.run(argv, env={"PATH": os.defpath}, cwd="/")

    assert "xxx https://" in ended.output
    assert "ann" not in ended.output


def test_a_folder_that_leads_nowhere_is_told_and_not_waited_for(host: Host) -> None:
    (host.folder / "state").mkdir()
    (host.folder / "state/commands").symlink_to("/nonexistent/folder")
    host.write('[command.say]\nargv = ["true"]\n')

    failed = host.apply("--lock-timeout", "0")

    assert failed.code != 0
    assert "commands" in failed.first["error"]["message"]


def test_a_run_with_many_open_files_can_run_commands(host: Host) -> None:
    host.write('[command.say]\nargv = ["true"]\n')
    program = (
        "import os, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 2048))\n"
        "for _ in range(1100): os.set_inheritable(os.dup(0), True)\n"
        "os.execvp(sys.argv[1], sys.argv[1:])\n"
    )

    done = host.apply(prefix=[host.program, "-c", program])

    assert done.code == 0, done.err


def test_a_command_that_became_somebody_else_is_timed_out_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As by `sudo`: who started it may not end it."""

    def forbidden(_group: int, _number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "killpg", forbidden)
    with pytest.raises(subprocess.TimeoutExpired):
        child.run(["sleep", "1"], env={"PATH": os.defpath}, cwd="/", timeout=0.1)


@pytest.mark.parametrize("words", [[], ["--detailed-exitcode"]])
def test_a_command_that_was_stopped_is_not_said_to_have_done_nothing(
    host: Host, words: list[str]
) -> None:
    begun = host.folder / "begun"
    argv = json.dumps(["sh", "-c", f"touch {begun}; sleep 60"])
    host.write(f"[command.wait]\nargv = {argv}\n")
    running = subprocess.Popen(
        host.command("apply", "converge.toml", "--json", *words),
        env=host.environment(), cwd=host.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not begun.exists():
        time.sleep(0.02)
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=60)

    error = json.loads(out)["resources"][0]["error"]
    assert running.returncode == 143
    assert error["message"] == "stopped by SIGTERM; just run it again"


def test_planning_runs_nothing(watched: Host) -> None:
    watched.plan()
    watched.check()

    assert runs(watched) == 0


def test_one_that_a_signal_ended_is_told_so(host: Host) -> None:
    """As the kernel does where memory runs out."""
    host.write('[command.x]\nargv = ["/bin/sh", "-c", "kill -9 $$"]\n')

    error = host.apply().first["error"]

    assert error["message"] == "`/bin/sh -c kill -9 $$` was ended by signal 9 (Killed)"


def test_a_failed_one_is_told_and_tried_again(watched: Host) -> None:
    (watched.folder / "broken").touch()

    failed = watched.apply()

    assert failed.code == 1
    assert failed.resource("venv.app")["outcome"] == "changed"
    error = failed.resource("command.restart")["error"]
    assert "failed with status 3" in error["message"]
    assert error["output"] == "cannot do it"
    assert watched.check().code == 2

    (watched.folder / "broken").unlink()
    again = watched.applied()

    assert again.resource("venv.app")["outcome"] == "unchanged"
    assert again.resource("command.restart")["outcome"] == "changed"
    assert runs(watched) == 1
    watched.settled()


def test_a_kill_between_the_switch_and_the_command_does_not_lose_it(watched: Host) -> None:
    watched.applied()
    declare(watched, ["beta==2.0"])
    before = watched.generation
    os.mkfifo(watched.folder / "gate")
    script = watched.folder / "restart"
    content = script.read_text()
    script.write_text(content.replace("echo run", "read line < gate\necho run"))
    engine = subprocess.Popen(
        watched.command("apply", "converge.toml"),
        env=watched.environment(),
        cwd=watched.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    child = _child_at(engine.pid, script)
    assert watched.generation != before
    engine.kill()
    engine.wait()
    os.kill(child, signal.SIGKILL)
    script.write_text(content)
    assert runs(watched) == 1

    done = watched.applied()

    assert done.resource("venv.app")["outcome"] == "unchanged"
    assert done.resource("command.restart")["outcome"] == "changed"
    assert runs(watched) == 2
    watched.settled()


def test_a_lost_note_costs_one_more_run(watched: Host) -> None:
    watched.applied()
    for note in (watched.folder / "state/commands").glob("*.json"):
        note.unlink()

    plan = watched.plan().resource("command.restart")
    assert plan["action"] == "create"
    assert "for.venv.app" in changes(plan)
    watched.applied()

    assert runs(watched) == 2


def test_one_that_takes_too_long_is_ended(stocked: Host) -> None:
    slow = '[command.slow]\nargv = ["sleep", "600"]\ntimeout = 1\n'
    stocked.declare(["beta"], more=slow)

    failed = stocked.apply()

    assert failed.code == 1
    message = failed.resource("command.slow")["error"]["message"]
    assert message == "`sleep` did not end within 1 s"


def test_one_that_is_not_there_is_named(stocked: Host) -> None:
    stocked.declare(["beta"], more='[command.none]\nargv = ["/no/such/program"]\n')

    failed = stocked.apply()

    assert failed.code == 1
    error = failed.resource("command.none")["error"]
    assert "/no/such/program" in error["message"]
    assert "another program" in error["hint"]


@pytest.mark.parametrize("cwd", ["nothere", "converge.toml"])
def test_a_folder_to_run_in_that_is_none_is_named(host: Host, cwd: str) -> None:
    host.write(f'[command.a]\nargv = ["true"]\ncwd = "{cwd}"\n')

    error = host.apply().first["error"]

    assert str(host.folder / cwd) in error["message"]
    assert "`cwd`" in error["hint"]


def test_one_that_is_no_program_is_no_matter_of_writing(host: Host) -> None:
    host.write('[command.a]\nargv = ["/etc/passwd"]\n')

    failed = host.apply()

    assert failed.code == 77
    assert "executable" in failed.first["error"]["hint"]


def _child_at(parent: int, script: Path) -> int:
    """Wait until a process below `parent` runs the script; return its id."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = Path("/proc", name, "cmdline").read_bytes().split(b"\0")
                status = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if bytes(script) in words and int(status[1]) == parent:
                return int(name)
        time.sleep(0.02)
    raise AssertionError("the command was never started")
