"""Check out one commit of a Git repository. uv has resolved it, and can't build it as a file."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import ConvergeError
from engine.system.existence import exists
from states.installer.indexes import certificate_variables, index_variables
from states.installer.uv_errors import translate_error
from states.system import subprocesses
from states.wheelhouse.sandbox import give_to

if TYPE_CHECKING:
    from states.installer import IndexOptions
    from states.system.subprocesses import Completed, User
    from states.wheelhouse.select.artifacts import Build


def check_out(build: Build, indexes: IndexOptions, directory: str, user: User | None = None) -> str:
    """Clone a repository with its history, which versions may depend on, and check a commit out.

    Args:
        build: The repository and the commit.
        indexes: The netrc file with credentials.
        directory: A directory that exists, for the checkout and Git's settings.
        user: The user that runs Git and gets the directory. None for the current user.

    Returns:
        The time of the commit, in the form of PEP 700.

    Raises:
        ConvergeError: The repository or the commit doesn't exist.
        Unavailable: The server can't be reached, or rejects the credentials.

    """
    home, checkout = f"{directory}/home", f"{directory}/source"
    os.mkdir(home, 0o700)
    variables = {
        **certificate_variables(),
        **index_variables(indexes, home),
        "GIT_TERMINAL_PROMPT": "0",
    }
    environment = subprocesses.clean_environment(home, variables)
    inherit = subprocesses.inherited_by(user)
    give_to(user, directory)

    def git(*arguments: str) -> Completed:
        command = ["git", *arguments]
        return subprocesses.run(command, env=environment, cwd=directory, inherit=inherit)

    action = f"fetching `{build.url}`"
    progress.step(action)
    _require(git("clone", "--quiet", "--no-checkout", "--", build.url, checkout), action)
    inside = ("-C", checkout)
    detach = (*inside, "checkout", "--quiet", "--detach", build.commit)
    if git(*detach).status != 0:
        # Not on any branch: a server can still offer it.
        git(*inside, "fetch", "--quiet", "origin", build.commit)
        if git(*detach).status != 0:
            raise _missing_commit(build)
    if exists(f"{checkout}/.gitmodules"):
        update = ("submodule", "--quiet", "update", "--init", "--recursive")
        _require(git(*inside, *update), f"fetching the submodules of `{build.url}`")
    shown = git(*inside, "show", "--no-patch", "--format=%ct", build.commit)
    seconds = int(shown.output.split()[-1])
    time = datetime.fromtimestamp(seconds, timezone.utc)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _missing_commit(build: Build) -> ConvergeError:
    moved = f"; `{build.revision}` was moved" if build.revision else ""
    return ConvergeError(
        f"the commit {build.commit[:12]} isn't in `{build.url}` anymore{moved}",
        hint="to select the current commit, run with `--upgrade`; the published wheels stay",
    )


def _require(completed: Completed, action: str) -> None:
    """Check that Git succeeded.

    Raises:
        ConvergeError, Unavailable: It failed.

    """
    if completed.status != 0:
        error = translate_error(completed, action)
        error.message = error.message.replace(f"{action}: uv ", f"{action}: git ")
        raise error
