"""A running process keeps the generation that it was started from."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest

from states.venv.generations import in_use
from states.venv.generations.in_use import is_in_use
from tests.integration.host import Host
from tests.integration.starts import REPORT, starts
from tests.support.wheels import make_wheel

SERVICE = """\
import sys
def main():
    import service
    for line in sys.stdin:
        exec(line)
        sys.stdout.flush()
def where():
    print(sys.executable)
"""


@pytest.fixture
def service(host: Host) -> Iterator[tuple[Host, subprocess.Popen[str]]]:
    """Yield a service that was started from its published path and runs lines from stdin."""
    for version in ("1.0", "2.0", "3.0"):
        files = {
            "service/__init__.py": f"__version__ = {version!r}\n",
            "service/run.py": SERVICE,
            "service/late.py": f"when = {version!r}\n",
        }
        scripts = {"service": "service.run:main", "service-where": "service.run:where"}
        make_wheel(host.wheels, "service", version, files=files, console_scripts=scripts)
    host.declare(["service==1.0"], keep=0)
    host.apply_ok()
    process = subprocess.Popen(
        [host.venv / "bin/python", "-c", "from service.run import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
    )
    assert send_line(process, "print(service.__version__)") == "1.0"
    yield host, process
    process.kill()
    process.communicate()


def send_line(process: subprocess.Popen[str], line: str) -> str:
    """Have the service execute a line; return what it prints."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"import service; {line}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def upgrade(host: Host, version: str) -> None:
    host.declare([f"service=={version}"], keep=0)
    host.apply_ok()


def test_process_imports_from_one_generation_only(
    service: tuple[Host, subprocess.Popen[str]],
) -> None:
    host, process = service

    upgrade(host, "2.0")

    assert send_line(process, "import service.late; print(service.late.when)") == "1.0"
    assert host.run_python("import service.late; print(service.late.when)") == "2.0"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_worker_process_uses_the_same_generation(
    service: tuple[Host, subprocess.Popen[str]], method: str
) -> None:
    """The new generation could have another version of Python."""
    host, process = service
    old = host.generation
    upgrade(host, "2.0")
    line = (
        f"import multiprocessing as m; pool = m.get_context({method!r}).Pool(1); print(*pool.map("
        "eval, ['__import__(\"sys\").prefix', '__import__(\"service\").__version__']))"
    )

    assert send_line(process, line) == f"{old} 1.0"


def test_recorded_interpreter_works_after_updates(
    service: tuple[Host, subprocess.Popen[str]],
) -> None:
    """Programs write `sys.executable` to Git hooks, unit files, and crontabs."""
    host, process = service
    recorded = {
        send_line(process, "import sys; print(sys.executable)"),
        host.run_script("service-where"),
    }
    process.kill()
    process.wait()
    upgrade(host, "2.0")
    upgrade(host, "3.0")

    assert recorded == {str(host.venv / "bin/python")}
    (python,) = recorded
    command = [python, "-c", "import service; print(service.__version__)"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "3.0\n"


def test_generation_stays_if_its_processes_close_descriptors(
    service: tuple[Host, subprocess.Popen[str]],
) -> None:
    """For example, services that daemonize (PEP 3143), in any way to start."""
    host, _ = service
    old = host.generation.name
    program = (
        "import os, sys; os.closerange(3, 256); print(flush=True); input()\n"
        "import service.late; print(service.late.when)"
    )
    with ExitStack() as stack:
        daemons = [
            stack.enter_context(
                subprocess.Popen(
                    [*start.argv[:-1], start.argv[-1].removesuffix(REPORT) + program],
                    executable=start.executable, cwd="/", text=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )
            )
            for name, start in starts(host.venv, host.python).items()
            if name in ("path", "site later", "activate_this", "addsitedir", "embedded")
        ]  # fmt: skip
        assert all(daemon.stdout and daemon.stdout.readline() == "\n" for daemon in daemons)
        upgrade(host, "2.0")
        upgrade(host, "3.0")
        status = json.loads(host.run("status", "converge.toml", "--json").out)
        outputs = [daemon.communicate("\n")[0] for daemon in daemons]

    assert outputs == ["1.0\n"] * 5
    pids = {daemon.pid for daemon in daemons}
    assert pids <= set(status["venvs"][0]["old_generations_in_use"][old])


def test_import_path_in_the_environment_keeps_a_generation(
    service: tuple[Host, subprocess.Popen[str]],
) -> None:
    """Such a process doesn't run the startup hook."""
    host, process = service
    process.kill()
    process.wait()
    old = host.generation.name
    command = [host.python, "-c", "import service.run; service.run.main()"]
    with subprocess.Popen(
        command, env={"PYTHONPATH": str(host.site)}, cwd="/", text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert send_line(other, "print(service.__version__)") == "1.0"
        upgrade(host, "2.0")
        upgrade(host, "3.0")
        assert send_line(other, "import service.late; print(service.late.when)") == "1.0"
    upgrade(host, "2.0")

    assert old not in host.generations()


def test_generation_stays_until_its_process_ends(
    service: tuple[Host, subprocess.Popen[str]],
) -> None:
    host, process = service
    old = host.generation.name
    upgrade(host, "2.0")
    upgrade(host, "3.0")
    assert old in host.generations()
    assert len(host.generations()) == 2

    process.kill()
    process.wait()
    upgrade(host, "2.0")

    assert len(host.generations()) == 1
    assert old not in host.generations()


@pytest.mark.parametrize("use", ["cd {0}/bin", "exec 7<{0}/bin/activate"])
def test_cwd_and_open_files_keep_a_generation(host_with_wheels: Host, use: str) -> None:
    """For example, a packaged shell script that was started from its published path."""
    host_with_wheels.declare(["beta<2"], keep=0)
    host_with_wheels.apply_ok()
    old = host_with_wheels.generation.name
    command = ["sh", "-c", f"{use.format(host_with_wheels.venv)}; echo ready; read line"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        host_with_wheels.declare(["beta==2.0"], keep=0)
        host_with_wheels.apply_ok()
        status = host_with_wheels.run("status", "converge.toml").out
        assert f"process {process.pid} still on {old}" in status
        assert old in host_with_wheels.generations()
        process.kill()
    assert host_with_wheels.run("gc", "converge.toml", "--keep", "0").code == 0
    assert old not in host_with_wheels.generations()


def test_used_generation_without_receipt_stays(
    service: tuple[Host, subprocess.Popen[str]],
) -> None:
    host, process = service
    old = host.generation
    (old / ".converge/receipt.json").unlink()

    assert "nothing to delete" in host.run("gc", "converge.toml", "--keep", "0").out
    assert host.generation == old
    upgrade(host, "2.0")

    assert host.generation != old
    assert send_line(process, "import service.late as l; print(l.when)") == "1.0"
    host.assert_no_changes()
    process.kill()
    process.wait()
    assert host.run("gc", "converge.toml", "--keep", "0").code == 0
    assert host.generations() == [host.generation.name]


def test_used_generation_stays_during_repair(
    service: tuple[Host, subprocess.Popen[str]],
) -> None:
    host, process = service
    (host.site / "stray.py").write_text("")

    host.apply_ok()

    assert send_line(process, "import service.late; print(service.late.when)") == "1.0"


def test_process_is_found_without_its_lease(host: Host) -> None:
    host.declare([])
    host.apply_ok()
    command: list[str | Path] = [host.generation / "bin/python", "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        (host.generation / ".converge/lease").unlink()
        pids = in_use.using_processes(str(host.generation))
        process.communicate(b"\n")

    assert pids == [process.pid]


@pytest.mark.parametrize(
    ("module", "call", "number"),
    [(os, "open", errno.EMFILE), (fcntl, "flock", errno.EBADF), (fcntl, "flock", errno.EAGAIN)],
)
def test_generation_counts_as_in_use_on_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, call: str, number: int
) -> None:
    assert not is_in_use(str(tmp_path))
    (tmp_path / ".converge").mkdir()
    (tmp_path / ".converge/lease").touch()
    assert not is_in_use(str(tmp_path))

    def failing(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(in_use, "using_processes", lambda _: [])
        patched.setattr(module, call, failing)
        assert is_in_use(str(tmp_path))


def test_forked_child_keeps_the_generation(service: tuple[Host, subprocess.Popen[str]]) -> None:
    host, process = service
    old = host.generation.name
    child = int(send_line(process, "import os, time; print(os.fork() or (time.sleep(600), 0)[1])"))
    process.kill()
    process.wait()

    upgrade(host, "2.0")

    is_kept = old in host.generations()
    subprocess.run(["kill", "-9", str(child)], check=True)
    assert is_kept
