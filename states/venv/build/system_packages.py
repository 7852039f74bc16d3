"""Link modules of the interpreter's own site-packages into a generation."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.system.existence import entry_exists, is_directory
from engine.system.files import symlink
from states.interpreter.probe import parse_probe, probe_program
from states.system import subprocesses
from states.venv.files.paths import is_part_of_module
from states.venv.integrity.dist_info import site_packages

if TYPE_CHECKING:
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
    directories = _system_site_packages(draft)
    site = site_packages(draft.root)[0]
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
        for path in paths:
            link = f"{draft.root}/{site}/{os.path.basename(path)}"
            if not entry_exists(link):
                symlink(path, link)


def _system_site_packages(draft: Draft) -> list[str]:
    """Ask the base interpreter for its site-packages directories, and return the existing ones.

    Raises:
        ConvergeError: The interpreter doesn't report them.

    """
    python, scratch = draft.context.selection.python, draft.context.scratch
    completed = subprocesses.run(
        [python.executable, "-I", "-B", "-c", probe_program("site.getsitepackages()")],
        env=subprocesses.clean_environment(scratch),
        cwd=scratch,
    )
    directories = parse_probe(completed)
    if directories is None:
        raise ConvergeError(
            f"{python} doesn't report its site-packages directories",
            output=completed.last_lines(),
        )
    return [directory for directory in directories if is_directory(directory)]
