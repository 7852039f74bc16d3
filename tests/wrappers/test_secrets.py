"""A password that a tool was given is nowhere to be found afterwards, nor while it runs.

The index waits before each answer, so that every process of a run is seen with its arguments.
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
from tests.wrappers.callers.caller import Place, clean_environment
from tests.wrappers.callers.dsc import Dsc
from tests.wrappers.callers.pyinfra import Pyinfra
from tests.wrappers.callers.salt import Salt
from tests.wrappers.environments import ANSIBLE
from tests.wrappers.world import PYTHON

CANARY = "c4nary-in-the-index-url"
VARIABLE = "CONVERGE_TEST_INDEX"

Run = Callable[[Place, Path, dict[str, object], str], list[str]]
"""Runs a tool in a place with its `bin` folder, a declaration and a URL; returns what it printed."""


@contextmanager
def watched() -> Iterator[set[str]]:
    """Collect the arguments of every process that lives meanwhile."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for entry in os.listdir("/proc"):
                if entry.isdigit():
                    try:
                        seen.add(
                            Path("/proc", entry, "cmdline").read_bytes().decode(errors="replace")
                        )
                    except OSError:
                        continue

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _ansible(at: Place, programs: Path, declaration: dict[str, object], url: str) -> list[str]:
    ansible = Ansible(at, programs, "ansible")
    options = {"declaration": declaration, "executable": str(at.engine)}
    # The value comes as it does from a vault: by a variable that no playbook shows.
    given = at.folder / "vars.json"
    given.write_text(json.dumps({"wheels": url}))
    play = {"tasks": [{"converge.python.venv": options | {"secrets": {VARIABLE: "{{ wheels }}"}}}]}
    verbosities = (["--check", "--diff", "-vvvvv"], ["-vvv", "--diff"], [])
    return [ansible.play(play, "-e", f"@{given}", *words)[1] for words in verbosities]


def _salt(at: Place, programs: Path, declaration: dict[str, object], url: str) -> list[str]:
    salt = Salt(at, programs)
    salt.give({"wheels": url})
    options = [{"declaration": declaration}, {"executable": str(at.engine)}]
    states = {"p": {"converge.applied": [*options, {"secrets": {VARIABLE: "wheels"}}]}}
    (salt.tree / "table.sls").write_text("#!json\n" + json.dumps(states))
    runs = (("test=True", "-ldebug"), ("-lall",), ("-linfo",))
    return [salt.call("state.apply", "table", *words)[2] for words in runs]


def _pyinfra(at: Place, programs: Path, declaration: dict[str, object], url: str) -> list[str]:
    pyinfra = Pyinfra(at, programs)
    given = at.folder / "url"
    given.write_text(url)
    text = f"""
from pathlib import Path
from pyinfra.api import HiddenValue
from pyinfra_converge import converge
converge.applied(declaration={declaration!r}, executable={str(at.engine)!r},
    secrets={{{VARIABLE!r}: HiddenValue(Path({str(given)!r}).read_text())}})
"""
    printed = []
    for words in (["--dry", "-vvv", "--debug"], ["--yes", "-vvv", "--debug"], ["--yes"]):
        _, document, log = pyinfra.deploy(text, *words)
        printed.append(log + json.dumps(document))
    given.unlink()
    return printed


def _dsc(at: Place, programs: Path, declaration: dict[str, object], url: str) -> list[str]:
    dsc = Dsc(at)
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
    return [done.stdout + done.stderr for done in runs]


def _command(at: Place, programs: Path, declaration: dict[str, object], url: str) -> list[str]:
    printed = []
    for verb in ("plan", "apply", "check"):
        for words in ([], ["--json"], ["--verbose"]):
            done = at.run(
                [at.engine, verb, "-", *words], give=json.dumps(declaration), **{VARIABLE: url}
            )
            printed.append(done.stdout + done.stderr)
    return printed


TOOLS: dict[str, tuple[str | None, Run]] = {
    "command": (None, _command),
    "ansible": (ANSIBLE, _ansible),
    "salt": ("salt", _salt),
    "pyinfra": ("pyinfra", _pyinfra),
    "dsc": (None, _dsc),
}


@pytest.mark.parametrize("fails", [False, True], ids=["installs", "fails"])
@pytest.mark.parametrize("name", TOOLS)
def test_a_password_is_in_no_output_no_command_line_and_no_file(
    name: str,
    fails: bool,
    tmp_path: Path,
    engine: Path,
    wrappers: Path,
    tool: Callable[[str], Path],
) -> None:
    """Whether all goes well or the package does not exist, at every verbosity."""
    key, run = TOOLS[name]
    programs = tool(key) if key else tmp_path
    home = tmp_path / "home"
    (home / name).mkdir(parents=True)
    at = Place(
        folder=home / name,
        engine=engine,
        wrapper=wrappers / name,
        environ=clean_environment(home, engine.parent),
    )
    make_wheel(tmp_path / "wheels", "alpha", "1.0")
    package = "nothing-like-it" if fails else "alpha"
    table = {
        "path": str(home / "web"),
        "python": PYTHON,
        "packages": [package],
        "index-url": f"env:{VARIABLE}",
    }
    with Index(tmp_path / "wheels", auth=("deploy", CANARY)) as index, watched() as processes:
        index.delay = 0.1
        printed = run(at, programs, {"venv": {"web": table}}, index.url_with_password)
        asked = index.paths()
    assert asked, "the password was never used"
    assert any("converge" in words for words in processes), "no process was seen"
    assert (home / "web").exists() is not fails
    assert [text for text in printed if CANARY in text] == []
    assert [words for words in processes if CANARY in words] == []
    assert _files_with_it(home) - _where_it_was_given(home) == set()


def _files_with_it(folder: Path) -> set[Path]:
    """Return the files with the password in them: journal, receipts, caches, logs of the tool."""
    needle = CANARY.encode()
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path for path in files if needle in path.read_bytes()}


def _where_it_was_given(home: Path) -> set[Path]:
    return {home / "ansible" / "vars.json", home / "salt" / "pillar" / "all.sls"}


def test_the_watch_sees_a_password_that_is_in_a_command_line() -> None:
    """So that finding nothing means something."""
    with watched() as processes:
        os.spawnlp(os.P_WAIT, "sh", "sh", "-c", "sleep 0.3", CANARY)
        time.sleep(0.05)
    assert any(CANARY in words for words in processes)
