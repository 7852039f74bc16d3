"""A password for the index doesn't leak, neither while a tool runs nor later.

The index delays each response, so that the process monitor sees the arguments of every process.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.index import Index
from tests.support.wheels import make_wheel
from tests.wrappers.callers.ansible import Ansible
from tests.wrappers.callers.caller import Workspace, clean_environment
from tests.wrappers.callers.dsc import Dsc
from tests.wrappers.callers.pyinfra import Pyinfra
from tests.wrappers.callers.salt import Salt
from tests.wrappers.environments import ANSIBLE
from tests.wrappers.sources import PYTHON

CANARY = "c4nary-in-the-index-url"
VARIABLE = "CONVERGE_TEST_INDEX"

Run = Callable[[Workspace, Path, dict[str, object], str], list[str]]
"""Run a tool with a workspace, its `bin` directory, a declaration, and a URL; return its output."""


@contextmanager
def monitor_processes() -> Iterator[set[str]]:
    """Collect the command lines of all processes that run during the context."""
    command_lines: set[str] = set()
    finished = threading.Event()

    def poll() -> None:
        while not finished.wait(0.02):
            for entry in os.listdir("/proc"):
                if entry.isdigit():
                    try:
                        command_lines.add(
                            Path("/proc", entry, "cmdline").read_bytes().decode(errors="replace")
                        )
                    except OSError:
                        continue

    monitor = threading.Thread(target=poll)
    monitor.start()
    try:
        yield command_lines
    finally:
        finished.set()
        monitor.join()


def _ansible(
    workspace: Workspace, programs: Path, declaration: dict[str, object], url: str
) -> list[str]:
    ansible = Ansible(workspace, programs, "ansible")
    options = {"declaration": declaration, "executable": str(workspace.executable)}
    # As with a vault, the value comes from a variable that no playbook contains.
    variables = workspace.directory / "vars.json"
    variables.write_text(json.dumps({"wheels": url}))
    play = {"tasks": [{"converge.python.venv": options | {"secrets": {VARIABLE: "{{ wheels }}"}}}]}
    verbosities: tuple[list[str], ...] = (["--check", "--diff", "-vvvvv"], ["-vvv", "--diff"], [])
    return [ansible.play(play, "-e", f"@{variables}", *options)[1] for options in verbosities]


def _salt(
    workspace: Workspace, programs: Path, declaration: dict[str, object], url: str
) -> list[str]:
    salt = Salt(workspace, programs)
    salt.set_pillar({"wheels": url})
    options = [{"declaration": declaration}, {"executable": str(workspace.executable)}]
    states = {"p": {"converge.applied": [*options, {"secrets": {VARIABLE: "wheels"}}]}}
    (salt.tree / "table.sls").write_text("#!json\n" + json.dumps(states))
    runs = (("test=True", "-ldebug"), ("-lall",), ("-linfo",))
    return [salt.call("state.apply", "table", *arguments)[2] for arguments in runs]


def _pyinfra(
    workspace: Workspace, programs: Path, declaration: dict[str, object], url: str
) -> list[str]:
    pyinfra = Pyinfra(workspace, programs)
    url_file = workspace.directory / "url"
    url_file.write_text(url)
    text = f"""
from pathlib import Path
from pyinfra.api import HiddenValue
from pyinfra_converge import converge
converge.applied(declaration={declaration!r}, executable={str(workspace.executable)!r},
    secrets={{{VARIABLE!r}: HiddenValue(Path({str(url_file)!r}).read_text())}})
"""
    outputs = []
    for options in (["--dry", "-vvv", "--debug"], ["--yes", "-vvv", "--debug"], ["--yes"]):
        _, document, log = pyinfra.deploy(text, *options)
        outputs.append(log + json.dumps(document))
    url_file.unlink()
    return outputs


def _dsc(
    workspace: Workspace, programs: Path, declaration: dict[str, object], url: str
) -> list[str]:
    dsc = Dsc(workspace)
    [table] = declaration["venv"].values()  # type: ignore[attr-defined]
    properties = {
        "path": table["path"],
        "python": PYTHON,
        "packages": table["packages"],
        "indexUrl": f"env:{VARIABLE}",
    }
    runs = [
        dsc.call(method, properties, **{VARIABLE: url})[0] for method in ("whatIf", "set", "test")
    ]
    return [completed.stdout + completed.stderr for completed in runs]


def _command(
    workspace: Workspace, programs: Path, declaration: dict[str, object], url: str
) -> list[str]:
    outputs = []
    for verb in ("plan", "apply", "check"):
        for options in ([], ["--json"], ["--verbose"]):
            completed = workspace.run(
                [workspace.executable, verb, "-", *options],
                stdin=json.dumps(declaration),
                **{VARIABLE: url},
            )
            outputs.append(completed.stdout + completed.stderr)
    return outputs


TOOLS: dict[str, tuple[str | None, Run]] = {
    "command": (None, _command),
    "ansible": (ANSIBLE, _ansible),
    "salt": ("salt", _salt),
    "pyinfra": ("pyinfra", _pyinfra),
    "dsc": (None, _dsc),
}


@pytest.mark.parametrize("fails", [False, True], ids=["installs", "fails"])
@pytest.mark.parametrize("name", TOOLS)
def test_password_appears_in_no_output_argument_or_file(
    name: str,
    fails: bool,
    tmp_path: Path,
    executable: Path,
    wrappers: Path,
    tool: Callable[[str], Path],
) -> None:
    """The test covers success and failure, at every verbosity."""
    key, run = TOOLS[name]
    programs = tool(key) if key else tmp_path
    home = tmp_path / "home"
    (home / name).mkdir(parents=True)
    workspace = Workspace(
        directory=home / name,
        executable=executable,
        wrapper=wrappers / name,
        environ=clean_environment(home, executable.parent),
    )
    make_wheel(tmp_path / "wheels", "alpha", "1.0")
    package = "nothing-like-it" if fails else "alpha"
    table = {
        "path": str(home / "web"),
        "python": PYTHON,
        "packages": [package],
        "index-url": f"env:{VARIABLE}",
    }
    auth = ("deploy", CANARY)
    with Index(tmp_path / "wheels", auth=auth) as index, monitor_processes() as processes:
        index.delay = 0.1
        outputs = run(workspace, programs, {"venv": {"web": table}}, index.url_with_password)
        requested = index.paths()
    assert requested, "the password was never used"
    assert any("converge" in process for process in processes), "the monitor saw no process"
    assert (home / "web").exists() is not fails
    assert [output for output in outputs if CANARY in output] == []
    assert [process for process in processes if CANARY in process] == []
    assert _files_with_password(home) - _input_files(home) == set()


def _files_with_password(directory: Path) -> set[Path]:
    """Return the files that contain the password: receipts, caches, logs of the tool."""
    needle = CANARY.encode()
    files = (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return {path for path in files if needle in path.read_bytes()}


def _input_files(home: Path) -> set[Path]:
    """Return the files in which the test passes the password to a tool."""
    return {home / "ansible" / "vars.json", home / "salt" / "pillar" / "all.sls"}


def test_process_monitor_sees_command_lines() -> None:
    """The monitor would see a password in a command line."""
    with monitor_processes() as processes:
        os.spawnlp(os.P_WAIT, "sh", "sh", "-c", "sleep 0.3", CANARY)
        time.sleep(0.05)
    assert any(CANARY in process for process in processes)
