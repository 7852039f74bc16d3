"""Let uv use wheels in place of the projects that other users can change."""

from __future__ import annotations

import os
import zipfile
from email import message_from_bytes
from typing import TYPE_CHECKING
from urllib.parse import quote

import tomli
import tomli_w

from engine.errors import PermissionDenied
from engine.frozen import replace
from engine.system.files import iter_chunks, sha256_of_file
from states.installer.lock_paths import sources_of
from states.installer.recorded_files import restore_origins
from states.installer.user_builds.build import UserBuild, build_wheel
from states.system.users import user_of_project

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from states.installer import InstallRequest, ResolveRequest


class UserProjects:
    """The projects that other users can change, and their wheels. Each is built once.

    Args:
        scratch: A directory that only root can enter.
        run: Runs uv with a command line, for an action.

    """

    def __init__(self, scratch: str, run: Callable[[list[str], str], None]) -> None:
        self._scratch = scratch
        self._run = run
        self.wheels: dict[str, str] = {}
        """The path of the wheel of each project by its directory."""

    def in_request(self, request: ResolveRequest) -> ResolveRequest:
        """Return a request that requires wheels of these projects.

        Raises:
            PermissionDenied: A user can't build a project, or it refers to other projects.
            ConvergeError: A build failed.

        """
        for url, project in request.projects_by_url:
            user = user_of_project(project)
            if user is None:
                continue
            if project not in self.wheels:
                _require_no_sources(project)
                build = UserBuild(
                    project,
                    user,
                    request.python,
                    request.build,
                    request.build_constraints,
                    request.indexes,
                )
                wheel = build_wheel(build, self._scratch)
                _require_no_references(project, wheel)
                self.wheels[project] = wheel
            wheel_url = f"file://{quote(self.wheels[project])}"
            request = replace(
                request,
                requirements=_replaced(request.requirements, url, wheel_url),
                constraints=_replaced(request.constraints, url, wheel_url),
                overrides=_replaced(request.overrides, url, wheel_url),
            )
        return request

    def in_lock(self, lock: str) -> str:
        """Return a lock of wheels as a lock of their projects.

        Raises:
            PermissionDenied: A user can change another project in it.

        """
        self._clear_cache()
        document = tomli.loads(lock)
        projects = {wheel: project for project, wheel in self.wheels.items()}
        for package in document.get("packages", ()):
            sources = {_path_of(source) for source in sources_of({"packages": [package]})}
            for project in (projects[path] for path in sources & projects.keys()):
                for key in ("version", "archive", "wheels"):
                    package.pop(key, None)
                package["directory"] = {"path": project}
            directory = package.get("directory", {}).get("path")
            if directory and directory not in self.wheels and user_of_project(directory):
                raise PermissionDenied(
                    f"unsafe project `{directory}`: another user can change it, and root would "
                    "build it",
                    hint=f"add `{package['name']} @ file://{directory}` to `packages`",
                )
        return tomli_w.dumps(document) if projects else lock

    def to_install(self, request: InstallRequest, installed: Collection[str]) -> str:
        """Return the lock of a request with new wheels of the projects that aren't installed.

        Args:
            request: The request.
            installed: The packages that are installed.

        Returns:
            The lock.

        Raises:
            PermissionDenied: A user can't build a project.
            ConvergeError: A build failed.

        """
        document = tomli.loads(request.lock)
        self.wheels.clear()
        for package in document.get("packages", ()):
            project = package.get("directory", {}).get("path")
            user = (
                user_of_project(project) if project and package["name"] not in installed else None
            )
            if user is None:
                continue
            constraints, indexes = request.build_constraints, request.indexes
            build = UserBuild(project, user, request.python, request.build, constraints, indexes)
            wheel = self.wheels[project] = build_wheel(build, self._scratch)
            digest = sha256_of_file(iter_chunks(wheel, os.stat(wheel).st_size))
            del package["directory"]
            package["archive"] = {"path": wheel, "hashes": {"sha256": digest}}
        return tomli_w.dumps(document) if self.wheels else request.lock

    def finish(self, root: str) -> None:
        """Record the origin of the installed packages, and delete their wheels from the cache."""
        restore_origins(root, self.wheels)
        self._clear_cache()

    def _clear_cache(self) -> None:
        """Delete what uv has unpacked, so that no other venv gets it."""
        names = {os.path.basename(wheel).partition("-")[0] for wheel in self.wheels.values()}
        if names:
            self._run(["cache", "clean", *sorted(names)], "clearing the download cache")


def _replaced(lines: tuple[str, ...], old: str, new: str) -> tuple[str, ...]:
    return tuple(line.replace(old, new) for line in lines)


def _path_of(source: dict[str, str]) -> str:
    return source.get("path") or source.get("url", "").removeprefix("file://")


def _require_no_sources(project: str) -> None:
    """Check that a project doesn't have sources of packages, which its wheel would lack.

    Raises:
        PermissionDenied: It has.

    """
    try:
        with open(f"{project}/pyproject.toml", "rb") as stream:
            sources = tomli.load(stream).get("tool", {}).get("uv", {}).get("sources")
    except (FileNotFoundError, ValueError, AttributeError):
        return  # uv reports it.
    if sources:
        raise PermissionDenied(
            f"unsafe project `{project}`: another user can change it, and its `pyproject.toml` "
            "names sources of packages",
            hint="lock it with `uv lock`, and name the `uv.lock` in `lock`; or run "
            f"`chown -R root {project}`",
        )


def _require_no_references(project: str, wheel: str) -> None:
    """Check that a wheel doesn't require local projects or files, which root would build.

    Raises:
        PermissionDenied: It does.

    """
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(b"".join(map(archive.read, names[:1])))
    for requirement in metadata.get_all("Requires-Dist", ()):
        if "file:" in requirement:
            raise PermissionDenied(
                f"unsafe project `{project}`: another user can change it, and it requires "
                f"`{requirement}`",
                hint=f"declare `{requirement}` in `packages`, and remove it from the project",
            )
