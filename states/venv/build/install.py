"""Install the locked packages with uv."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import IntegrityError
from engine.system.files import sha256
from states.installer import InstallRequest
from states.installer.uv_errors import damaged_packages
from states.venv.integrity.mismatches import RecordMismatch
from states.venv.resolve.resolver import build_constraints, index_options
from states.venv.resolve.source_tree import tree_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.venv.build.stages import Draft
    from states.venv.integrity.receipt import Package
    from states.venv.resolve.selection import Selection
    from states.venv.spec import Venv


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


def install_again(draft: Draft, dist_info: str) -> None:
    """Install one package over the files of others, from what the installer has cached.

    Args:
        draft: The directory, with every package in it.
        dist_info: The package's metadata directory, relative to the generation.

    Raises:
        RecordMismatch: The file of the package has another hash.
        ConvergeError: uv failed for another reason.

    """
    # UV-QUIRK(0.12): uv reads the cache again for `--reinstall`. Without its dist-info, a
    # package counts as missing, and no file of another package is deleted first.
    shutil.rmtree(f"{draft.root}/{dist_info}")
    _install(draft, projects=(), archive_parts=())


def _install(draft: Draft, projects: tuple[str, ...], archive_parts: tuple[str, ...]) -> None:
    context = draft.context
    request = InstallRequest(
        root=draft.root,
        lock=context.selection.lock,
        build_constraints=build_constraints(context.spec),
        projects=projects,
        archive_parts=archive_parts,
        indexes=index_options(context.spec),
    )
    directories = {package.project() for package in context.selection.packages} - {""}
    # The name is the same for each run of this venv, so the next run deletes what a kill left.
    build_name = f"converge-{sha256(os.path.dirname(draft.root).encode())[:16]}"
    with _clean_build_directories(sorted(directories), build_name, context.scratch):
        try:
            context.installer.install(request)
        except IntegrityError as error:
            # Without names, the cached builds of all packages are suspect.
            names = damaged_packages(error.output)
            raise RecordMismatch(error.message, names, error.hint, error.output) from error


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


def assert_sources_unchanged(spec: Venv, selection: Selection) -> None:
    """Check that no local project was edited while it was built.

    Args:
        spec: The declared venv, with the digests of the projects that it names.
        selection: The selection, with the digests of all local projects.

    Raises:
        IntegrityError: A project was edited.

    """
    built = {
        package.project(): package.content for package in selection.packages if package.project()
    }
    for path, digest in (built | spec.local_digests()).items():
        if tree_digest(path) != digest:
            raise IntegrityError(
                f"local project changed during the build: `{path}`",
                hint="run the command again; nothing was published",
            )
