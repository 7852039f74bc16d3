"""Resolve versions as the build user: uv runs build backends to read the metadata of sources."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine import errors
from engine.errors import ConvergeError, PermissionDenied
from engine.resource import Resource, to_dict
from engine.system.existence import proves_no_file
from engine.system.files import read_regular_file
from states.installer.credentials import resolve_index_url
from states.interpreter import discovery
from states.system import subprocesses
from states.venv.resolve.lines.sources import index_options
from states.wheelhouse.sandbox import build_dirs, require_interpreter
from states.wheelhouse.select.resolve_child import RESULT

if TYPE_CHECKING:
    from engine.settings import Settings
    from states.interpreter.discovery import Python
    from states.system.subprocesses import User
    from states.venv.spec import Venv

_MAX_RESULT_SIZE = 1 << 26
"""In bytes. A lock has a few hundred kilobytes."""


def resolve_as(
    user: User, venv: Venv, python: Python, previous: str | None, settings: Settings
) -> tuple[str, tuple[str, ...]]:
    """Resolve the requirements of a venv in a process of a user, with a cache of its own.

    Args:
        user: The build user.
        venv: A venv without a lockfile.
        python: The interpreter.
        previous: The lock whose versions are kept where possible, if there is one.
        settings: The packages to upgrade.

    Returns:
        A lock with one file for each package, and messages about it.

    Raises:
        PermissionDenied: The user would get credentials, or can't run this program.
        ConvergeError: No versions satisfy the requirements, or a build failed.

    """
    require_interpreter(user, python)
    _require_no_credentials(user, venv)
    upgrade = None if settings.upgrade is None else sorted(settings.upgrade)
    request = {
        "resource": to_dict(Resource("venv", "child", venv)),
        "python": discovery.to_json(python),
        "previous": previous,
        "upgrade": upgrade,
    }
    program = (
        f"import sys; sys.path[:] = {sys.path!r}; "
        "from states.wheelhouse.select.resolve_child import main; main(*sys.argv[1:])"
    )
    with build_dirs(user, "") as top:
        path = f"{top}/request.json"
        with open(path, "x", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), 0o644)
            json.dump(request, stream)
        try:
            completed = subprocesses.run(
                [sys.executable, "-s", "-B", "-c", program, path, top],
                env=subprocesses.clean_environment(f"{top}/home"),
                cwd=f"{top}/home",
                inherit=subprocesses.inherited_by(user),
            )
        except PermissionError:
            raise _not_permitted(user, "") from None
        return _read_result(f"{top}/out/{RESULT}", user, completed)


def _read_result(
    path: str, user: User, completed: subprocesses.Completed
) -> tuple[str, tuple[str, ...]]:
    """Return the lock and the messages in a file that a user wrote.

    Args:
        path: The file.
        user: The user.
        completed: The process that wrote it.

    Returns:
        The lock and the messages.

    Raises:
        ConvergeError: The resolution failed.

    """
    try:
        result = json.loads(read_regular_file(path, _MAX_RESULT_SIZE))
        failure = result.get("error")
        if failure is None:
            return str(result["lock"]), tuple(map(str, result["notices"]))
        hint = None if failure["hint"] is None else str(failure["hint"])
        output = str(failure["output"])
        reported = _error_class(failure["class"])(str(failure["message"]), hint=hint, output=output)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        if isinstance(error, OSError) and not proves_no_file(error):
            raise
        raise _not_permitted(user, completed.last_lines()) from None
    raise reported


def _error_class(name: object) -> type[ConvergeError]:
    """Return the class of an error by a name that the build user can choose."""
    candidate = getattr(errors, str(name), None)
    if not isinstance(candidate, type) or not issubclass(candidate, ConvergeError):
        return ConvergeError
    return ConvergeError if candidate is errors.Interrupted else candidate


def _not_permitted(user: User, output: str) -> PermissionDenied:
    return PermissionDenied(
        f"`build-user`: {user.name} can't run converge, which resolves versions as {user.name}",
        hint=f"install converge, and its Python, where {user.name} can read them; or set `lock`",
        output=output,
    )


def _require_no_credentials(user: User, venv: Venv) -> None:
    """Check that a resolution needs no password, which the builds of the user could read.

    Raises:
        PermissionDenied: It needs one.

    """
    indexes = index_options(venv)
    by_package = (url for _, url in indexes.package_indexes)
    references = filter(None, (indexes.index_url, *indexes.extra_index_url, *by_package))
    if indexes.netrc or any(
        "@" in urlsplit(url).netloc for url in map(resolve_index_url, references)
    ):
        raise PermissionDenied(
            f"resolving versions as {user.name} would reveal the credentials of an index to builds",
            hint="set `lock` to a lockfile, which `converge lock` writes; or remove `build-user`",
        )
