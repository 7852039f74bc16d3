"""Find the directories that an interpreter imports packages from, without starting it.

The interpreter may belong to another user, and starting it would run code of the packages in those
directories. The rules are those of `getpath.py` and `site.py`, with the changes of Debian and
Fedora. A test compares the result with the answer of real interpreters.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.frozen import frozen
from engine.system.existence import entry_exists, exists, resolve
from engine.system.files import read_regular_file

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"(python|pypy)(3\.\d+)([a-z]*)")
_LIBRARIES = ("lib", "lib64")
_MAX_SIZE = 1 << 20
"""In bytes. `site.py` has about 30 kB."""
_VENV_SETTINGS = "pyvenv.cfg"
_DATA_DIRECTORIES = ("bin", "sbin", "share", "include", "etc", "man", "libexec")
"""Directories of a prefix that an installer puts other files of a package into."""


@frozen
class Layout:
    """The directories of one interpreter."""

    executable: str
    """The interpreter, without symlinks."""
    version: str
    """For example `3.11`."""
    sites: tuple[str, ...]
    """The directories with packages of the host, in the order of the search. Some may not exist."""
    user_site: str
    """The directory with packages of a user, relative to the home directory. The interpreter
    searches it first."""
    externally_managed: bool
    """Whether installers refuse to change these directories (PEP 668)."""


def read_layout(python: str) -> Layout:
    """Return the directories of an interpreter.

    Args:
        python: The absolute path of the interpreter.

    Raises:
        ConvergeError: It doesn't exist, belongs to a venv, or has an unknown layout.
        OSError: A file can't be read.

    """
    executable = resolve(python)
    if not exists(executable):
        raise ConvergeError(f"no such interpreter: `{python}`", hint="correct the path")
    if is_venv_interpreter(python):
        raise ConvergeError(
            f"interpreter of a virtual environment: `{python}`",
            hint="use the interpreter that the environment was created from",
        )
    match = _NAME.fullmatch(os.path.basename(executable)) or _NAME.search(executable)
    place = next(_standard_libraries(executable, match), None) if match else None
    if match is None or place is None:
        raise ConvergeError(
            f"can't find the standard library of `{python}`",
            hint="use the path of the interpreter itself, such as `/usr/bin/python3.11`",
        )
    prefix, library, version = place
    name = os.path.basename(version)
    sites = tuple(dict.fromkeys(_sites(prefix, library, name)))
    return Layout(
        executable=executable,
        version=match[2],
        sites=tuple(map(resolve, sites)),
        user_site=f".local/lib/{name}/site-packages",
        externally_managed=exists(f"{version}/EXTERNALLY-MANAGED"),
    )


def is_venv_interpreter(python: str) -> bool:
    """Return whether an interpreter belongs to a venv (PEP 405)."""
    directory = os.path.dirname(python)
    return any(exists(f"{place}/{_VENV_SETTINGS}") for place in (directory, f"{directory}/.."))


def data_directories(site: str) -> tuple[str, ...]:
    """Return the directories beside a site directory that also get files of its packages.

    A RECORD can list any path, so converge believes only those in these directories. A site
    directory that a symlink moved out of its prefix has none.
    """
    libraries = (path for path in _parents(site) if os.path.basename(path) in _LIBRARIES)
    prefixes = [os.path.dirname(library) for library in libraries][:1]
    return tuple(resolve(f"{prefix}/{name}") for prefix in prefixes for name in _DATA_DIRECTORIES)


def owned_directories(layout: Layout) -> set[str]:
    """Return the directories of the host in which an interpreter's packages have files."""
    return {*layout.sites, *(path for site in layout.sites for path in data_directories(site))}


def _parents(path: str) -> Iterator[str]:
    while path != "/":
        yield path
        path = os.path.dirname(path)


def _standard_libraries(executable: str, match: re.Match[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the prefix, the name of its library directory, and the standard library.

    The landmark is `os.py`, as in `getpath.py`, in the nearest parent of the interpreter.
    """
    implementation, version, flags = match.groups()
    names = dict.fromkeys((f"{implementation}{version}{flags}", f"{implementation}{version}"))
    for prefix in _parents(os.path.dirname(executable)):
        for library in _LIBRARIES:
            for name in names:
                directory = f"{prefix}/{library}/{name}"
                if entry_exists(f"{directory}/os.py"):
                    yield prefix, library, directory


def _sites(prefix: str, library: str, name: str) -> Iterator[str]:
    """Yield the site directories in the order of `site.getsitepackages`.

    Args:
        prefix: The installation.
        library: `lib` or `lib64`.
        name: The name of the directory of the version, such as `python3.11`.

    Yields:
        The absolute paths.

    """
    text = read_regular_file(resolve(f"{prefix}/{library}/{name}/site.py"), _MAX_SIZE)
    libraries = dict.fromkeys((library, "lib"))
    if b'"dist-packages"' in text:  # Debian
        yield f"{prefix}/local/lib/{name}/dist-packages"
        yield f"{prefix}/lib/python3/dist-packages"
        yield from (f"{prefix}/{directory}/{name}/dist-packages" for directory in libraries)
        return
    prefixes = [prefix]
    if b"RPM_BUILD_ROOT" in text and prefix == "/usr":  # Fedora
        prefixes.insert(0, "/usr/local")
    for place in prefixes:
        yield from (f"{place}/{directory}/{name}/site-packages" for directory in libraries)
