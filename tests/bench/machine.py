"""Facts about the machine that affect the results, without anything that identifies it."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from tests.bench.workspace import Workspace


def facts(workspace: Workspace) -> dict[str, str]:
    """Return the facts in the order of the report."""
    version = [str(workspace.python), "-c", "import platform; print(platform.python_version())"]
    ram = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "CPUs": f"{os.cpu_count()} × {_cpu_model()}",
        "RAM": f"{ram:.0f} GiB",
        "kernel": "Linux " + ".".join(platform.release().split("-")[0].split(".")[:2]),
        "file system": _file_system(workspace.directory),
        "python (converge)": platform.python_version(),
        "python (environments)": _output(version),
        "uv": _output([workspace.uv, "--version"]).split()[1],
    }


def load() -> str:
    """Return how busy the machine was over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def _file_system(directory: Path) -> str:
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = {str(directory), *map(str, directory.parents)}
    kind = max((point, kind) for point, kind in mounts if point in above)[1]
    return f"{kind} without a journal" if _has_no_journal(directory) else kind


def _has_no_journal(directory: Path) -> bool:
    """Return whether the file system is an ext4 without a journal (see README.md)."""
    device = directory.stat().st_dev
    name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    task = Path(f"/sys/fs/ext4/{name}/journal_task")
    return task.is_file() and task.read_text().strip() == "<none>"


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
