"""Run uv: it resolves, downloads, builds, and unpacks, isolated from the user's settings."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import tomli
import tomli_w

from engine import progress
from engine.errors import ConvergeError, IntegrityError
from engine.system.background import run_now
from states.installer import DEFAULT_BUILD, build_options, crash_safe_cache, options
from states.installer.credentials import restore_signatures
from states.installer.indexes import (
    certificate_variables,
    index_tables,
    index_variables,
    source_options,
    without_packages,
    write_package_project,
    write_stub,
)
from states.installer.lock_paths import is_toml, locked_names, with_absolute_paths
from states.installer.output.downloads import run_uv
from states.installer.readiness import find_uv, require_sources
from states.installer.recorded_files import (
    delete_lock,
    dist_infos,
    installed_names,
    strip_secrets,
)
from states.installer.requirers import read_annotations
from states.installer.user_builds.projects import UserProjects
from states.installer.uv_errors import damaged_packages, translate_error
from states.interpreter.launcher import write_launcher
from states.system import subprocesses
from states.system.cache_expiry import touch
from states.system.scratch import writable_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from engine.system.background import Start
    from states.installer import BuildOptions, IndexOptions, InstallRequest, ResolveRequest
    from states.system.subprocesses import User

_WITHOUT_STDOUT = ("/bin/sh", "-c", 'exec "$0" "$@" >/dev/null')
"""The beginning of a command line that drops the standard output of the program after it."""


class Uv:
    """The installer uv. One instance serves one build or resolution."""

    def __init__(
        self, cache: str, scratch: str, user: User | None = None, start: Start = run_now
    ) -> None:
        self.user = user  # As whom the interpreter of the venv runs, if not as the current one.
        self.scratch, self._root, self._start_sync = scratch, cache, start
        self._projects = UserProjects(scratch, self.run)
        self.use(DEFAULT_BUILD)
        self.output = ""  # Of the last successful run, which may contain warnings.

    def use(self, build: BuildOptions) -> None:
        """Use settings for all later builds, and the cache that belongs to them."""
        self._build = build
        self.cache = build_options.cache_directory(build, self._root)

    def resolve(self, request: ResolveRequest) -> str:
        """Resolve requirements. If the cache is damaged, repair it and try again once."""
        self._resolve(request)
        lock = Path(f"{self.scratch}/pylock.toml").read_text("utf-8")
        return self._projects.in_lock(with_absolute_paths(lock, self.scratch))

    def _resolve(self, request: ResolveRequest) -> list[str]:
        """Write a lock into the scratch directory, and return the command line of uv."""
        self.use(request.build)
        if self.user is None:  # Otherwise, nothing is built.
            request = self._projects.in_request(request)
        output = f"{self.scratch}/pylock.toml"
        requirements = _write(f"{self.scratch}/requirements.in", request.requirements)
        arguments = ["pip", "compile", requirements, "--output-file", output]
        arguments += ["--format", "pylock.toml", "--no-header"]
        arguments += self._python_options(request.python)
        arguments += self._file_option("--build-constraints", request.build_constraints)
        arguments += options.compile_options(request)
        variables = {}
        if request.environments:
            arguments += ["--universal", "--python-version", request.minimum_python]
            settings = self._settings(request.indexes)
            variables = options.environment_variables(self.scratch, request.environments, settings)
        else:
            arguments += self._config_option(request.indexes)
        attempt = partial(self._compile, request, arguments, variables)
        try:
            return attempt()
        except IntegrityError as error:
            return self._resolve_again(attempt, error)

    def _compile(
        self, request: ResolveRequest, arguments: Sequence[str], variables: Mapping[str, str]
    ) -> list[str]:
        """Run the resolution, again for each package with its own index that turns out needed.

        Until then, an empty wheel stands for such a package. So no other index is asked for it.

        Args:
            request: The request.
            arguments: The command line, without constraints and overrides.
            variables: Further variables.

        Returns:
            The command line of the last run.

        """
        output = f"{self.scratch}/pylock.toml"
        required: set[str] = set()
        while True:
            # uv prefers the versions in an existing output file.
            Path(output).unlink(missing_ok=True)
            if request.previous is not None and is_toml(request.previous):
                _write(output, [request.previous])
            waiting = {name for name, _ in request.indexes.package_indexes} - required
            stubs = {name: write_stub(f"{self.scratch}/stubs", name) for name in sorted(waiting)}
            lines = [*request.overrides, *(f"{name} @ {url}" for name, url in stubs.items())]
            # A constraint may exclude version 0, which the empty wheels have.
            extra = self._file_option(
                "--constraints", without_packages(request.constraints, waiting)
            )
            extra += self._file_option("--overrides", lines)
            if required:
                directory = f"{self.scratch}/indexes"
                extra.append(write_package_project(directory, request.indexes, required))
            self.run([*arguments, *extra], "resolving versions", request.indexes, variables)
            packages = tomli.loads(Path(output).read_text("utf-8")).get("packages", [])
            needed = waiting & {package["name"] for package in packages}
            if not needed:
                return [*arguments, *extra]
            required |= needed

    def requirers(self, request: ResolveRequest) -> dict[str, set[str]]:
        """Return the packages that require each package. The lock of a request has no such list."""
        path = f"{self.scratch}/requirers.txt"
        replaced = {f"{self.scratch}/pylock.toml": path, "pylock.toml": "requirements.txt"}
        arguments = [replaced.get(argument, argument) for argument in self._resolve(request)]
        self.run(
            [*arguments, "--annotation-style", "line"], "reading requirements", request.indexes
        )
        return read_annotations(Path(path).read_text("utf-8"))

    def _config_option(self, indexes: IndexOptions) -> list[str]:
        """Return an option that names a file with the settings of this call, if there are any."""
        settings = self._settings(indexes)
        return ["--config-file", _write(f"{self.scratch}/uv.toml", [settings])] if settings else []

    def _settings(self, indexes: IndexOptions) -> str:
        return tomli_w.dumps({**index_tables(indexes), **build_options.build_tables(self._build)})

    def _resolve_again(self, attempt: Callable[[], list[str]], error: IntegrityError) -> list[str]:
        """Resolve once more, and delete only cache entries that are damaged.

        The cache serves all venvs. It is emptied only after a resolution without it succeeded.

        Args:
            attempt: Runs the resolution.
            error: The error of the first attempt.

        Returns:
            The result of the attempt that succeeded.

        Raises:
            ConvergeError: The resolution failed again, so the cache isn't the cause.

        """
        # UV-QUIRK(0.12): uv doesn't repair a damaged cache entry.
        if names := damaged_packages(error.output):
            self.clear_cache(names)
            with suppress(IntegrityError):
                return attempt()
        shared, self.cache = self.cache, f"{self.scratch}/uv"
        try:
            arguments = attempt()
        finally:
            self.cache = shared
        self.clear_cache(())
        return arguments

    def install(self, request: InstallRequest) -> None:
        """Install a lock: from the cache if that suffices, otherwise with the network.

        A hash makes a cached file as good as a downloaded one. The second attempt is made only
        if the first one changed nothing.
        """
        before = dist_infos(request.root)
        installed = installed_names(request.root)
        # UV-QUIRK(0.13): uv builds an installed package again if its settings differ from those
        # in its metadata, from which `strip_secrets` removes them.
        self.use(build_options.narrow(request.build, locked_names(request.lock) - installed))
        lock = restore_signatures(self._projects.to_install(request, installed))
        arguments = ["pip", "sync", _write(f"{self.scratch}/pylock.toml", [lock])]
        arguments += ["--link-mode", "copy", *self._python_options(f"{request.root}/bin/python")]
        arguments += ["--allow-empty-requirements", "--preview-features", "pylock"]
        arguments += self._file_option("--build-constraints", request.build_constraints)
        if request.archive_parts:
            # UV-QUIRK(0.12): the cache confuses projects of one archive that have the same name.
            self.clear_cache(request.archive_parts)
        if request.projects:
            arguments += options.refresh_options(frozenset(request.projects))
        arguments += source_options(request.indexes) + self._config_option(request.indexes)
        attempts = [[]] if request.projects else [["--offline"], []]
        for option in attempts:
            try:
                self.run([*arguments, *option], "installing", request.indexes)
                break
            except ConvergeError:
                # UV-QUIRK(0.12): uv considers a package installed once its dist-info exists, even
                # if files are missing. Never run it again into a target that it has changed.
                if not option or dist_infos(request.root) != before:
                    raise
        self._projects.finish(request.root)
        strip_secrets(request.root)
        delete_lock(request.root)

    def clear_cache(self, packages: Sequence[str]) -> None:
        """Delete packages from uv's cache, or everything if none is named."""
        action = "clearing the download cache"
        progress.step(action)
        self.run(["cache", "clean", *packages], action)

    def run(
        self,
        arguments: Iterable[str],
        action: str,
        indexes: IndexOptions | None = None,
        more_variables: Mapping[str, str] | None = None,
    ) -> None:
        """Run uv with an environment that contains none of the user's settings.

        Without a writable cache directory, uv uses a temporary one.

        Args:
            arguments: The command line without the program.
            action: The prefix of an error message.
            indexes: The indexes whose URLs and credentials the command needs.
            more_variables: Variables that take precedence.

        Raises:
            ConvergeError: uv failed, or an index or netrc file isn't configured correctly.

        """
        argv = [find_uv(), *arguments]
        if argv[1:3] == ["pip", "compile"]:
            # UV-QUIRK(0.12): uv prints the whole lock, although it also writes it to a file.
            argv = [*_WITHOUT_STDOUT, *argv]
        if indexes is not None:
            require_sources(indexes)
        variables = {
            **build_options.build_variables(self._build, subprocesses.SAFE_PATH),
            **options.ISOLATED,
            **certificate_variables(),
            **(index_variables(indexes, self.scratch) if indexes else {}),
            **(more_variables or {}),
        }
        if writable_dir(self.cache):
            touch(self.cache)
            with crash_safe_cache.open_cache(self.cache, self._start_sync):
                completed = self._start(argv, {**variables, "UV_CACHE_DIR": self.cache})
        else:
            completed = self._start(argv, {**variables, "UV_NO_CACHE": "1"})
        if completed.status != 0:
            raise translate_error(completed, action, self.cache)
        self.output = completed.output

    def _start(self, argv: Sequence[str], variables: dict[str, str]) -> subprocesses.Completed:
        return run_uv(argv, subprocesses.clean_environment(self.scratch, variables), self.scratch)

    def _python_options(self, program: str) -> list[str]:
        """Return the options for an interpreter. A build would run it as the current user."""
        if self.user is None:
            return ["--python", program]
        directory = f"{self.scratch}/launcher"
        os.makedirs(directory, exist_ok=True)
        launcher = write_launcher(directory, program, self.user, (self.cache, self.scratch))
        return ["--python", launcher, "--no-build"]

    def _file_option(self, option: str, lines: Sequence[str]) -> list[str]:
        """Return an option that names a file with these lines. Without lines, return nothing."""
        return [option, _write(f"{self.scratch}/{option[2:]}.txt", lines)] if lines else []


def _write(path: str, lines: Iterable[str]) -> str:
    Path(path).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path
