"""The empty environment, by virtualenv, and the few files of ours in it."""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import contextmanager

from engine.errors import ConvergeError
from states.interpreter import discovery as pythons
from states.system import subprocesses
from states.venv.build.startup_hook import STARTUP_HOOK_FILES
from states.venv.integrity.dist_info import site_packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.interpreter.discovery import Python

_one_at_a_time = threading.Lock()
"""virtualenv keeps state in its modules."""


def create_base(
    root: str, python: Python, name: str, cache: str, work: str, *, system_site_packages: bool
) -> None:
    """Make an empty environment in the (existing, empty) folder."""
    from virtualenv import session_via_cli

    arguments = [root, "--python", python.executable, "--no-seed", "--no-periodic-update"]
    arguments += ["--app-data", os.path.join(cache, "virtualenv"), "--no-vcs-ignore"]
    arguments += ["--prompt", name, "--symlinks", "--creator", "builtin"]
    if system_site_packages:
        arguments.append("--system-site-packages")
    surroundings = {"PATH": os.defpath, "VIRTUALENV_CONFIG_FILE": os.devnull}
    with _one_at_a_time, _temporary_files_in(work):
        try:
            session_via_cli(arguments, setup_logging=False, env=surroundings).run()
        except (RuntimeError, SystemExit) as error:
            raise ConvergeError(
                f"virtualenv cannot make an environment with {python}: {error}",
                hint="is this interpreter complete, and of a version that virtualenv supports?",
            ) from error
    for site in site_packages(root):
        for file, content in STARTUP_HOOK_FILES.items():
            with open(os.path.join(root, site, file), "w", encoding="utf-8") as stream:
                stream.write(content)


@contextmanager
def _temporary_files_in(folder: str) -> Iterator[None]:
    """Have virtualenv, which tries links and names in a folder, do so in one of ours."""
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = before


def assert_isolated(root: str, python: Python, work: str) -> None:
    """Raise unless the interpreter in a folder runs, and runs there and not in its base.

    An installer that was given a broken environment installs into the base interpreter.
    Asked while it is still empty, so no package's code can run.
    """
    config = os.path.join(root, "pyvenv.cfg")
    program = pythons.probe_program("[sys.prefix, sys.base_prefix]")
    ended = subprocesses.run(
        [f"{root}/bin/python", "-I", "-B", "-c", program],
        env=subprocesses.clean_environment(work),
        cwd=work,
    )
    prefix, base = pythons.parse_probe(ended) or ("", "")
    proved = os.path.isfile(config) and prefix != base and os.path.samefile(prefix, root)
    if not proved:
        raise ConvergeError(
            f"what virtualenv made with {python} is no environment of its own",
            hint="nothing was installed; try the interpreter by hand",
            output=ended.last_lines(),
        )
