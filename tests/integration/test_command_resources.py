"""A command runs if a resource that it watches changed since its last success."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from states.system import subprocesses
from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.snapshots import Snapshots
from tests.support.command import changes, reasons

COMMAND = """
[command.restart]
argv = ["{script}"]
on-change = ["venv.app"]
"""


def prepare(host: Host) -> None:
    """Declare a command that counts its runs, and fails while `broken` exists."""
    make_wheels(host.wheels)
    script = host.write(
        f"#!/bin/sh\ncd {host.directory}\n"
        "if [ -e broken ]; then echo cannot do it; exit 3; fi\n"
        "echo run >> runs; echo restarted; echo https://ann:sesame@host/\n",
        "restart",
    )
    script.chmod(0o755)
    declare(host, ["beta<2"])


@pytest.fixture
def watched_host(host: Host) -> Host:
    """Return a host with a command that watches a venv."""
    prepare(host)
    return host


@pytest.fixture
def restarted_host(snapshots: Snapshots) -> Host:
    """Return such a host, applied once."""

    def prepare_applied(host: Host) -> None:
        prepare(host)
        host.apply_ok()

    return snapshots.host("restarted", prepare_applied)


def declare(host: Host, packages: list[str]) -> None:
    """Declare an environment and the command that watches it."""
    host.declare(packages, more=COMMAND.format(script=host.directory / "restart"))


def runs(host: Host) -> int:
    """Return how often the command has succeeded."""
    file = host.directory / "runs"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_command_runs_once_per_change(watched_host: Host) -> None:
    first = watched_host.apply_ok()
    assert first.resource("command.restart")["output"] == "restarted\nhttps://****@host/"
    assert runs(watched_host) == 1
    watched_host.assert_no_changes()
    assert runs(watched_host) == 1
    declare(watched_host, ["beta==2.0"])

    plan = watched_host.plan().resource("command.restart")
    second = watched_host.run("apply", "converge.toml", "--verbose")

    assert "\n    | restarted\n    | https://****@host/\n" in second.out
    assert "Installed 1 package in" in second.err
    assert "probe" not in second.err
    assert "lock-version" not in second.err
    assert plan["action"] == "update"
    assert reasons(plan)["trigger.venv.app"] == "venv.app changed since the last success"
    assert runs(watched_host) == 2
    watched_host.assert_no_changes()


def test_command_runs_after_a_rollback_was_undone(restarted_host: Host) -> None:
    """The service was restarted by hand, so it runs the code of the earlier generation."""
    declare(restarted_host, ["beta==2.0"])
    restarted_host.apply_ok()
    updated = restarted_host.generation
    for arguments in ([], ["--release"]):
        assert restarted_host.run("rollback", "converge.toml", "app", *arguments).code == 0

    plan = restarted_host.plan().resource("command.restart")
    restarted_host.apply_ok()

    assert restarted_host.generation == updated
    assert plan["outcome"] == "would-change"
    assert runs(restarted_host) == 3
    restarted_host.assert_no_changes()


def test_command_runs_after_another_file_changed_its_resource(host: Host) -> None:
    """Two files declare one path. Each applies its own version, and restarts the service."""
    for name in ("one", "two"):
        host.write(
            f'[link.here]\nto = "/{name}"\n[command.restart]\n'
            f'argv = ["/bin/sh", "-c", "echo {name} >> {host.directory}/runs"]\n'
            'on-change = ["link.here"]\n'.replace("/one", "/usr").replace("/two", "/etc"),
            f"{name}.toml",
        )

    for name in ("one", "one", "two", "two", "one", "one"):
        assert host.run("apply", f"{name}.toml").code == 0

    assert (host.directory / "runs").read_text().split() == ["one", "two", "one"]


def test_command_runs_after_a_repair(restarted_host: Host) -> None:
    (restarted_host.site / "beta/__init__.py").write_text("")

    restarted_host.apply_ok()

    assert runs(restarted_host) == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_command_runs_before_later_resources_are_applied(host: Host, jobs: int) -> None:
    """Each command counts the links that exist when it runs. All links are declared first."""
    links = host.directory / "links"
    numbers = range(6)
    tables = [f'[link."{links}/{number}"]\nto = "/"\n' for number in numbers]
    tables += [
        f'[command.count-{number}]\nargv = ["/bin/sh", "-c", "ls {links} | wc -l >> {links}-seen"]\n'
        f'on-change = ["link.{links}/{number}"]\n'
        for number in numbers
    ]
    host.write("\n".join(tables), "converge.toml")

    host.apply_ok("--jobs", str(jobs))

    seen = [int(line) for line in (host.directory / "links-seen").read_text().split()]
    assert all(count <= index + 1 + jobs for index, count in enumerate(sorted(seen)))
    assert len(seen) == len(numbers)


LONG_OUTPUT = """\
import sys
for number in range(30_000):
    print(f"{number:060}")
sys.stdout.write("x" * 5_000_000)
print()
print("the end")
sys.exit(3)
"""


def test_command_output_is_truncated_to_its_end() -> None:
    argv = [sys.executable, "-c", LONG_OUTPUT]

    completed = subprocesses.run(argv, env={"PATH": os.defpath}, cwd="/")

    assert completed.status == 3
    assert len(completed.output) < 1_100_000
    *_, second_last, last, longest, end = completed.output.splitlines()
    assert (int(second_last), int(last), end) == (29_998, 29_999, "the end")
    assert 1000 < len(longest) < 10_000


def test_command_output_redacts_password_at_a_truncation() -> None:
    argv = [sys.executable, "-c", "print('x' * 8176 + ' https://ann:sesame@host/' + 'x' * 9000)"]

    completed = subprocesses.run(argv, env={"PATH": os.defpath}, cwd="/")

    assert "xxx https://" in completed.output
    assert "ann" not in completed.output


def test_dangling_state_directory_fails_without_waiting(host: Host) -> None:
    (host.directory / "state").mkdir()
    (host.directory / "state/commands").symlink_to("/nonexistent/directory")
    host.write('[command.say]\nargv = ["true"]\n')

    failed = host.apply("--lock-timeout", "0")

    assert failed.code != 0
    assert "commands" in failed.first["error"]["message"]


def test_command_runs_with_many_inherited_open_files(host: Host) -> None:
    host.write('[command.say]\nargv = ["true"]\n')
    program = (
        "import os, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 2048))\n"
        "for _ in range(1100): os.set_inheritable(os.dup(0), True)\n"
        "os.execvp(sys.argv[1], sys.argv[1:])\n"
    )

    result = host.apply(prefix=[host.program, "-c", program])

    assert result.code == 0, result.err


def test_command_with_another_uid_still_times_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With `sudo`, the parent may not signal its child."""

    def refuse(_group: int, _number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "killpg", refuse)
    with pytest.raises(subprocess.TimeoutExpired):
        subprocesses.run(["sleep", "1"], env={"PATH": os.defpath}, cwd="/", timeout=0.1)


@pytest.mark.parametrize("options", [[], ["--detailed-exitcode"]])
def test_interrupted_command_is_reported_as_interrupted(host: Host, options: list[str]) -> None:
    started = host.directory / "started"
    argv = json.dumps(["sh", "-c", f"touch {started}; sleep 60"])
    host.write(f"[command.wait]\nargv = {argv}\n")
    process = subprocess.Popen(
        host.argv("apply", "converge.toml", "--json", *options),
        env=host.environment(), cwd=host.directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not started.exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)

    error = json.loads(out)["resources"][0]["error"]
    assert process.returncode == 143
    assert error["message"] == "interrupted by SIGTERM; to continue, run the command again"


def test_plan_and_check_run_no_commands(watched_host: Host) -> None:
    watched_host.plan()
    watched_host.check()

    assert runs(watched_host) == 0


def test_command_ended_by_a_signal_is_reported(host: Host) -> None:
    """The kernel does this when memory runs out."""
    host.write('[command.x]\nargv = ["/bin/sh", "-c", "kill -9 $$"]\n')

    error = host.apply().first["error"]

    assert error["message"] == "`/bin/sh -c 'kill -9 $$'` was killed by signal 9 (Killed)"


def test_failed_command_is_reported_and_retried(watched_host: Host) -> None:
    (watched_host.directory / "broken").touch()

    failed = watched_host.apply()

    assert failed.code == 1
    assert failed.resource("venv.app")["outcome"] == "changed"
    error = failed.resource("command.restart")["error"]
    assert "failed with status 3" in error["message"]
    assert error["output"] == "cannot do it"
    assert watched_host.check().code == 2

    (watched_host.directory / "broken").unlink()
    again = watched_host.apply_ok()

    assert again.resource("venv.app")["outcome"] == "unchanged"
    assert again.resource("command.restart")["outcome"] == "changed"
    assert runs(watched_host) == 1
    watched_host.assert_no_changes()


def test_command_runs_after_a_kill_that_follows_publication(restarted_host: Host) -> None:
    declare(restarted_host, ["beta==2.0"])
    before = restarted_host.generation
    os.mkfifo(restarted_host.directory / "gate")
    script = restarted_host.directory / "restart"
    content = script.read_text()
    script.write_text(content.replace("echo run", "read line < gate\necho run"))
    process = subprocess.Popen(
        restarted_host.argv("apply", "converge.toml"),
        env=restarted_host.environment(),
        cwd=restarted_host.directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    child_id = _child_at(process.pid, script)
    assert restarted_host.generation != before
    process.kill()
    process.wait()
    os.kill(child_id, signal.SIGKILL)
    script.write_text(content)
    assert runs(restarted_host) == 1

    result = restarted_host.apply_ok()

    assert result.resource("venv.app")["outcome"] == "unchanged"
    assert result.resource("command.restart")["outcome"] == "changed"
    assert runs(restarted_host) == 2
    restarted_host.assert_no_changes()


def test_command_runs_again_if_its_record_is_lost(restarted_host: Host) -> None:
    for record in (restarted_host.directory / "state/commands").glob("*.json"):
        record.unlink()

    plan = restarted_host.plan().resource("command.restart")
    assert plan["action"] == "create"
    assert "trigger.venv.app" in changes(plan)
    restarted_host.apply_ok()

    assert runs(restarted_host) == 2


def test_command_that_times_out_is_stopped(host_with_wheels: Host) -> None:
    slow = '[command.slow]\nargv = ["sleep", "600"]\ntimeout = 1\n'
    host_with_wheels.declare(["beta"], more=slow)

    failed = host_with_wheels.apply()

    assert failed.code == 1
    message = failed.resource("command.slow")["error"]["message"]
    assert message == "`sleep` timed out after 1 s"


def test_missing_program_is_named(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"], more='[command.none]\nargv = ["/no/such/program"]\n')

    failed = host_with_wheels.apply()

    assert failed.code == 1
    error = failed.resource("command.none")["error"]
    assert "/no/such/program" in error["message"]
    assert "absolute path" in error["hint"]


@pytest.mark.parametrize("cwd", ["nothere", "converge.toml"])
def test_invalid_working_directory_is_named(host: Host, cwd: str) -> None:
    host.write(f'[command.a]\nargv = ["true"]\ncwd = "{cwd}"\n')

    error = host.apply().first["error"]

    assert str(host.directory / cwd) in error["message"]
    assert "`cwd`" in error["hint"]


def test_non_executable_file_is_reported(host: Host) -> None:
    host.write('[command.a]\nargv = ["/etc/passwd"]\n')

    failed = host.apply()

    assert failed.code == 77
    assert "executable" in failed.first["error"]["hint"]


def _child_at(parent: int, script: Path) -> int:
    """Wait until a child of `parent` runs the script, then return its process ID."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                argv = Path("/proc", name, "cmdline").read_bytes().split(b"\0")
                status = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if bytes(script) in argv and int(status[1]) == parent:
                return int(name)
        time.sleep(0.02)
    raise AssertionError("the command didn't start")


def test_command_gets_its_variables(host: Host) -> None:
    """Secrets come from the environment or a file. No output or record contains them."""
    host.write("s3cret-of-the-file\n", "token")
    script = "env | grep ^TEST_ | sort > seen; env | grep ^TEST_; exit $TEST_STATUS"

    def declare(status: int) -> None:
        host.write(
            f"""
            [command.restart]
            argv = ["/bin/sh", "-c", "{script}"]
            cwd = "."
            [command.restart.environment]
            TEST_DIR = "/run/user/1000"
            TEST_FILE = "file:token"
            TEST_STATUS = "{status}"
            TEST_VARIABLE = "env:TOKEN"
            """
        )

    declare(3)
    host.env = {"TOKEN": "s3cret-of-the-environment"}
    failed = host.apply("--verbose")
    declare(0)
    host.apply_ok()

    assert (host.directory / "seen").read_text().splitlines() == [
        "TEST_DIR=/run/user/1000",
        "TEST_FILE=s3cret-of-the-file",
        "TEST_STATUS=0",
        "TEST_VARIABLE=s3cret-of-the-environment",
    ]
    assert failed.code == 1
    assert "TEST_VARIABLE=****" in failed.first["error"]["output"]
    assert "s3cret" not in failed.out + failed.err
    records = [path for path in host.directory.rglob("state/**/*") if path.is_file()]
    assert not [path for path in records if b"s3cret" in path.read_bytes()]
    host.assert_no_changes()


def test_missing_variable_of_a_command_is_reported_by_the_plan(host: Host) -> None:
    host.write(
        '[command.restart]\nargv = ["true"]\n'
        'environment = { "bad-name" = "x", GOOD = "env:NO_SUCH_VARIABLE" }\n'
    )
    (problem,) = host.plan().report["problems"]
    assert (problem["line"], problem["message"]) == (3, "invalid name of a variable: `bad-name`")
    host.write('[command.restart]\nargv = ["true"]\nenvironment = { X = "env:NO_SUCH_VARIABLE" }\n')

    for failed in (host.plan(), host.apply()):
        assert failed.code == 1
        assert "`NO_SUCH_VARIABLE` isn't set" in failed.first["error"]["message"]


def test_failure_counts_if_the_caller_ignores_sigchld(watched_host: Host) -> None:
    """The kernel discards the exit statuses of children then, unless the command changes that."""
    (watched_host.directory / "broken").touch()
    program = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
        "os.execvp(sys.argv[1], sys.argv[1:])"
    )
    done = watched_host.apply(prefix=[sys.executable, "-c", program])
    assert done.code == 1
    (command,) = (row for row in done.report["resources"] if row["kind"] == "command")
    assert "failed with status 3" in command["error"]["message"]
