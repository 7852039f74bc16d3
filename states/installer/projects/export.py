"""Export a `uv.lock`. uv works on a copy, so that it can't write to the project."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import tomli
import tomli_w

from states.installer.lock_paths import sources_of

if TYPE_CHECKING:
    from states.installer import ExportRequest
    from states.installer.uv import Uv


def export_lock(uv: Uv, request: ExportRequest) -> str:
    """Return the PEP 751 lock of a project's own lockfile, without resolving or building.

    Writes to the cache and the scratch directory only.

    Args:
        uv: The installer.
        request: The request.

    Returns:
        The lock. Paths in it are absolute.

    Raises:
        ConvergeError: The lockfile is invalid, or doesn't contain the extras or groups.

    """
    root = f"{uv.scratch}/project"
    directory = _copy_project(request, root)
    output = f"{uv.scratch}/pylock.toml"
    uv.run(_export_arguments(request, directory, output), "reading `uv.lock`", request.indexes)
    return _with_original_paths(Path(output).read_text("utf-8"), uv.scratch, root)


def _copy_project(request: ExportRequest, root: str) -> str:
    """Copy the files of a project to the same paths below a directory.

    Args:
        request: The request.
        root: An empty directory. It contains the targets of relative paths in the lock.

    Returns:
        The directory of the copy.

    """
    paths = {*(path for path, _ in request.files), *request.local_files}
    for path, text in request.files:
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        Path(root + path).write_text(text, "utf-8")
    for path in request.local_files:
        # Through a link that is the parent of another entry, that entry would be created outside.
        if any(other.startswith(f"{path}/") for other in paths):
            continue
        # UV-QUIRK(0.13): uv reads a file in a local directory of wheels to compute its hash.
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        with suppress(FileExistsError):
            os.symlink(path, root + path)
    return root + request.directory


def _export_arguments(request: ExportRequest, directory: str, output: str) -> list[str]:
    """Return the command line that exports a lock without resolving or building anything.

    Args:
        request: The request.
        directory: The directory of the copy.
        output: The file to write.

    Returns:
        The arguments of uv.

    """
    arguments = ["export", "--frozen", "--quiet", "--no-header", "--no-default-groups"]
    arguments += ["--format", "pylock.toml", "--project", directory, "--output-file", output]
    if request.member:
        arguments += ["--package", request.member]
    if not request.has_project:
        arguments.append("--no-emit-project" if request.has_root else "--no-emit-workspace")
    arguments += [f"--extra={name}" for name in request.extras]
    return arguments + [f"--group={name}" for name in request.groups]


def _with_original_paths(lock: str, directory: str, root: str) -> str:
    """Return a lock whose paths are absolute, and those of the original files.

    Args:
        lock: The lock that was exported from a copy.
        directory: The directory of the copy.
        root: The directory that `_copy_project` got.

    Returns:
        The lock.

    """
    document = tomli.loads(lock)
    for source in sources_of(document):
        if "commit-id" in source:
            continue
        url = str(source.get("url", ""))
        if url.startswith("file://"):
            source["path"] = unquote(urlsplit(source.pop("url")).path)
        if "path" in source:
            path = os.path.normpath(os.path.join(directory, source["path"]))
            source["path"] = path.removeprefix(root) if path.startswith(f"{root}/") else path
    return tomli_w.dumps(document)
