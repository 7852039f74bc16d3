"""Plain `uv pip install` and `pip install` under the same faults, for comparison."""

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

from .sandbox import Command
from .scenario import Scenario
from .supervisor import Outcome, run

PACKAGES = ("alpha", "beta")
TOOLS = ("uv", "pip")


def find_uv() -> str | None:
    """Return the uv next to this interpreter, or the one on the PATH."""
    return shutil.which("uv", path=sysconfig.get_path("scripts")) or shutil.which("uv")


def make_wheels(directory: Path) -> None:
    """Write three versions of two packages, each with some modules and a script."""
    for name in PACKAGES:
        for version in ("1.0", "2.0", "3.0"):
            files = {f"{name}/part{n}.py": f"VALUE = '{version}.{n}'\n" * 40 for n in range(4)}
            scripts = {name: f"{name}:main"}
            files[f"{name}/__init__.py"] = (
                f"__version__ = '{version}'\n\n\ndef main() -> None:\n    print(__version__)\n"
            )
            make_wheel(directory, name, version, files=files, console_scripts=scripts)


def environment(home: Path) -> Mapping[str, str]:
    """Return an environment in which every cache and temporary file is below `home`."""
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


def install_command(tool: str, home: Path, version: str, venv: str = "venv") -> Command:
    """Return the command that installs both packages.

    Args:
        tool: `uv` or `pip`.
        home: Directory of the scenario.
        version: Version of both packages.
        venv: Name of the venv to install into.
    """
    python = str(home / venv / "bin" / "python")
    uv = find_uv()
    assert uv is not None
    install = [uv, "pip", "install", "-q", "--python", python]
    if tool == "pip":
        install = [python, "-m", "pip", "install", "-q"]
    requirements = [f"{name}=={version}" for name in PACKAGES]
    offline = ["--no-index", "--find-links", str(home / "wheels"), "--no-deps"]
    argv = [*install, *offline, *requirements]
    return Command(argv=argv, writable=[home], cwd=home, env=environment(home))


def scenario(tool: str, *, update: bool) -> Scenario:
    """Return the scenario in which a tool installs into an empty venv or updates a version."""

    def setup(home: Path) -> None:
        make_wheels(home / "wheels")
        (home / "tmp").mkdir()
        for venv in ("venv", "reference"):
            create = [sys.executable, "-m", "venv", str(home / venv)]
            subprocess.run([*create, *(["--without-pip"] * (tool == "uv"))], check=True)
        assert run(install_command(tool, home, "2.0", "reference")).code == 0
        if update:
            assert run(install_command(tool, home, "1.0")).code == 0

    return Scenario(
        name=f"{tool} pip install".replace("pip pip", "pip") + (", update" if update else ""),
        setup=setup,
        command=lambda home: install_command(tool, home, "2.0"),
        check=functools.partial(_check, tool),
        roots=lambda home: [home / "venv"],
        missing_result=_differences,
    )


def _check(tool: str, home: Path, _outcome: Outcome) -> Sequence[str]:
    retry = run(install_command(tool, home, "2.0"))
    if retry.code != 0:
        return [f"the retry exited with {retry.code}"]
    return _differences(home)


def _differences(home: Path) -> Sequence[str]:
    """Return the differences from a clean installation."""
    actual, expected = _installed_files(home / "venv"), _installed_files(home / "reference")
    violations = [f"missing: {path}" for path in sorted(expected.keys() - actual.keys())]
    violations += [f"unexpected: {path}" for path in sorted(actual.keys() - expected.keys())]
    common = sorted(actual.keys() & expected.keys())
    return violations + [f"differs: {path}" for path in common if actual[path] != expected[path]]


def _installed_files(venv: Path) -> dict[str, str]:
    """Return the installed files and their digests, without bytecode. Scripts have no digest."""
    digests = {}
    for path in sorted(venv.rglob("*")):
        name = str(path.relative_to(venv))
        if path.is_file() and "__pycache__" not in name and not path.is_symlink():
            has_digest = name.startswith("lib/") and "/pip" not in name
            digests[name] = _digest(path) if has_digest else ""
    return digests


def _digest(path: Path) -> str:
    """Ignore the lines of RECORD for scripts and bytecode, which contain the path of the venv."""
    lines = path.read_bytes().splitlines()
    stable = [line for line in lines if not line.startswith(b"../") and b"__pycache__" not in line]
    return hashlib.sha256(b"\n".join(sorted(stable))).hexdigest()
