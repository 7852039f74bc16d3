"""Install the locked packages with uv."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import ConvergeError, IntegrityError
from engine.system import signals
from engine.system.files import sha256
from states.installer import InstallRequest
from states.installer.build_errors import BuildError
from states.installer.requirers import NONE
from states.installer.uv_errors import damaged_packages
from states.system.users import user_of_project
from states.venv.integrity.mismatches import RecordMismatch
from states.venv.resolve.builds.options import build_options
from states.venv.resolve.diagnosis.explain import explain_build
from states.venv.resolve.lines.sources import index_options
from states.venv.resolve.resolver import Resolver, build_constraints

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.installer.requirers import Requirers
    from states.venv.build.stages import Draft
    from states.venv.integrity.receipt import Package


def install(draft: Draft, missing: list[str]) -> None:
    """Install the packages that couldn't be copied.

    Call it only after `assert_isolated`.

    Args:
        draft: The directory, with the environment and the copied packages in it.
        missing: The names of the packages to install.

    Raises:
        RecordMismatch: A file that uv downloaded, or took from its cache, has another hash.
        ConvergeError: uv failed for another reason.

    """
    context = draft.context
    packages = context.selection.packages
    noun = "package" if len(packages) == 1 else "packages"
    progress.step(f"installing {len(missing)} of {len(packages)} {noun}")
    projects = tuple(package.name for package in packages if package.project())
    archive_parts = tuple(
        package.name
        for package in packages
        if package.name in missing and is_subdirectory_of_archive(package)
    )
    _install(draft, projects, archive_parts)


def install_again(draft: Draft, projects: tuple[str, ...] = ()) -> None:
    """Install the packages whose metadata was deleted, over the files of others.

    Args:
        draft: The directory.
        projects: The names of local projects to build from their current source. The installer
            takes any other package from its cache if possible.

    Raises:
        RecordMismatch: The file of a package has another hash.
        ConvergeError: uv failed for another reason.

    """
    _install(draft, projects, archive_parts=())


def _install(draft: Draft, projects: tuple[str, ...], archive_parts: tuple[str, ...]) -> None:
    context = draft.context
    request = InstallRequest(
        root=draft.root,
        python=context.selection.python.executable,
        lock=context.selection.lock,
        build_constraints=build_constraints(context.spec),
        projects=projects,
        archive_parts=archive_parts,
        indexes=index_options(context.spec),
        build=build_options(context.spec, context.selection.lock),
    )
    projects_of_root = [
        package.project()
        for package in context.selection.packages
        if package.project() and user_of_project(package.project()) is None
    ]
    # The name is the same for each run of this venv, so the next run deletes what a kill left.
    build_name = f"converge-{sha256(os.path.dirname(draft.root).encode())[:16]}"
    with _clean_build_directories(sorted(set(projects_of_root)), build_name, context.scratch):
        try:
            context.installer.install(request)
        except BuildError as error:
            raise explain_build(error, context.spec, partial(_find_requirers, draft)) from None
        except IntegrityError as error:
            # Without names, the cached builds of all packages are suspect.
            names = damaged_packages(error.output)
            raise RecordMismatch(error.message, names, error.hint, error.output) from error


def _find_requirers(draft: Draft) -> Requirers:
    """Return the packages that require each package. A lockfile contains no such list.

    It resolves once more, mostly from the cache. If that fails, nothing is known.
    """
    context = draft.context
    if context.spec.lock:
        return NONE
    with suppress(ConvergeError):
        python, lock = context.selection.python, context.selection.lock
        resolver = Resolver(context.spec, python, context.settings, context.scratch)
        return resolver.installer.requirers(resolver.request(lock))
    signals.raise_if_interrupted()
    return NONE


@contextmanager
def _clean_build_directories(projects: list[str], name: str, home: str) -> Iterator[None]:
    """Let setuptools build each local project in a new `build/NAME`, and delete that afterward.

    setuptools packs every file in its build directory. Files of an earlier build, whose
    sources no longer exist, must not get into the wheel. The directory is set in the user's
    preferences for setuptools, `.pydistutils.cfg`.

    Args:
        projects: The directories of the local projects.
        name: The name of the directory below `build`.
        home: The home directory of uv's processes.

    Yields:
        Once.

    """
    if not projects:
        yield
        return
    with open(f"{home}/.pydistutils.cfg", "w", encoding="utf-8") as stream:
        stream.write(f"[build]\nbuild_base = build/{name}\n")
    existed = {f"{project}/build": os.path.lexists(f"{project}/build") for project in projects}
    for directory in existed:
        shutil.rmtree(f"{directory}/{name}", ignore_errors=True)
    try:
        yield
    finally:
        for directory, did_exist in existed.items():
            shutil.rmtree(f"{directory}/{name}", ignore_errors=True)
            if not did_exist:
                with suppress(OSError):
                    os.rmdir(directory)


def is_subdirectory_of_archive(package: Package) -> bool:
    """Return whether a package is one of several projects in a source archive."""
    return "#subdirectory=" in package.origin and package.content.startswith("sha256:")
