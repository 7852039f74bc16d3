"""Link modules of the interpreter's distribution into a generation."""

from __future__ import annotations

import os

from engine.errors import ConvergeError
from engine.system.files import symlink
from states.interpreter import discovery as pythons
from states.system import subprocesses
from states.venv.integrity.dist_info import site_packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.interpreter.discovery import Python
    from states.venv.spec import Venv


def link_system_packages(root: str, spec: Venv, python: Python, work: str) -> None:
    """Link modules of the interpreter's own packages in, by name, each file that makes them up."""
    if not spec.system_packages:
        return
    program = pythons.probe_program("site.getsitepackages()")
    ended = subprocesses.run(
        [python.executable, "-I", "-B", "-c", program],
        env=subprocesses.clean_environment(work),
        cwd=work,
    )
    told = pythons.parse_probe(ended)
    if told is None:
        raise ConvergeError(
            f"{python} does not tell where its own packages are", output=ended.last_lines()
        )
    folders = [one for one in told if os.path.isdir(one)]
    site = site_packages(root)[0]
    for module in spec.system_packages:
        found = [
            os.path.join(folder, name)
            for folder in folders
            for name in sorted(os.listdir(folder))
            if _makes_up(name, module)
        ]
        if not found:
            raise ConvergeError(
                f"the interpreter's own packages have no module `{module}`",
                hint=f"install the distribution's package for it; looked in {', '.join(folders)}",
            )
        for path in found:
            target = f"{root}/{site}/{os.path.basename(path)}"
            if not os.path.lexists(target):
                symlink(path, target)


def _makes_up(name: str, module: str) -> bool:
    if name in (module, f"{module}.py"):
        return True
    return name.startswith(f"{module}.") and name.endswith(".so")
