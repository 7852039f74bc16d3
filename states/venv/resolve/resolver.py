"""Resolve requirements to a lock. Never called by a run that changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import progress
from engine.errors import ConvergeError, Interrupted
from engine.frozen import replace
from states.installer import ResolveRequest
from states.installer.uv import Uv
from states.interpreter import discovery
from states.interpreter.user import user_of_python
from states.system.scratch import scratch_dir
from states.venv.resolve.builds.options import build_options
from states.venv.resolve.diagnosis.attempt import Attempt
from states.venv.resolve.diagnosis.extras import extras_finder
from states.venv.resolve.diagnosis.missing import missing_notice, with_exact_versions
from states.venv.resolve.diagnosis.warnings import resolution_notices
from states.venv.resolve.fetch import fetcher_of
from states.venv.resolve.hashes import filter_by_hash
from states.venv.resolve.lines.local import local_projects, require_trusted_files
from states.venv.resolve.lines.options import binary_options
from states.venv.resolve.lines.sources import index_options
from states.venv.resolve.lockfile import restrict_to
from states.venv.resolve.projects.pyproject import require_python
from states.venv.resolve.pylock import (
    Resolution,
    add_tool_table,
    parse_lock,
    select_artifacts,
)
from states.venv.resolve.requirements import (
    declared_lines,
    drop_packages,
    exact_requirements,
    read_files,
    required_names,
)
from states.venv.resolve.reuse.basis import basis_of, interpreter_names
from states.venv.resolve.reuse.preference import Compiled, Preference, older_notice
from states.venv.resolve.subset import subset_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.settings import Settings
    from states.interpreter.discovery import Python
    from states.venv.resolve.lines.line import Line
    from states.venv.resolve.lockfile import Target
    from states.venv.resolve.pylock import Lock
    from states.venv.spec import Venv

_NO_BUILDS = (("--only-binary", ":all:"),)


def resolve(
    spec: Venv,
    python: Python,
    previous: str | None,
    settings: Settings,
    digest: Callable[[str], str],
) -> Resolution:
    """Resolve a spec for an interpreter to exactly one file for each package.

    Args:
        spec: A spec without a lockfile.
        python: The interpreter.
        previous: The lock of the live generation. Its versions are kept if they still satisfy the
            requirements, and if nothing else that bounds versions has changed.
        settings: The cache directory, and the packages to upgrade.
        digest: Returns the digest of a local project.

    Returns:
        The selected files.

    Raises:
        ConvergeError: No versions satisfy the requirements, or a build failed.
        Unavailable: An index, or a requirement file behind a URL, can't be fetched.

    """
    preference = None if previous is None else Preference(previous, needs_basis=True)
    with scratch_dir(settings.cache) as scratch:
        resolver = Resolver(spec, python, settings, scratch)
        compiled = resolver.compile(preference)
        resolution = select_artifacts(compiled.lock, python, "/", digest)
        notices = (*compiled.notices, *resolver.find_older(compiled))
    return replace(resolution, changed_bounds=compiled.changed_bounds, notices=notices)


class Resolver:
    """Resolves a spec, whose requirement files it reads at once. Its lockfile is ignored.

    Args:
        spec: The spec.
        python: The interpreter.
        settings: The cache directory, and the packages to upgrade.
        scratch: A directory for temporary files.
        target: The interpreters that the lock must support, if it isn't only this one.

    Raises:
        ConvergeError: A requirement file can't be used.
        Unavailable: A requirement file behind a URL can't be fetched.

    """

    def __init__(
        self,
        spec: Venv,
        python: Python,
        settings: Settings,
        scratch: str,
        target: Target | None = None,
    ) -> None:
        progress.step("resolving versions")
        self.spec = spec
        self.settings = settings
        own = markers(python)
        self.environments = [{**own, **sample} for sample in target.samples()] if target else [own]
        self.overrides = declared_lines(spec.overrides)
        fetcher = fetcher_of(spec)
        versions = [environment["python_full_version"] for environment in self.environments]
        require_python(spec.requirements, fetcher.read, versions)
        files = read_files(fetcher.read, spec.requirements, False, subset_of(spec))
        declared = declared_lines(spec.packages)
        require_trusted_files([*declared, *self.overrides])
        lines = [*declared, *files]
        self.requirements = [line for line in lines if not line.constraint]
        self.constraints = [line for line in lines if line.constraint]
        self.constraints += read_files(fetcher.read, spec.constraints, True)
        names = interpreter_names(python, target.minors if target else ())
        self.basis = basis_of(spec, names, [*self.requirements, *self.constraints])
        self._python = python
        self._target = target
        self.installer = Uv(settings.cache, scratch, user_of_python(python))

    def compile(self, preference: Preference | None) -> Compiled:
        """Create a lock with every file that the interpreter accepts.

        Args:
            preference: A lock whose versions are kept where possible.

        Returns:
            The lock, without files that hashes in the requirements rule out.

        Raises:
            ConvergeError: No versions satisfy the requirements, or a build failed.
            Unavailable: An index can't be reached.

        """
        if self.settings.upgrade == frozenset():
            preference = None
        changes = () if preference is None else preference.changed_bounds(self.basis)
        previous = preference.lock if preference and not changes else None
        attempt = Attempt(
            self.spec,
            self.environments,
            tuple(self.requirements),
            tuple(self._constraints()),
            tuple(self.overrides),
        )
        lock = parse_lock(attempt.resolve(self.installer, self.request(previous)))
        lines = [*self.requirements, *self.overrides, *self.constraints]
        lock = filter_by_hash(lock, lines, self.environments)
        if self._target is not None:
            lock = restrict_to(lock, self._target)
        lock = add_tool_table(lock, self.basis.to_dict())
        extras_of = extras_finder(lock.packages, self.spec.netrc)
        notices = (
            *resolution_notices(self.installer.output, self.spec, lines, extras_of),
            *self._find_missing(lock),
        )
        return Compiled(lock, previous is not None, changes, notices)

    def find_older(self, compiled: Compiled) -> tuple[str, ...]:
        """Return a message about packages that a new venv would get in another version, if any.

        They were kept because they are live. Nothing is built to find out, and a failure counts
        as none.
        """
        if not compiled.is_preferred or self.settings.upgrade is not None:
            return ()
        progress.step("looking for newer versions")
        newest = self._try_resolve(self.request(None))
        return older_notice(self.spec.path, compiled.lock, newest) if newest else ()

    def _find_missing(self, lock: Lock) -> tuple[str, ...]:
        """Return a message about the dependencies that `no-deps` leaves out, if there are any."""
        if not self.spec.no_deps:
            return ()
        progress.step("looking for missing dependencies")
        request = replace(
            self.request(None), no_deps=False, overrides=with_exact_versions(lock, self.overrides)
        )
        return missing_notice(self.spec.path, lock, self._try_resolve(request))

    def _try_resolve(self, request: ResolveRequest) -> Lock | None:
        """Return the lock for a request, or None if it fails. Nothing is built."""
        try:
            request = replace(request, binary_options=_NO_BUILDS)
            return parse_lock(self.installer.resolve(request))
        except Interrupted:
            raise
        except ConvergeError:
            return None

    def _constraints(self) -> list[Line]:
        """Return the constraints on packages that aren't required by exact version or URL."""
        unbound = exact_requirements(self.requirements, self.environments)
        # The installer would apply a constraint to an override. Here the override wins.
        unbound |= required_names(self.overrides)
        return drop_packages(self.constraints, unbound)

    def request(self, previous: str | None) -> ResolveRequest:
        """Return the request to the installer that prefers the versions of a previous lock."""
        everything = [*self.requirements, *self.constraints]
        options = [option for line in everything for option in line.options]
        return ResolveRequest(
            python=self._python.executable,
            requirements=_texts(self.requirements),
            constraints=_texts(self._constraints()),
            overrides=self.spec.overrides,
            build_constraints=build_constraints(self.spec),
            previous=previous,
            upgrade=self.settings.upgrade or frozenset(),
            projects=_local_names([*self.requirements, *self.overrides]),
            allow_prereleases=any(name == "--pre" for name, _ in options),
            environments=self._target.environments if self._target else (),
            minimum_python=self._target.minimum if self._target else "",
            binary_options=binary_options(options),
            no_deps=self.spec.no_deps,
            indexes=index_options(self.spec),
            build=build_options(self.spec),
            projects_by_url=local_projects([*everything, *self.overrides]),
        )


def markers(python: Python) -> dict[str, str]:
    """Return the environment in which an interpreter evaluates markers (PEP 508)."""
    environment = discovery.information(python).marker_environment
    return {name: str(value) for name, value in environment.items()}


def build_constraints(spec: Venv) -> tuple[str, ...]:
    """Return the constraints on the tools that build from source."""
    return _texts(read_files(fetcher_of(spec).read, spec.build_constraints, True))


def _local_names(lines: Iterable[Line]) -> frozenset[str] | None:
    """Return the names of local projects. Return None if only a build can find the name of one."""
    requirements = [line.requirement for line in lines if line.local_path()]
    names = [requirement.name for requirement in requirements if requirement is not None]
    return frozenset(names) if len(names) == len(requirements) else None


def _texts(lines: Iterable[Line]) -> tuple[str, ...]:
    return tuple(line.text for line in lines if not line.is_only_options())
