"""Build local projects that another user can change, as that user. Root never runs their code.

uv runs as the user, with a cache of its own, and builds a wheel. Root then resolves and installs
that wheel in place of the project.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import tomli_w

from engine import progress
from engine.errors import ConvergeError, PermissionDenied
from engine.frozen import frozen
from engine.system.existence import is_directory
from engine.system.files import iter_chunks
from states.installer import build_options
from states.installer.credentials import resolve_index_url
from states.installer.indexes import (
    certificate_variables,
    index_tables,
    index_variables,
    source_options,
)
from states.installer.options import ISOLATED
from states.installer.output.downloads import run_uv
from states.installer.readiness import find_uv
from states.installer.uv_errors import translate_error
from states.interpreter.launch_script import PUBLIC_DIRECTORIES
from states.system import subprocesses
from states.system.users import can_execute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.installer import BuildOptions, IndexOptions
    from states.system.subprocesses import User

_WHEEL = re.compile(r"[\w.+!]+(?:-[\w.+!]+)+\.whl")


@frozen
class UserBuild:
    """A project to build as another user."""

    project: str
    """Its directory."""
    user: User
    python: str
    """The interpreter that builds it."""
    build: BuildOptions
    build_constraints: tuple[str, ...]
    indexes: IndexOptions


def require_possible(project: str, user: User, python: str, indexes: IndexOptions) -> None:
    """Check that a user can build a project without the secrets of root.

    Args:
        project: The directory of the project.
        user: The user who can change it.
        python: The interpreter that builds it.
        indexes: The sources of its build requirements.

    Raises:
        PermissionDenied: The user can't run the interpreter, or would get credentials.

    """
    remedy = f"build a wheel as {user.name} and declare that, or run `chown -R root {project}`"
    if not can_execute(python, user):
        raise PermissionDenied(
            f"{user.name} can change `{project}`, and can't run `{python}` to build it",
            hint=f"choose an interpreter that {user.name} can run; or {remedy}",
        )
    if indexes.netrc or any(map(_has_credentials, _urls(indexes))):
        raise PermissionDenied(
            f"{user.name} can change `{project}`, and its build would get the credentials of "
            "an index",
            hint=remedy,
        )


def build_wheel(request: UserBuild, scratch: str) -> str:
    """Build a project as its user, and return the path of a copy of the wheel.

    Args:
        request: The project.
        scratch: A directory that only root can enter. The copy gets a directory in it.

    Returns:
        The path of the wheel.

    Raises:
        PermissionDenied: As for `require_possible`.
        ConvergeError: The build failed.

    """
    project, user = request.project, request.user
    require_possible(project, user, request.python, request.indexes)
    action = f"building `{project}` as {user.name}"
    progress.step(action)
    with user_dirs(user) as top:
        completed = run_uv(
            _arguments(request, top),
            _environment(request, top),
            f"{top}/home",
            subprocesses.inherited_by(user),
        )
        if completed.status != 0:
            # uv doesn't name the package, as it does if other builds fail.
            output = completed.output.replace(f"`{project}`", f"`{os.path.basename(project)}`")
            failed = subprocesses.Completed(completed.status, output)
            raise translate_error(failed, action)
        return take_wheel(f"{top}/out", project, user, scratch)


@contextmanager
def user_dirs(user: User) -> Iterator[str]:
    """Yield a directory of root with three directories of a user, which are deleted at the end."""
    parent = next(filter(is_directory, PUBLIC_DIRECTORIES))
    top = tempfile.mkdtemp(prefix="converge-", dir=parent)
    try:
        # The user can enter it. Only root can list it, or replace an entry.
        os.chmod(top, 0o711)
        for name in ("home", "cache", "out"):
            os.mkdir(f"{top}/{name}", 0o700)
            os.chown(f"{top}/{name}", user.uid, user.gid)
        yield top
    finally:
        shutil.rmtree(top, ignore_errors=True)


def _arguments(request: UserBuild, top: str) -> list[str]:
    """Return the command line of uv, and write the files that it names.

    Args:
        request: The project.
        top: The directory of the build.

    Returns:
        The arguments.

    """
    uv = find_uv()
    if not can_execute(uv, request.user):
        uv = shutil.copy(uv, f"{top}/uv")
        os.chmod(uv, 0o755)
    arguments = [uv, "build", "--wheel", "--out-dir", f"{top}/out", "--python", request.python]
    arguments += source_options(request.indexes)
    tables = {**index_tables(request.indexes), **build_options.build_tables(request.build)}
    # setuptools packs every file in its build directory, so each build gets a new one.
    _write(f"{top}/home/.pydistutils.cfg", f"[build]\nbuild_base = {top}/home/build\n", request)
    if tables:
        text = tomli_w.dumps(tables)
        arguments += ["--config-file", _write(f"{top}/uv.toml", text, request)]
    if request.build_constraints:
        text = "".join(f"{line}\n" for line in request.build_constraints)
        arguments += ["--build-constraints", _write(f"{top}/constraints.txt", text, request)]
    return [*arguments, request.project]


def _environment(request: UserBuild, top: str) -> dict[str, str]:
    variables = {
        **build_options.build_variables(request.build, subprocesses.SAFE_PATH),
        **ISOLATED,
        **certificate_variables(),
        **index_variables(request.indexes, f"{top}/home"),
        "UV_CACHE_DIR": f"{top}/cache",
    }
    return subprocesses.clean_environment(f"{top}/home", variables)


def _write(path: str, text: str, request: UserBuild) -> str:
    """Write a file that only the user of a build can read, and return its path.

    Args:
        path: The file. It must not exist.
        text: Its content.
        request: The build.

    Returns:
        The path.

    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as stream:
        os.fchown(descriptor, request.user.uid, request.user.gid)
        stream.write(text)
    return path


def take_wheel(directory: str, project: str, user: User, scratch: str) -> str:
    """Copy the wheel that a user built. The user may still change the directory.

    Args:
        directory: The directory with the wheel.
        project: The project, for messages.
        user: The user.
        scratch: The parent of a new directory for the copy.

    Returns:
        The path of the copy.

    Raises:
        ConvergeError: The directory doesn't contain exactly one wheel of the user.

    """
    names = [name for name in os.listdir(directory) if name.endswith(".whl")]
    status = os.lstat(f"{directory}/{names[0]}") if len(names) == 1 else None
    if (
        status is None
        or not _WHEEL.fullmatch(names[0])
        or not stat.S_ISREG(status.st_mode)
        or (status.st_uid, status.st_nlink) != (user.uid, 1)  # Not a hard link to another's file.
    ):
        raise ConvergeError(
            f"the build of `{project}` as {user.name} created no wheel",
            hint=f"check the output of `uv build --wheel {project}`",
        )
    copy = f"{tempfile.mkdtemp(prefix='wheel-', dir=scratch)}/{names[0]}"
    with open(copy, "xb") as stream:
        for chunk in iter_chunks(f"{directory}/{names[0]}", status.st_size):
            stream.write(chunk)
    return copy


def _urls(indexes: IndexOptions) -> list[str]:
    by_package = (url for _, url in indexes.package_indexes)
    references = filter(None, (indexes.index_url, *indexes.extra_index_url, *by_package))
    return [*map(resolve_index_url, references), *indexes.find_links]


def _has_credentials(url: str) -> bool:
    return "@" in urlsplit(url).netloc
