"""What happens to an environment behind the engine's back."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def site_packages(venv: Path) -> Path:
    """Return the folder of installed packages."""
    [found] = venv.resolve().glob("lib/python*/site-packages")
    return found


def delete_module(venv: Path) -> None:
    """Remove a module's file and leave its metadata."""
    (site_packages(venv) / "alpha" / "__init__.py").unlink()


def edit_module(venv: Path) -> None:
    """Change a file but neither its size nor its time."""
    module = site_packages(venv) / "alpha" / "__init__.py"
    before = module.stat()
    module.write_text(module.read_text().replace("1.0", "6.6"))
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))


def break_interpreter(venv: Path) -> None:
    """Let bin/python point nowhere, as after the removal of the Python it was made from."""
    python = venv.resolve() / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/bin/python")


def half_make(venv: Path) -> None:
    """Leave what an interrupted `python -m venv` leaves: an interpreter and nothing else."""
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)


def add_stray(venv: Path) -> None:
    """Put a package in by hand, with metadata as an installer writes it."""
    packages = site_packages(venv)
    (packages / "stray").mkdir()
    (packages / "stray" / "__init__.py").write_text("")
    info = packages / "stray-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stray\nVersion: 1.0\n")
    (info / "RECORD").write_text("stray/__init__.py,,\nstray-1.0.dist-info/METADATA,,\n")


def give_away(venv: Path) -> None:
    """Give one file to a user who must not own it."""
    os.chown(site_packages(venv) / "alpha" / "__init__.py", 12345, 12345)
