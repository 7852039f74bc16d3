"""The command under test, run the way an operator would, in a folder of its own."""

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

from .cage import Command
from .installers import PACKAGES, wheels
from .supervisor import Outcome, run

ROOT: Final = Path(os.environ.get("CONVERGE_UNDER_TEST") or Path(__file__).resolve().parents[2])
"""Where the packages under test are imported from; the variable names another build of them."""

NOTES: Final = ".converge"
OLD, NEW, NEXT = "1.0", "2.0", "3.0"
TOUCHES: Final = "touch"
PRINT: Final = (
    f"import {', '.join(PACKAGES)}; print({', '.join(p + '.__version__' for p in PACKAGES)})"
)


def missing() -> str | None:
    """Why the command cannot be run at all, or None.

    Caged, it cannot write its own bytecode, and would compile itself at each of thousands of starts.
    """
    for package in ("engine", "states"):
        compileall.compile_dir(ROOT / package, quiet=1)
    argv = [sys.executable, "-m", "states", "version"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"the command does not start: {done.stderr[-200:]}"


def published(home: Path) -> Path:
    """The declared path of the venv."""
    return home / "srv" / "app"


def store(home: Path) -> Path:
    """Where its generations are."""
    return home / "srv" / ".app"


def file(home: Path) -> Path:
    """The declaration."""
    return home / "site.toml"


def environment(home: Path) -> Mapping[str, str]:
    """Nothing of the user's."""
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


def command(home: Path, verb: str, *options: str, of: str = "", **more: object) -> Command:
    """One run of the command on the declaration, or on the venv ``of`` it."""
    argv = [sys.executable, "-P", "-m", "states", verb, *options, str(file(home))]
    argv += [of] if of else []
    base = Command(argv=argv, writable=[home], cwd=home, env=environment(home))
    return replace(base, **more)  # type: ignore[arg-type]


def lay_out(home: Path) -> None:
    """The empty site: wheels to install from, folders, and what must never be touched."""
    wheels(home / "wheels")
    for folder in ("srv", "tmp", "user", "canary/inner"):
        (home / folder).mkdir(parents=True)
    (home / "canary" / "inner" / "file").write_text("not yours\n")
    (home / "srv" / "neighbour").symlink_to("../canary")


def canary(home: Path) -> str:
    """A digest of what is beside the declared paths: it never changes."""
    told = []
    for path in [home / "srv" / "neighbour", *sorted((home / "canary").rglob("*"))]:
        status = path.lstat()
        told.append(f"{path.name} {status.st_ino} {status.st_mode} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def declare(home: Path, version: str, *, venv: str = "", rest: str = "") -> None:
    """Write the declaration: both packages at ``version``, and whatever else."""
    wanted = ", ".join(f'"{name}=={version}"' for name in PACKAGES)
    file(home).write_text(
        f'[venv.app]\npath = "{published(home)}"\npython = "{interpreter()}"\n'
        f'packages = [{wanted}]\nfind-links = ["wheels"]\nno-index = true\n{venv}\n{rest}'
    )


def interpreter() -> str:
    """The interpreter that this one was made from: a venv's own is nobody's base."""
    return os.path.realpath(sys.executable)


def succeed(home: Path, verb: str, *options: str, of: str = "") -> Outcome:
    """A run that must succeed: for set-ups."""
    outcome = run(command(home, verb, *options, of=of))
    assert outcome.code == 0, f"{verb} ended with {outcome.code}\n{outcome.stdout}{outcome.stderr}"
    return outcome


def apply(home: Path, version: str = "", **more: str) -> Outcome:
    """A plain apply, of that version if given, which must succeed."""
    if version:
        declare(home, version, **more)
    return succeed(home, "apply")


def look(home: Path, allowed: Sequence[str], *, absent: bool = False) -> str | None:
    """What is wrong with the published path now: it is used, as a service would."""
    if absent and not os.path.lexists(published(home)):
        return None
    told = _use(home)
    return None if told in [" ".join([one] * len(PACKAGES)) for one in allowed] else told


def forgotten(home: Path) -> str | None:
    """What is wrong if the path leads into our store, and no note says who declared it."""
    notes = [note.read_text() for note in (home / "state" / "ledger").glob("*.json")]
    known = not published(home).is_symlink() or any(f'"{published(home)}"' in one for one in notes)
    return None if known else "published, but it would not be told when its name vanishes"


def version(home: Path) -> str:
    """The version that is published; empty for none at all."""
    if not os.path.lexists(published(home)):
        return ""
    told = _use(home).split()
    return told[0] if len(told) == len(PACKAGES) and len({*told}) == 1 else " ".join(told)


def _use(home: Path) -> str:
    """What a program of the venv prints, or how it fails."""
    try:
        argv = [str(published(home) / "bin" / "python"), "-I", "-B", "-c", PRINT]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError as problem:
        return f"{problem}"
    if done.returncode == 0:
        return done.stdout.strip()
    return f"exit {done.returncode}, printed {done.stdout!r}, {done.stderr.strip()[-200:]}"


def leftovers(home: Path, *, generations: int = 2) -> list[str]:
    """What a finished run should have removed from the store."""
    found = sorted(path.name for path in store(home).iterdir()) if store(home).exists() else []
    wrong = [f"left over: {n}" for n in found if n.startswith(("trash-", "next-", ".next-"))]
    built = sorted((store(home) / "generations").glob("*"))
    wrong += [f"left over: {g.name}" for g in built if not (g / NOTES / "receipt.json").exists()]
    if len(built) > generations:
        wrong.append(f"left over: {len(built)} generations")
    asides = [*home.rglob(".next-*"), *home.rglob(".*.next-*"), *home.rglob(".*.trash")]
    return wrong + [f"left over: {path.relative_to(home)}" for path in sorted({*asides})]


def said(outcome: Outcome) -> str:
    """The end of what a run printed, on one line."""
    return " / ".join((outcome.stdout + outcome.stderr).strip().splitlines()[-6:])


def changed(outcome: Outcome) -> bool:
    """What a run with ``--json`` said."""
    return bool(json.loads(outcome.stdout)["changed"])
