"""Plain ``uv pip install`` and ``pip install`` under the same faults, for comparison."""

from __future__ import annotations

import functools
import hashlib
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.wheels import make_wheel

from .cage import Command
from .scene import Scene
from .supervisor import Outcome, run

PACKAGES = ("alpha", "beta")
TOOLS = ("uv", "pip")


def uv() -> str | None:
    """The uv beside this interpreter, or the one on the PATH."""
    return shutil.which("uv", path=sysconfig.get_path("scripts")) or shutil.which("uv")


def wheels(folder: Path) -> None:
    """Two versions of two packages, each with a module, some files and a script."""
    for name in PACKAGES:
        for version in ("1.0", "2.0", "3.0"):
            files = {f"{name}/part{n}.py": f"VALUE = '{version}.{n}'\n" * 40 for n in range(4)}
            script = {name: f"{name}:main"}
            files[f"{name}/__init__.py"] = (
                f"__version__ = '{version}'\n\n\ndef main() -> None:\n    print(__version__)\n"
            )
            make_wheel(folder, name, version, files=files, console_scripts=script)


def environment(home: Path) -> Mapping[str, str]:
    """Nothing of the user's: every cache and temporary file below ``home``."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "UV_CACHE_DIR": str(home / "cache"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "UV_OFFLINE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "LC_ALL": "C.UTF-8",
    }


def command(tool: str, home: Path, version: str, venv: str = "venv") -> Command:
    """Install both packages at ``version``."""
    python = str(home / venv / "bin" / "python")
    found = uv()
    assert found is not None
    start = [found, "pip", "install", "-q", "--python", python]
    if tool == "pip":
        start = [python, "-m", "pip", "install", "-q"]
    wanted = [f"{name}=={version}" for name in PACKAGES]
    argv = [*start, "--no-index", "--find-links", str(home / "wheels"), "--no-deps", *wanted]
    return Command(argv=argv, writable=[home], cwd=home, env=environment(home))


def scene(tool: str, *, update: bool) -> Scene:
    """One tool, installing into an empty venv or over an older version."""

    def setup(home: Path) -> None:
        wheels(home / "wheels")
        (home / "tmp").mkdir()
        for venv in ("venv", "reference"):
            bare = [sys.executable, "-m", "venv", str(home / venv)]
            subprocess.run([*bare, *(["--without-pip"] * (tool == "uv"))], check=True)
        assert run(command(tool, home, "2.0", "reference")).code == 0
        if update:
            assert run(command(tool, home, "1.0")).code == 0

    return Scene(
        name=f"{tool} pip install".replace("pip pip", "pip") + (", update" if update else ""),
        setup=setup,
        command=lambda home: command(tool, home, "2.0"),
        check=functools.partial(_check, tool),
        roots=lambda home: [home / "venv"],
        done=_differences,
    )


def _check(tool: str, home: Path, _outcome: Outcome) -> Sequence[str]:
    again = run(command(tool, home, "2.0"))
    if again.code != 0:
        return [f"the same command again ended with {again.code}"]
    return _differences(home)


def _differences(home: Path) -> Sequence[str]:
    """What is not as a clean install left it."""
    found, wanted = _files(home / "venv"), _files(home / "reference")
    wrong = [f"missing: {path}" for path in sorted(wanted.keys() - found.keys())]
    wrong += [f"left over: {path}" for path in sorted(found.keys() - wanted.keys())]
    both = sorted(found.keys() & wanted.keys())
    return wrong + [f"differs: {path}" for path in both if found[path] != wanted[path]]


def _files(venv: Path) -> dict[str, str]:
    """What was installed, bytecode apart; of scripts only that they are there."""
    found = {}
    for path in sorted(venv.rglob("*")):
        name = str(path.relative_to(venv))
        if path.is_file() and "__pycache__" not in name and not path.is_symlink():
            inside = name.startswith("lib/") and "/pip" not in name
            found[name] = _digest(path) if inside else ""
    return found


def _digest(path: Path) -> str:
    """Without RECORD's lines about scripts and bytecode, which hold the venv's own path."""
    lines = path.read_bytes().splitlines()
    kept = [line for line in lines if not line.startswith(b"../") and b"__pycache__" not in line]
    return hashlib.sha256(b"\n".join(sorted(kept))).hexdigest()
