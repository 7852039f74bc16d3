"""The ways in which a process starts to use a venv, for tests of its import paths."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPORT = """
import json, os, sys
from importlib.metadata import distributions
import extra_module, started
sites = [entry for entry in sys.path if "site-packages" in entry]
names = [distribution.metadata["Name"] for distribution in distributions()]
print(json.dumps({
    "paths": [entry for entry in sites if not entry.startswith(sys.base_prefix + "/")],
    "distributions": names.count("started"),
    "imports": getattr(sys, "started", 0), "start files": getattr(sys, "started_3_15", 0),
    "executable": sys.executable, "prefix": sys.prefix,
    "modules": [started.__file__, extra_module.__file__],
}))
"""
"""A program that prints what the interpreter found."""
_SITE_MAIN = "import site; site.main()\n"
WHEEL: dict[str, Any] = {
    "files": {
        "started/__init__.py": "",
        "started/extra/extra_module.py": "",
        "started_hook.py": "import sys\n"
        "def run():\n    sys.started_3_15 = getattr(sys, 'started_3_15', 0) + 1\n",
        "started_hook.start": "started_hook:run\n",
    },
    "pth": "import sys, started; sys.started = getattr(sys, 'started', 0) + 1\nstarted/extra\n",
}
"""A wheel named `started` whose `.pth` file counts its runs, imports a module, and adds a path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """One way to start."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    executable: str | None = None
    """The program, if it isn't the first argument."""

    def run(self) -> dict[str, Any]:
        """Start a process; return what it found."""
        process = subprocess.run(
            self.argv,
            executable=self.executable,
            env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", **self.env},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        assert process.stderr == "", process.stderr
        report: dict[str, Any] = json.loads(process.stdout)
        return report


def starts(venv: Path, base: str) -> dict[str, Start]:
    """Return each way to start.

    Args:
        venv: The published path, or another path of the venv.
        base: The interpreter that the venv was created from.

    """
    python = str(venv / "bin/python")
    activate = f"import runpy; runpy.run_path({str(venv / 'bin/activate_this.py')!r})\n"
    site = str(next(venv.glob("lib/*/site-packages")))
    return {
        "path": Start(argv=[python, "-c", REPORT]),
        "isolated": Start(argv=[python, "-I", "-c", REPORT]),
        "optimized": Start(argv=[python, "-O", "-c", REPORT]),
        "site later": Start(argv=[python, "-S", "-c", _SITE_MAIN + REPORT]),
        "site twice": Start(argv=[python, "-W", "ignore", "-c", _SITE_MAIN + REPORT]),
        "activate_this": Start(argv=[base, "-c", activate + REPORT]),
        "addsitedir": Start(argv=[base, "-c", f"import site; site.addsitedir({site!r})\n{REPORT}"]),
        "PYTHONPATH": Start(argv=[python, "-c", REPORT], env={"PYTHONPATH": site}),
        # The program has another name, as for an interpreter that is embedded in it.
        "embedded": Start(argv=[python, "-c", REPORT], executable=base),
    }
