"""What a reader must know of the machine to read the figures, and nothing that names it."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from tests.bench.setting import Setting


def facts(setting: Setting) -> dict[str, str]:
    """Return the facts in the order in which they are told."""
    version = [str(setting.python), "-c", "import platform; print(platform.python_version())"]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "processors": f"{os.cpu_count()} × {_processor()}",
        "memory": f"{memory:.0f} GiB",
        "kernel": "Linux " + ".".join(platform.release().split("-")[0].split(".")[:2]),
        "file system": _file_system(setting.folder),
        "python (converge)": platform.python_version(),
        "python (environments)": _said(version),
        "uv": _said([setting.uv, "--version"]).split()[1],
    }


def load() -> str:
    """Return how busy the machine was over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def _file_system(folder: Path) -> str:
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = {str(folder), *map(str, folder.parents)}
    kind = max((point, kind) for point, kind in mounts if point in above)[1]
    return f"{kind} without a journal" if _lacks_a_journal(folder) else kind


def _lacks_a_journal(folder: Path) -> bool:
    """Tell of an ext4 that looks at each inode freed lately before it makes a file."""
    device = folder.stat().st_dev
    name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    task = Path(f"/sys/fs/ext4/{name}/journal_task")
    return task.is_file() and task.read_text().strip() == "<none>"


def _said(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
