"""Resolve requirements to a lock. Never called by a run that changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import progress
from engine.errors import ConvergeError, Unavailable
from states.installer import IndexOptions, ResolveRequest
from states.installer.uv import Uv
from states.interpreter import discovery
from states.system.scratch import scratch_dir
from states.venv.resolve.fetch import read_source
from states.venv.resolve.hashes import filter_by_hash
from states.venv.resolve.line_options import binary_options
from states.venv.resolve.pylock import Resolution, parse_lock, select_artifacts
from states.venv.resolve.references import is_url
from states.venv.resolve.requirements import (
    Line,
    declared_lines,
    drop_packages,
    exact_requirements,
    line_error,
    read_lines,
    required_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.settings import Settings
    from states.interpreter.discovery import Python
    from states.venv.resolve.pylock import Lock
    from states.venv.spec import Venv


def resolve(spec: Venv, python: Python, previous: str | None, settings: Settings) -> Resolution:
    """Resolve a spec for an interpreter to exactly one file for each package.

    Args:
        spec: A spec without a lockfile.
        python: The interpreter.
        previous: A lock whose versions are kept if they still satisfy the requirements.
        settings: The cache directory, and the packages to upgrade.

    Returns:
        The selected files.

    Raises:
        ConvergeError: No versions satisfy the requirements, or a build failed.
        Unavailable: An index, or a requirement file behind a URL, can't be fetched.

    """
    with scratch_dir(settings.cache) as scratch:
        lock = compile_lock(spec, python, previous, settings, scratch)
    return select_artifacts(lock, python, "/", spec.local_digests())


def compile_lock(
    spec: Venv, python: Python, previous: str | None, settings: Settings, scratch: str
) -> Lock:
    """Create a lock for a spec, with every file that the interpreter accepts.

    Args:
        spec: The spec. Its lockfile, if any, is ignored.
        python: The interpreter.
        previous: A lock whose versions are kept if they still satisfy the requirements.
        settings: The cache directory, and the packages to upgrade.
        scratch: A directory for temporary files.

    Returns:
        The lock, without files that hashes in the requirements rule out.

    Raises:
        ConvergeError: No versions satisfy the requirements, or a build failed.
        Unavailable: An index, or a requirement file behind a URL, can't be fetched.

    """
    progress.step("resolving versions")
    environment = markers(python)
    overrides = declared_lines(spec.overrides)
    lines = [*declared_lines(spec.packages), *_read_files(spec, spec.requirements, False)]
    requirements = [line for line in lines if not line.constraint]
    constraints = [line for line in lines if line.constraint]
    constraints += _read_files(spec, spec.constraints, True)
    # The installer would apply a constraint to an override. Here the override wins.
    everything = [*lines, *constraints]
    unbound = exact_requirements(requirements, environment) | required_names(overrides)
    request = ResolveRequest(
        python=python.executable,
        requirements=_texts(requirements),
        constraints=_texts(drop_packages(constraints, unbound)),
        overrides=spec.overrides,
        build_constraints=build_constraints(spec),
        previous=None if settings.upgrade == frozenset() else previous,
        upgrade=settings.upgrade or frozenset(),
        projects=_local_names([*requirements, *overrides]),
        allow_prereleases=any(line.has_option("--pre") for line in everything),
        binary_options=binary_options(option for line in everything for option in line.options),
        indexes=index_options(spec),
    )
    lock = parse_lock(Uv(settings.cache, scratch).resolve(request))
    return filter_by_hash(lock, [*requirements, *overrides, *constraints], environment)


def markers(python: Python) -> dict[str, str]:
    """Return the environment in which an interpreter evaluates markers (PEP 508)."""
    environment = discovery.information(python).marker_environment
    return {name: str(value) for name, value in environment.items()}


def build_constraints(spec: Venv) -> tuple[str, ...]:
    """Return the constraints on the tools that build from source."""
    return _texts(_read_files(spec, spec.build_constraints, True))


def index_options(spec: Venv) -> IndexOptions:
    """Return the sources of a venv's distributions."""
    return IndexOptions(
        index_url=spec.index_url,
        extra_index_url=spec.extra_index_url,
        netrc=spec.netrc,
        find_links=spec.find_links,
        insecure_hosts=spec.insecure_hosts,
        no_index=spec.no_index,
        exclude_newer=spec.exclude_newer,
    )


def _local_names(lines: Iterable[Line]) -> frozenset[str] | None:
    """Return the names of local projects. Return None if only a build can find the name of one."""
    requirements = [line.requirement for line in lines if line.local_path()]
    names = [requirement.name for requirement in requirements if requirement is not None]
    return frozenset(names) if len(names) == len(requirements) else None


def _read_files(spec: Venv, names: Iterable[str], constraint: bool) -> list[Line]:
    """Read requirement files.

    Args:
        spec: The spec, for the netrc file.
        names: Paths and URLs.
        constraint: Whether the lines only bound versions.

    Returns:
        The lines.

    Raises:
        ConvergeError: A file disappeared, or a line can't be used.
        Unavailable: A URL can't be fetched, or a line behind it can't be used.

    """
    lines: list[Line] = []
    for name in names:
        lines += read_lines(
            name, lambda file: read_source(file, spec.netrc), _missing, constraint=constraint
        )
    for line in lines:
        if error := line_error(line):
            message, hint = error
            error_class = Unavailable if is_url(line.file) else ConvergeError
            raise error_class(f"{line.location()}: {message}", hint=hint or "check its content")
    return lines


def _missing(name: str, _included_by: Line | None) -> None:
    raise ConvergeError(f"the file disappeared during the run: `{name}`")


def _texts(lines: Iterable[Line]) -> tuple[str, ...]:
    return tuple(line.text for line in lines if not line.is_only_options())
