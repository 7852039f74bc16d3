"""Build wheels from source archives and Git repositories, each in a sandbox of its own.

A build gets its build requirements as wheels in a directory. It has no network where the kernel
allows that, and no credentials. uv creates the isolated environment, and calls the backend.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import tomli_w

from engine import progress
from engine.errors import ConvergeError, IntegrityError
from states.installer.build_errors import unresolved_tools
from states.installer.build_options import build_tables, build_variables, narrow
from states.installer.options import ISOLATED
from states.installer.output.downloads import run_uv
from states.installer.readiness import find_uv, require_git
from states.installer.user_builds.build import take_wheel
from states.installer.uv_errors import translate_error
from states.interpreter.tags import accepted_tags
from states.system import subprocesses
from states.system.users import can_execute
from states.venv.resolve.builds.options import build_options
from states.venv.resolve.lines.sources import index_options
from states.venv.resolve.resolver import build_constraints
from states.wheelhouse.sandbox import (
    build_dirs,
    find_build_user,
    give_to,
    network_isolation,
    owner_of_builds,
    require_interpreter,
)
from states.wheelhouse.sources.git import check_out
from states.wheelhouse.sources.tools import Tools
from states.wheelhouse.store.wheel_file import tags_of
from states.wheelhouse.store.wheels import NewWheel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.settings import Settings
    from states.installer import BuildOptions
    from states.interpreter.discovery import Python
    from states.venv.spec import Venv
    from states.wheelhouse.select.artifacts import Artifact, Build
    from states.wheelhouse.spec import Wheelhouse

_ROUNDS = 8
"""Attempts to find all build requirements. A backend can request more than the project declares."""


class Builder:
    """Builds the artifacts of one wheelhouse.

    Args:
        spec: The wheelhouse.
        settings: The cache directory.
        scratch: A directory for temporary files, which only the current user can enter.

    """

    def __init__(self, spec: Wheelhouse, settings: Settings, scratch: str) -> None:
        self._spec = spec
        self._scratch = scratch
        self._user = find_build_user(spec.build_user)
        self._isolation = network_isolation(self._user)
        self._tools = Tools(settings.cache, scratch)

    @property
    def has_network(self) -> bool:
        """Whether builds can use the network, because the kernel doesn't allow to isolate them."""
        return not self._isolation

    def build(self, artifact: Artifact, archive: str) -> NewWheel:
        """Build the wheel of an artifact.

        Args:
            artifact: The artifact.
            archive: The downloaded source archive. Empty for a repository.

        Returns:
            The wheel.

        Raises:
            ConvergeError: The build failed.
            IntegrityError: It created another package, or a wheel for another platform.
            PermissionDenied: The build user can't run the interpreter.

        """
        assert artifact.build is not None  # The caller selects the artifacts that need a build.
        venv, python = self._spec.sources[artifact.venv], artifact.build.python
        label = f"{artifact.project} {artifact.version}".strip()
        require_interpreter(self._user, python)
        with build_dirs(self._user, self._scratch) as top:
            source, uploaded = self._place_source(artifact, venv, archive, top)
            progress.step(f"building {label} for Python {python.version}")
            os.mkdir(f"{top}/tools", 0o755)
            options = narrow(build_options(venv), {artifact.project})
            argv = [*self._isolation, *self._arguments(python, venv, options, top), source]
            self._run(argv, artifact, options, top)
            owner = owner_of_builds(self._user)
            path = take_wheel(f"{top}/out", label, owner, self._scratch)
        _require_accepted(path, python, label)
        return NewWheel(path, artifact.project, artifact.version, uploaded, artifact.identity)

    def _place_source(
        self, artifact: Artifact, venv: Venv, archive: str, top: str
    ) -> tuple[str, str]:
        """Put the source into a directory of the build.

        Args:
            artifact: The artifact.
            venv: The venv that needs it.
            archive: The downloaded source archive. Empty for a repository.
            top: The directory of the build.

        Returns:
            The path of the source, and its time.

        Raises:
            ConvergeError: The commit doesn't exist, or the source can't be built.

        """
        build: Build | None = artifact.build
        assert build is not None
        place = f"{top}/source"
        os.mkdir(place, 0o700)
        if build.commit:
            require_git(artifact.project)
            source = os.path.join(place, "source", build.subdirectory)
            # INVARIANT: without a lockfile, the build user chose the URL. It must not be that of a
            # repository that only the current user can read.
            user = None if venv.lock else self._user
            uploaded = check_out(build, index_options(venv), place, user)
            if user is not None:
                return source, uploaded
        else:
            if build.subdirectory:
                raise ConvergeError(
                    f"{artifact.project} is in the subdirectory `{build.subdirectory}` of an "
                    "archive, which a wheelhouse can't build",
                    hint="require it by the URL of its Git repository",
                )
            uploaded = artifact.uploaded
            source = shutil.copy2(archive, f"{place}/{artifact.file}")
        give_to(self._user, place)
        return source, uploaded

    def _arguments(self, python: Python, venv: Venv, options: BuildOptions, top: str) -> list[str]:
        """Return the command line of uv without the source, and write the files that it names.

        Args:
            python: The interpreter.
            venv: The venv that needs the package.
            options: The settings of the build.
            top: The directory of the build.

        Returns:
            The arguments.

        """
        uv = find_uv()
        if self._user is not None and not can_execute(uv, self._user):
            uv = shutil.copy(uv, f"{top}/uv")
            os.chmod(uv, 0o755)
        arguments = [uv, "build", "--wheel", "--out-dir", f"{top}/out"]
        arguments += ["--python", python.executable, "--offline", "--no-index"]
        arguments += ["--find-links", f"{top}/tools"]
        tables = build_tables(options)
        # uv doesn't apply those of a package to the project that it is called for.
        for table in dict(options.package_settings).values():
            tables["config-settings"] = table
        tables.pop("config-settings-package", None)
        # They become the environment. The file can be read by other users.
        tables.pop("extra-build-variables", None)
        if tables:
            arguments += ["--config-file", _write(f"{top}/uv.toml", tomli_w.dumps(tables))]
        if lines := build_constraints(venv):
            text = "".join(f"{line}\n" for line in lines)
            arguments += ["--build-constraints", _write(f"{top}/constraints.txt", text)]
        return arguments

    def _run(
        self, argv: Sequence[str], artifact: Artifact, options: BuildOptions, top: str
    ) -> None:
        """Run uv until it has all build requirements.

        Args:
            argv: The command line.
            artifact: The artifact.
            options: The settings of the build.
            top: The directory of the build.

        Raises:
            ConvergeError: The build failed, or a build requirement isn't available.

        """
        assert artifact.build is not None
        variables = {
            **build_variables(options, subprocesses.SAFE_PATH),
            **dict(options.package_variables).get(artifact.project, {}),
            **ISOLATED,
            "UV_CACHE_DIR": f"{top}/cache",
        }
        environment = subprocesses.clean_environment(f"{top}/home", variables)
        inherit = subprocesses.inherited_by(self._user)
        provided: set[tuple[str, ...]] = set()
        while True:
            completed = run_uv(argv, environment, f"{top}/home", inherit)
            if completed.status == 0:
                return
            requirements = unresolved_tools(completed.output)
            if not requirements or requirements in provided or len(provided) > _ROUNDS:
                raise _build_error(completed, artifact, argv[-1])
            provided.add(requirements)
            venv = self._spec.sources[artifact.venv]
            try:
                self._tools.provide(requirements, venv, artifact.build.python, f"{top}/tools")
            except ConvergeError as error:
                error.message = f"building {artifact.project}: {error.message}"
                raise


def _build_error(
    completed: subprocesses.Completed, artifact: Artifact, source: str
) -> ConvergeError:
    """Return the error of a failed build. uv names only the path of the source.

    Args:
        completed: The failed process.
        artifact: The artifact.
        source: The path.

    Returns:
        The error.

    """
    version = f"=={artifact.version}" if artifact.version else ""
    output = completed.output.replace(f"`{source}`", f"`{artifact.project}{version}`")
    failed = subprocesses.Completed(completed.status, output)
    return translate_error(failed, f"building for `{artifact.venv}`")


def _require_accepted(path: str, python: Python, label: str) -> None:
    """Check that the interpreter of a build accepts the wheel.

    Args:
        path: The wheel.
        python: The interpreter.
        label: The name and the version of the package.

    Raises:
        IntegrityError: It doesn't.

    """
    name = os.path.basename(path)
    if not tags_of(name) & frozenset(accepted_tags(python)):
        raise IntegrityError(
            f"the build of {label} created `{name}`, which Python {python.version} on this host "
            "doesn't accept",
            hint="check its build settings; cross-compilation isn't supported",
        )


def _write(path: str, text: str) -> str:
    """Write a file that the build user can read, and return its path."""
    with open(path, "x", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(text)
    return path
