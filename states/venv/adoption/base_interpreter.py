"""Find the interpreter that a venv was created from, without starting a program."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.frozen import frozen
from engine.system.existence import is_file, resolve
from states.venv.adoption.packages import site_directories
from states.venv.integrity.settings_file import minor_version, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAM = re.compile(r"(?:python|pypy)(?:[0-9]+(?:\.[0-9]+)?t?)?")
"""A file of another name isn't started: the owner of the venv may have named any program."""
_VERSION = re.compile(r"3\.\d{1,3}(?:\.\d{1,3})?")
_DIRECTORY = re.compile(r"(?P<implementation>python|pypy)(?P<minor>3\.\d{1,3})t?")


@frozen
class BaseInterpreter:
    """The interpreter that a venv was created from."""

    executable: str
    """Absolute path, or an empty string if it doesn't exist any more."""
    version: str
    """As recorded, such as `3.12.3` or `3.12`. May be empty."""
    implementation: str
    """As recorded, such as `CPython`. May be empty."""
    system_site_packages: bool
    problem: str = ""

    @property
    def request(self) -> str:
        """The value of `python` in a declaration."""
        return self.executable or ".".join(self.version.split(".")[:2]) or "3"


def find_base_interpreter(root: str) -> BaseInterpreter:
    """Find the interpreter by `pyvenv.cfg` (PEP 405), or else by the symlink `bin/python`.

    Args:
        root: The directory of the venv.

    Returns:
        The interpreter, with a problem if a part is missing.

    """
    problem = ""
    try:
        settings = read_settings(root)
    except OSError as error:
        settings, problem = {}, f"`pyvenv.cfg` is unreadable: {error.strerror}"
    if not settings:
        problem = problem or "`pyvenv.cfg` is missing"
        problem += ", so it isn't known whether the venv used the packages of the interpreter"
    recorded = settings.get("version", settings.get("version_info", ""))
    match = _VERSION.match(recorded)
    implementation, minor = _by_directory(root)
    version = match[0] if match else minor
    executable = next(_usable(root, settings, version), "")
    if not executable:
        missing = "its interpreter doesn't exist any more"
        if home := settings.get("home", ""):
            missing += f": `{home}`"
        problem = f"{problem}, and {missing}" if problem else missing
    return BaseInterpreter(
        executable=executable,
        version=version,
        implementation=settings.get("implementation", implementation),
        system_site_packages=settings.get("include-system-site-packages", "").lower() == "true",
        problem=problem,
    )


def _by_directory(root: str) -> tuple[str, str]:
    """Return the implementation and the minor version in the name of a directory, if any."""
    try:
        names = [site.split("/")[1] for site in site_directories(root)]
    except (OSError, ConvergeError):
        return "", ""
    for name in names:
        if match := _DIRECTORY.fullmatch(name):
            return match["implementation"].replace("python", "CPython"), match["minor"]
    return "", ""


def _usable(root: str, settings: dict[str, str], version: str) -> Iterator[str]:
    """Yield existing interpreters outside the venv, the best one first.

    Args:
        root: The directory of the venv.
        settings: The content of its `pyvenv.cfg`.
        version: The recorded version.

    Yields:
        Absolute paths.

    """
    home, minor = settings.get("home", ""), minor_version({"version": version})
    candidates = [settings.get("base-executable", ""), settings.get("executable", "")]
    names = [f"python{minor}", "python3", "python", f"pypy{minor}", "pypy3"]
    candidates += [f"{home}/{name}" for name in names if home]
    candidates += [_resolved(f"{root}/bin/{name}") for name in ("python", "python3")]
    inside = f"{_resolved(root)}/"
    for path in candidates:
        target = _resolved(path) if path.startswith("/") and path.isprintable() else ""
        is_program = _is_program(path) and _is_program(target)
        if is_program and not target.startswith(inside) and _is_file(target):
            yield os.path.normpath(path)


def _is_program(path: str) -> bool:
    return _PROGRAM.fullmatch(os.path.basename(path)) is not None


def _resolved(path: str) -> str:
    try:
        return resolve(path)
    except (OSError, ValueError):
        return ""


def _is_file(path: str) -> bool:
    try:
        return is_file(path)
    except OSError:
        return False
