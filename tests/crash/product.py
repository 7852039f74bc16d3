"""The command under test, run as an operator does, on a simulated host in its own directory."""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from .installers import PACKAGES, make_wheels
from .sandbox import Command
from .supervisor import Outcome, run

ROOT: Final = Path(os.environ.get("CONVERGE_UNDER_TEST") or Path(__file__).resolve().parents[2])
"""The directory to import converge from. The environment variable selects another build."""

METADATA_DIR: Final = ".converge"
OLD, NEW, NEXT = "1.0", "2.0", "3.0"
NO_EFFECT: Final = "noop"
PRINT_VERSIONS: Final = (
    f"import {', '.join(PACKAGES)}; print({', '.join(p + '.__version__' for p in PACKAGES)})"
)


def startup_error() -> str | None:
    """Return why converge doesn't start, or None.

    Compile its bytecode first. The sandbox is read-only, so otherwise each of thousands of runs
    would compile it again.
    """
    for package in ("engine", "states"):
        compileall.compile_dir(ROOT / package, quiet=1)
    argv = [sys.executable, "-m", "states", "version"]
    completed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if completed.returncode == 0:
        return None
    return f"converge doesn't start: {completed.stderr[-200:]}"


def published(home: Path) -> Path:
    """Return the declared path of the venv."""
    return home / "srv" / "app"


def store(home: Path) -> Path:
    """Return the directory that contains the venv's generations."""
    return home / "srv" / ".app"


def declaration(home: Path) -> Path:
    """Return the path of the declaration."""
    return home / "site.toml"


def environment(home: Path) -> Mapping[str, str]:
    """Return an environment that doesn't depend on the current user's."""
    scripts = sysconfig.get_path("scripts")
    return {
        "PATH": f"{scripts}:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home / "user"),
        "TMPDIR": str(home / "tmp"),
        "CONVERGE_CACHE_DIR": str(home / "cache"),
        "CONVERGE_STATE_DIR": str(home / "state"),
        "LC_ALL": "C.UTF-8",
    }


def command(home: Path, verb: str, *options: str, venv: str = "", **overrides: object) -> Command:
    """Return a command that runs converge on the declaration.

    Args:
        home: Directory of the host.
        verb: The converge command.
        *options: Options of that command.
        venv: The venv to pass as an argument, if any.
        **overrides: Fields of `Command` to replace.
    """
    argv = [sys.executable, "-P", "-m", "states", verb, *options, str(declaration(home))]
    argv += [venv] if venv else []
    base = Command(argv=argv, writable=[home], cwd=home, env=environment(home))
    return replace(base, **overrides)  # type: ignore[arg-type]


def create_host(home: Path) -> None:
    """Create the wheels to install from, the directories, and files that must never change."""
    make_wheels(home / "wheels")
    for name in ("srv", "tmp", "user", "canary/inner"):
        (home / name).mkdir(parents=True)
    (home / "canary" / "inner" / "file").write_text("not yours\n")
    (home / "srv" / "neighbour").symlink_to("../canary")


def canary_digest(home: Path) -> str:
    """Return a digest of the files outside of the declared paths. It must never change."""
    lines = []
    for path in [home / "srv" / "neighbour", *sorted((home / "canary").rglob("*"))]:
        status = path.lstat()
        lines.append(f"{path.name} {status.st_ino} {status.st_mode} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def declare(home: Path, version: str, *, venv_options: str = "", resources: str = "") -> None:
    """Write a declaration that requires both packages.

    Args:
        home: Directory of the host.
        version: Version of both packages.
        venv_options: Further lines of the venv's table.
        resources: Further tables.
    """
    packages = ", ".join(f'"{name}=={version}"' for name in PACKAGES)
    declaration(home).write_text(
        f'[venv.app]\npath = "{published(home)}"\npython = "{base_python()}"\n'
        f'packages = [{packages}]\nfind-links = ["wheels"]\nno-index = true\n'
        f"{venv_options}\n{resources}"
    )


def base_python() -> str:
    """Return the base interpreter. A venv's interpreter can't be the base of another venv."""
    return os.path.realpath(sys.executable)


def run_ok(home: Path, verb: str, *options: str, venv: str = "") -> Outcome:
    """Run a command of a setup, which must succeed."""
    outcome = run(command(home, verb, *options, venv=venv))
    output = f"{outcome.stdout}{outcome.stderr}"
    assert outcome.code == 0, f"{verb} exited with {outcome.code}\n{output}"
    return outcome


def apply(home: Path, version: str = "", **declared: str) -> Outcome:
    """Run a plain apply, which must succeed. If `version` is set, declare it first."""
    if version:
        declare(home, version, **declared)
    return run_ok(home, "apply")


def published_error(home: Path, allowed: Sequence[str], *, absent: bool = False) -> str | None:
    """Run a program from the published path, as a service does, and return what is wrong.

    Args:
        home: Directory of the host.
        allowed: Versions that may be published.
        absent: Whether the path may be missing.
    """
    if absent and not os.path.lexists(published(home)):
        return None
    output = _run_published(home)
    return (
        None if output in [" ".join([version] * len(PACKAGES)) for version in allowed] else output
    )


def untracked_error(home: Path) -> str | None:
    """Return a violation if the path points into a store that no inventory entry records."""
    entries = [entry.read_text() for entry in (home / "state" / "inventory").glob("*.json")]
    tracked = any(f'"{published(home)}"' in entry for entry in entries)
    if tracked or not published(home).is_symlink():
        return None
    return "published, but the inventory doesn't record it, so it could never be pruned"


def published_version(home: Path) -> str:
    """Return the published version, or an empty string if the path doesn't exist."""
    if not os.path.lexists(published(home)):
        return ""
    versions = _run_published(home).split()
    consistent = len(versions) == len(PACKAGES) and len({*versions}) == 1
    return versions[0] if consistent else " ".join(versions)


def _run_published(home: Path) -> str:
    """Return the output of a program in the venv, or how it fails."""
    try:
        argv = [str(published(home) / "bin" / "python"), "-I", "-B", "-c", PRINT_VERSIONS]
        completed = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{error}"
    if completed.returncode == 0:
        return completed.stdout.strip()
    stderr = completed.stderr.strip()[-200:]
    return f"exit {completed.returncode}, printed {completed.stdout!r}, {stderr}"


def finished_generations(home: Path) -> Sequence[str]:
    """Return the numbers of the finished generations. The rest of an ID is random."""
    receipts = store(home).glob(f"generations/*/{METADATA_DIR}/receipt.json")
    return sorted(receipt.parts[-3].partition("-")[0] for receipt in receipts)


def unfinished_files(home: Path, *, generations: int = 2) -> list[str]:
    """Return violations for the files that a finished run should have removed from the store.

    Args:
        home: Directory of the host.
        generations: Maximum number of generations.
    """
    entries = [path.name for path in store(home).iterdir()] if store(home).exists() else []
    prefixes = ("trash-", "next-", ".next-")
    violations = [f"unfinished: {name}" for name in sorted(entries) if name.startswith(prefixes)]
    built = sorted((store(home) / "generations").glob("*"))
    violations += [
        f"unfinished: {generation.name}"
        for generation in built
        if not (generation / METADATA_DIR / "receipt.json").exists()
    ]
    if len(built) > generations:
        violations.append(f"unfinished: {len(built)} generations")
    patterns = (".next-*", ".*.next-*", ".*.trash")
    temporary = {path for pattern in patterns for path in home.rglob(pattern)}
    return violations + [f"unfinished: {path.relative_to(home)}" for path in sorted(temporary)]


def last_output(outcome: Outcome) -> str:
    """Return the end of a run's output on one line."""
    return " / ".join((outcome.stdout + outcome.stderr).strip().splitlines()[-6:])


def reported_change(outcome: Outcome) -> bool:
    """Return whether a run with `--json` reported a change."""
    return bool(json.loads(outcome.stdout)["changed"])
