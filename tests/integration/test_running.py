"""A process keeps the generation that it was started from, for as long as it runs."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from states.venv import usage
from states.venv.retiring import in_use
from tests.integration.host import Host
from tests.support.wheels import make_wheel

SERVICE = """\
import sys
def main():
    import service
    for line in sys.stdin:
        exec(line)
        sys.stdout.flush()
"""


@pytest.fixture
def serving(host: Host) -> Iterator[tuple[Host, subprocess.Popen[str]]]:
    """A service of version 1.0 that runs, by its published path, and does what it is told."""
    for version in ("1.0", "2.0", "3.0"):
        files = {
            "service/__init__.py": f"__version__ = {version!r}\n",
            "service/run.py": SERVICE,
            "service/late.py": f"when = {version!r}\n",
        }
        scripts = {"service": "service.run:main"}
        make_wheel(host.wheels, "service", version, files=files, console_scripts=scripts)
    host.declare(["service==1.0"], keep=0)
    host.applied()
    process = subprocess.Popen(
        [host.venv / "bin/python", "-c", "from service.run import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
    )
    assert tell(process, "print(service.__version__)") == "1.0"
    yield host, process
    process.kill()
    process.communicate()


def tell(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"import service; {line}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def upgrade(host: Host, version: str) -> None:
    host.declare([f"service=={version}"], keep=0)
    host.applied()


def test_it_never_imports_half_of_each(serving: tuple[Host, subprocess.Popen[str]]) -> None:
    host, process = serving

    upgrade(host, "2.0")

    assert tell(process, "import service.late; print(service.late.when)") == "1.0"
    assert host.python_says("import service.late; print(service.late.when)") == "2.0"


def test_a_child_that_it_starts_is_of_the_same_generation(
    serving: tuple[Host, subprocess.Popen[str]],
) -> None:
    host, process = serving
    upgrade(host, "2.0")
    line = (
        "import subprocess; print(subprocess.run([__import__('sys').executable, '-c', "
        "'import service; print(service.__version__)'], capture_output=True, text=True)"
        ".stdout.strip())"
    )

    assert tell(process, line) == "1.0"


def test_its_generation_stays_until_it_ends(
    serving: tuple[Host, subprocess.Popen[str]],
) -> None:
    host, process = serving
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


@pytest.mark.parametrize("how", ["cd {0}/bin", "exec 7<{0}/bin/activate"])
def test_what_is_no_python_keeps_it_by_its_folder_and_by_what_it_has_open(
    stocked: Host, how: str
) -> None:
    """As a script of the shell does, that a package brings, started by its published path."""
    stocked.declare(["beta<2"], keep=0)
    stocked.applied()
    old = stocked.generation.name
    words = ["sh", "-c", f"{how.format(stocked.venv)}; echo ready; read line"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        stocked.declare(["beta==2.0"], keep=0)
        stocked.applied()
        assert f"pid {process.pid}" in stocked.run("status", "converge.toml").out
        assert old in stocked.generations()
        process.kill()
    assert stocked.run("gc", "converge.toml", "--keep", "0").code == 0
    assert old not in stocked.generations()


def test_its_generation_stays_though_it_has_lost_its_receipt(
    serving: tuple[Host, subprocess.Popen[str]],
) -> None:
    host, process = serving
    old = host.generation
    (old / ".converge/receipt.json").unlink()

    assert host.run("gc", "converge.toml", "--keep", "0").out == "nothing to remove\n"
    assert host.generation == old
    upgrade(host, "2.0")

    assert host.generation != old
    assert tell(process, "import service.late as l; print(l.when)") == "1.0"
    host.settled()
    process.kill()
    process.wait()
    assert host.run("gc", "converge.toml", "--keep", "0").code == 0
    assert host.generations() == [host.generation.name]


def test_its_generation_stays_when_the_environment_is_repaired(
    serving: tuple[Host, subprocess.Popen[str]],
) -> None:
    host, process = serving
    (host.site / "stray.py").write_text("")

    host.applied()

    assert tell(process, "import service.late; print(service.late.when)") == "1.0"


def test_it_is_seen_though_the_lease_went(host: Host) -> None:
    host.declare([])
    host.applied()
    words = [host.generation / "bin/python", "-c", "input()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
        (host.generation / ".converge/lease").unlink()
        seen = usage.processes(str(host.generation))
        process.communicate(b"\n")

    assert seen == [process.pid]


@pytest.mark.parametrize(
    ("module", "call", "number"),
    [(os, "open", errno.EMFILE), (fcntl, "flock", errno.EBADF), (fcntl, "flock", errno.EAGAIN)],
)
def test_it_is_taken_for_used_where_nobody_can_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, call: str, number: int
) -> None:
    assert not in_use(str(tmp_path))
    (tmp_path / ".converge").mkdir()
    (tmp_path / ".converge/lease").touch()
    assert not in_use(str(tmp_path))

    def refused(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(usage, "processes", lambda _: [])
        patched.setattr(module, call, refused)
        assert in_use(str(tmp_path))


def test_a_forked_child_holds_it_too(serving: tuple[Host, subprocess.Popen[str]]) -> None:
    host, process = serving
    old = host.generation.name
    child = int(tell(process, "import os, time; print(os.fork() or (time.sleep(600), 0)[1])"))
    process.kill()
    process.wait()

    upgrade(host, "2.0")

    kept = old in host.generations()
    subprocess.run(["kill", "-9", str(child)], check=True)
    assert kept
