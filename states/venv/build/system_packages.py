"""Link modules of the interpreter's own site-packages into a generation."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.system.existence import entry_exists, is_directory
from engine.system.files import symlink
from states.interpreter.probe import parse_probe, probe_program
from states.interpreter.user import user_of_python
from states.system import subprocesses
from states.venv.integrity.dist_info import is_part_of_module, site_packages

if TYPE_CHECKING:
    from states.interpreter.discovery import Python
    from states.venv.build.stages import Draft


def link_system_packages(draft: Draft) -> None:
    """Link each file of the modules that `system-packages` names.

    A file that a package installed under the same name stays.

    Raises:
        ConvergeError: The interpreter has no such module, or doesn't report its directories.

    """
    modules = draft.context.spec.system_packages
    if not modules:
        return
    paths = find_system_packages(draft.context.selection.python, modules)
    site = site_packages(draft.root)[0]
    for path in paths:
        link = f"{draft.root}/{site}/{os.path.basename(path)}"
        if not entry_exists(link):
            symlink(path, link)


def find_system_packages(python: Python, modules: tuple[str, ...]) -> list[str]:
    """Return each file and directory of the modules that `system-packages` names.

    Args:
        python: The interpreter.
        modules: The names of the modules. Without any, the interpreter isn't started.

    Returns:
        Absolute paths.

    Raises:
        ConvergeError: The interpreter has no such module, or doesn't report its directories.

    """
    all_paths: list[str] = []
    directories = _site_packages(python) if modules else []
    for module in modules:
        paths = [
            os.path.join(directory, name)
            for directory in directories
            for name in sorted(os.listdir(directory))
            if is_part_of_module(name, module)
        ]
        if not paths:
            raise ConvergeError(
                f"the interpreter has no system package with the module `{module}`",
                hint="install the package of your distribution that contains it; "
                f"searched {', '.join(directories)}",
            )
        all_paths += paths
    return all_paths


def _site_packages(python: Python) -> list[str]:
    """Ask the base interpreter for its site-packages directories, and return the existing ones.

    Raises:
        ConvergeError: The interpreter doesn't report them.

    """
    completed = subprocesses.run(
        [python.executable, "-I", "-B", "-c", probe_program("site.getsitepackages()")],
        env=subprocesses.clean_environment("/"),
        cwd="/",
        inherit=subprocesses.inherited_by(user_of_python(python)),
    )
    directories = parse_probe(completed)
    if directories is None:
        raise ConvergeError(
            f"{python} doesn't report its site-packages directories",
            output=completed.last_lines(),
        )
    return [directory for directory in directories if is_directory(directory)]
