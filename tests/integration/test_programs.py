"""Programs from the package index keep working across updates: daemons, servers, and hooks.

The first run downloads about 60 packages and compiles uWSGI. CONVERGE_PROGRAMS_CACHE names a
directory for the downloads of later runs.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from states.venv.generations import in_use
from tests.integration.host import Host
from tests.support.wheels import make_wheel

pytestmark = pytest.mark.programs
PACKAGES = [
    "celery", "gunicorn", "ipykernel", "pre-commit", "python-daemon", "stevedore", "supervisor",
    "uwsgi",
]  # fmt: skip
APPLICATION = """
import sys
def application(environ, start_response):
    import plugin.late
    start_response("200 OK", [("Content-Type", "text/plain")])
    sites = [entry for entry in sys.path if entry.endswith("site-packages")]
    return ["\\n".join([plugin.late.version, *sites]).encode()]
"""
DAEMON = """
import os, sys, time, daemon
directory = sys.argv[1]
with daemon.DaemonContext(working_directory=directory):
    open("daemon.pid", "w").write(str(os.getpid()))
    while not os.path.exists("late"):
        time.sleep(0.1)
    import plugin.late
    open("daemon.out", "w").write(plugin.late.version)
"""
SUPERVISOR = """
[supervisord]
logfile = supervisord.log
pidfile = supervisord.pid
[unix_http_server]
file = supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix://supervisor.sock
[program:child]
command = {python} -c "import sys, time; open('child', 'w').write(sys.prefix); time.sleep(600)"
"""


def eventually(condition: Callable[[], object], timeout_s: float = 60) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.1)


def pid_in(file: Path) -> int:
    """Return the ID that a program writes to a file."""
    eventually(lambda: file.exists() and file.read_text().strip())
    return int(file.read_text())


def free_port() -> int:
    """Return a port of the loopback interface that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def fetch(port: int) -> list[str]:
    """Return the lines that a server responds with, or an empty list."""
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}") as response:
        return str(response.read().decode()).splitlines()
    return []


@dataclass(kw_only=True)
class Started:
    """Programs that run from the first generation, and files that they wrote."""

    host: Host
    directory: Path
    first: Path
    """The first generation."""
    gunicorn: int = field(default_factory=free_port)
    uwsgi: int = field(default_factory=free_port)
    pids: list[int] = field(default_factory=list)

    def run(self, *argv: str | Path) -> str:
        """Run a program of the published venv to its end; return its output."""
        program = self.host.venv / "bin" / argv[0]
        completed = subprocess.run(
            [program, *argv[1:]], cwd=self.directory, capture_output=True, text=True,
            env={**os.environ, "HOME": str(self.directory)}, timeout=120,
        )  # fmt: skip
        assert completed.returncode == 0, completed.stdout + completed.stderr
        return completed.stdout

    def start(self, *argv: str | Path) -> int:
        """Start a program of the published venv; return its ID."""
        log = (self.directory / f"{argv[0]}.log").open("w")
        process = subprocess.Popen(
            [self.host.venv / "bin" / argv[0], *argv[1:]], cwd=self.directory, stdout=log,
            stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.pids.append(process.pid)
        return process.pid

    def update(self, version: str) -> None:
        """Publish another generation."""
        self.host.declare([*PACKAGES, f"plugin=={version}"], no_index=None, keep=0)
        self.host.apply_ok()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Iterator[Started]:
    """Start each program, update the venv twice, and yield them."""
    directory = tmp_path_factory.mktemp("programs")
    cache = Path(os.environ.get("CONVERGE_PROGRAMS_CACHE", shared_cache))
    host = Host(directory=directory, cache=cache)
    for version in ("1.0", "2.0", "3.0"):
        entry_points = "[corp.hooks]\nhook = plugin:hook\n"
        files = {
            "plugin/__init__.py": "def hook(): pass\n",
            "plugin/late.py": f"version = {version!r}\n",
            f"plugin-{version}.dist-info/entry_points.txt": entry_points,
        }
        make_wheel(host.wheels, "plugin", version, files=files)
    programs = Started(host=host, directory=directory, first=directory)
    try:
        programs.update("1.0")
        programs.first = host.generation
        start_all(programs)
        programs.update("2.0")
        programs.update("3.0")
        yield programs
    finally:
        for pid in programs.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def start_all(programs: Started) -> None:
    """Start the daemons and servers, and let the tools write their files."""
    directory, python = programs.directory, programs.host.venv / "bin/python"
    (directory / "application.py").write_text(APPLICATION)
    (directory / "daemonize.py").write_text(DAEMON)
    (directory / "supervisor.conf").write_text(SUPERVISOR.format(python=python))
    (directory / ".pre-commit-config.yaml").write_text(
        "repos:\n- repo: local\n  hooks:\n"
        "  - {id: hook, name: hook, entry: touch hook.ran, language: system, always_run: true,"
        " pass_filenames: false}\n"
    )
    subprocess.run(["git", "init", "--quiet", directory], check=True)
    programs.run("pre-commit", "install")
    programs.run("python", "-m", "ipykernel", "install", "--prefix", directory / "jupyter")
    programs.run("python", "daemonize.py", directory)
    programs.run("celery", "-b", "memory://", "beat", "--detach", "--pidfile", "celery.pid")
    bind = f"127.0.0.1:{programs.gunicorn}"
    programs.start("gunicorn", "application", "--bind", bind, "--pid", "gunicorn.pid")
    http = f"127.0.0.1:{programs.uwsgi}"
    module = ("--module", "application", "--pythonpath", directory)
    venv = ("--virtualenv", programs.host.venv)
    programs.start(
        "uwsgi", "--http-socket", http, "--master", "--pidfile", "uwsgi.pid", *module, *venv
    )
    programs.start("supervisord", "--nodaemon", "--configuration", "supervisor.conf")
    programs.pids += [pid_in(directory / name) for name in ("daemon.pid", "celery.pid")]
    for port in (programs.gunicorn, programs.uwsgi):
        eventually(lambda port=port: fetch(port))  # type: ignore[misc]
    eventually((directory / "child").exists)


def test_daemons_keep_their_generation(started: Started) -> None:
    """python-daemon, `celery beat --detach`: both close their descriptors."""
    users = in_use.using_processes(str(started.first))
    for name in ("daemon.pid", "celery.pid"):
        assert pid_in(started.directory / name) in users
    (started.directory / "late").touch()
    eventually((started.directory / "daemon.out").exists)

    assert (started.directory / "daemon.out").read_text() == "1.0"


def test_servers_import_from_one_generation_only(started: Started) -> None:
    for port in (started.gunicorn, started.uwsgi):
        version, *sites = fetch(port)
        assert version == "1.0"
        assert sites == [str(next(started.first.glob("lib/*/site-packages")))]


def test_gunicorn_changes_its_generation_with_usr2_not_hup(started: Started) -> None:
    """SIGHUP starts workers from the old master. SIGUSR2 executes `sys.executable`."""
    master = pid_in(started.directory / "gunicorn.pid")
    os.kill(master, signal.SIGHUP)
    time.sleep(3)
    after_hup = fetch(started.gunicorn)[0]
    os.kill(master, signal.SIGUSR2)
    second = started.directory / "gunicorn.pid.2"
    started.pids.append(pid_in(second))
    os.kill(master, signal.SIGTERM)
    eventually(lambda: fetch(started.gunicorn)[:1] == ["3.0"])

    assert after_hup == "1.0"


def test_uwsgi_changes_its_packages_with_hup(started: Started) -> None:
    """Its program remains that of the old generation."""
    master = pid_in(started.directory / "uwsgi.pid")
    os.kill(master, signal.SIGHUP)
    eventually(lambda: fetch(started.uwsgi)[:1] == ["3.0"])

    assert os.readlink(f"/proc/{master}/exe") == f"{started.first}/bin/uwsgi"
    assert master in in_use.using_processes(str(started.first))


def test_git_hook_of_pre_commit_works(started: Started) -> None:
    hook = (started.directory / ".git/hooks/pre-commit").read_text()
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    commit = [*git, "commit", "--quiet", "--allow-empty", "-m", "x"]
    add = ["git", "add", ".pre-commit-config.yaml"]
    subprocess.run(add, cwd=started.directory, check=True)
    subprocess.run(
        commit, cwd=started.directory, check=True,
        env={**os.environ, "HOME": str(started.directory)},
    )  # fmt: skip

    assert f"INSTALL_PYTHON={started.host.venv}/bin/python" in hook.replace("'", "")
    assert (started.directory / "hook.ran").exists()


def test_jupyter_kernel_works(started: Started) -> None:
    (spec,) = started.directory.glob("jupyter/share/jupyter/kernels/*/kernel.json")
    argv = json.loads(spec.read_text())["argv"]
    command = [argv[0], "-c", "import ipykernel, plugin.late; print(plugin.late.version)"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert argv[0] == str(started.host.venv / "bin/python")
    assert output == "3.0\n"


def test_supervisor_restarts_a_program_in_the_live_generation(started: Started) -> None:
    child = started.directory / "child"
    before = child.read_text()
    child.unlink()
    started.run("supervisorctl", "--configuration", "supervisor.conf", "restart", "child")
    eventually(lambda: child.exists() and child.read_text())

    assert before == str(started.first)
    assert child.read_text() == str(started.host.generation)


def test_stevedore_finds_a_plugin_once(started: Started) -> None:
    program = "from stevedore import ExtensionManager as M; print(M('corp.hooks').names())"
    assert started.run("python", "-c", program) == "['hook']\n"
