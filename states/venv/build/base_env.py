"""Create the environment without packages: virtualenv's files and the startup hook."""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from states.interpreter.discovery import information
from states.interpreter.probe import parse_probe, probe_program
from states.interpreter.user import user_of_python
from states.system import subprocesses
from states.venv.build.startup_hook import STARTUP_HOOK_FILES
from states.venv.integrity.dist_info import site_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.interpreter.discovery import Python
    from states.venv.build.stages import Draft

_virtualenv_lock = threading.Lock()
"""virtualenv keeps state in its modules, and the default of `tempfile` is global."""
_ACTIVATE_THIS = """
# Added by converge: the published path could point to another generation later.
sys.prefix = sys.exec_prefix = os.path.realpath(base)
"""


def create_base(draft: Draft) -> None:
    """Create an environment without packages in the draft's directory.

    virtualenv runs in this process. It reads no user configuration, and writes only to the
    directory, to the scratch directory, and to its own cache.

    Raises:
        ConvergeError: virtualenv failed or doesn't support the interpreter.

    """
    # Imported here: it takes long, and a run that reuses a generation doesn't need it.
    from virtualenv import session_via_cli

    context = draft.context
    python = context.selection.python
    app_data = os.path.join(context.settings.cache, "virtualenv")
    arguments = [draft.root, "--python", python.executable, "--no-seed", "--no-periodic-update"]
    arguments += ["--app-data", app_data, "--no-vcs-ignore"]
    arguments += ["--prompt", os.path.basename(context.store.published)]
    arguments += ["--symlinks", "--creator", "builtin"]
    if context.spec.system_site_packages:
        arguments.append("--system-site-packages")
    environment = {"PATH": os.defpath, "VIRTUALENV_CONFIG_FILE": os.devnull}
    user = user_of_python(python)
    if user is not None:
        # So that the user can start the interpreter of the environment.
        os.chown(draft.root, -1, user.gid)
        os.chmod(draft.root, 0o710)
    with (
        _virtualenv_lock,
        _default_temporary_directory(context.scratch),
        nullcontext() if user is None else _known_interpreter(python),
    ):
        try:
            session_via_cli(arguments, setup_logging=False, env=environment).run()
        except (RuntimeError, SystemExit) as error:
            raise ConvergeError(
                f"virtualenv can't create an environment with {python}: {error}",
                hint="check that the interpreter is complete and that virtualenv supports its "
                "version",
            ) from error
    for site in site_packages(draft.root):
        for name, content in STARTUP_HOOK_FILES.items():
            path = os.path.join(draft.root, site, name)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(content)
    with open(f"{draft.root}/bin/activate_this.py", "a", encoding="utf-8") as stream:
        stream.write(_ACTIVATE_THIS)


@contextmanager
def _known_interpreter(python: Python) -> Iterator[None]:
    """Give virtualenv the properties of an interpreter, which it would start as root."""
    from virtualenv.discovery import builtin

    info = information(python)
    before = builtin.get_interpreter
    builtin.get_interpreter = lambda *_args, **_options: info
    try:
        yield
    finally:
        builtin.get_interpreter = before


@contextmanager
def _default_temporary_directory(directory: str) -> Iterator[None]:
    """Let `tempfile` use a directory: virtualenv creates files there to examine the file system."""
    before, tempfile.tempdir = tempfile.tempdir, directory
    try:
        yield
    finally:
        tempfile.tempdir = before


def assert_isolated(draft: Draft) -> None:
    """Check that the environment's interpreter runs, and runs in the environment.

    Call it before the installation, so that no code of a package can run here.

    Raises:
        ConvergeError: It doesn't run, or its prefix is that of the base interpreter.

    """
    root, scratch = draft.root, draft.context.scratch
    user = user_of_python(draft.context.selection.python)
    completed = subprocesses.run(
        [f"{root}/bin/python", "-I", "-B", "-c", probe_program("[sys.prefix, sys.base_prefix]")],
        env=subprocesses.clean_environment("/" if user else scratch),
        cwd="/" if user else scratch,
        inherit=subprocesses.inherited_by(user),
    )
    prefix, base_prefix = parse_probe(completed) or ("", "")
    is_isolated = (
        os.path.isfile(os.path.join(root, "pyvenv.cfg"))
        and prefix != base_prefix
        and os.path.samefile(prefix, root)
    )
    if not is_isolated:
        raise ConvergeError(
            f"virtualenv created a broken environment with {draft.context.selection.python}",
            hint="nothing was installed; check that the interpreter works",
            output=completed.last_lines(),
        )
