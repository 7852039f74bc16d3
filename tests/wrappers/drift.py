"""Ways in which a venv drifts from its declaration."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def site_packages(venv: Path) -> Path:
    """Return the directory of installed packages."""
    [directory] = venv.resolve().glob("lib/python*/site-packages")
    return directory


def delete_module(venv: Path) -> None:
    """Delete a module's file, and keep its metadata."""
    (site_packages(venv) / "alpha" / "__init__.py").unlink()


def edit_module(venv: Path) -> None:
    """Change the content of a file, and keep its size and modification time."""
    module = site_packages(venv) / "alpha" / "__init__.py"
    before = module.stat()
    module.write_text(module.read_text().replace("1.0", "6.6"))
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))


def break_interpreter(venv: Path) -> None:
    """Leave bin/python dangling, as if the base interpreter had been uninstalled."""
    python = venv.resolve() / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/bin/python")


def interrupt_creation(venv: Path) -> None:
    """Create what an interrupted `python -m venv` leaves: only an interpreter."""
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)


def add_undeclared_package(venv: Path) -> None:
    """Add a package by hand, with the metadata that an installer writes."""
    packages = site_packages(venv)
    (packages / "stray").mkdir()
    (packages / "stray" / "__init__.py").write_text("")
    info = packages / "stray-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stray\nVersion: 1.0\n")
    (info / "RECORD").write_text("stray/__init__.py,,\nstray-1.0.dist-info/METADATA,,\n")


def change_owner(venv: Path) -> None:
    """Change the owner of one file to another user."""
    os.chown(site_packages(venv) / "alpha" / "__init__.py", 12345, 12345)
