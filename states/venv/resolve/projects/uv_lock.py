"""The lockfile of a uv project, `uv.lock`.

converge reads it to validate a declaration. When it selects versions, uv exports the lockfile
without building or resolving anything.
"""

from __future__ import annotations

import difflib
import os
import shlex
from typing import TYPE_CHECKING

import tomli

from engine import progress
from engine.errors import ConvergeError, IntegrityError
from engine.frozen import frozen
from engine.system.files import sha256
from states.installer import ExportRequest
from states.installer.projects.export import export_lock
from states.installer.uv import Uv
from states.system.scratch import scratch_dir
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.lines.sources import index_options
from states.venv.resolve.projects.names import PYPROJECT, is_pyproject
from states.venv.resolve.projects.pyproject import table
from states.venv.resolve.projects.stale import find_change, find_changed_settings
from states.venv.resolve.pylock import Resolution, parse_lock, select_artifacts
from states.venv.resolve.subset import Offer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from engine.settings import Settings
    from engine.table import Inputs
    from states.interpreter.discovery import Python
    from states.venv.spec import Venv

_ROOT_GROUPS = ("manifest", "dependency-groups")
_MEMBER_SOURCES = ("editable", "virtual", "directory")


@frozen
class UvLock:
    """A `uv.lock`, parsed. Paths in it are relative to its directory."""

    path: str
    text: str
    document: dict[str, Any]

    @property
    def directory(self) -> str:
        """The directory of the project."""
        return os.path.dirname(self.path)

    @property
    def digest(self) -> str:
        """The SHA-256 of the text."""
        return sha256(self.text.encode())

    @property
    def packages(self) -> list[dict[str, Any]]:
        """The entries of the packages."""
        return [entry for entry in self.document.get("package", []) if isinstance(entry, dict)]

    def members(self) -> dict[str, str]:
        """Return the directory of each project in the workspace by its name, relative to it."""
        names = set(table(self.document, "manifest").get("members", ()))
        directories = {
            str(package.get("name")): str(path)
            for package in self.packages
            for path in _source_paths(package, _MEMBER_SOURCES)
        }
        return {
            name: directory
            for name, directory in directories.items()
            if name in names or directory == "."
        }

    def selected(self, member: str) -> list[dict[str, Any]]:
        """Return the entries of the projects to install: a member, the root, or all members."""
        members = self.members()
        root = [name for name, directory in members.items() if directory == "."]
        names = [member] if member else root or list(members)
        return [package for package in self.packages if package.get("name") in names]

    def projects(self, base: str) -> set[str]:
        """Return the local projects, and the local files without a hash."""
        directories = {
            path for package in self.packages for path in _source_paths(package, _MEMBER_SOURCES)
        }
        paths = {os.path.normpath(os.path.join(base, path)) for path in directories}
        return paths | set(self.local_files())

    def local_files(self) -> Iterator[str]:
        """Yield the files in local directories of wheels. uv may have to compute their hashes."""
        for package in self.packages:
            for registry in _source_paths(package, ("registry",)):
                files = [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]
                for file in filter(lambda file: "path" in file and "hash" not in file, files):
                    path = os.path.join(self.directory, registry, file["path"])
                    yield os.path.normpath(path)

    def offer(self, spec: Venv) -> Offer:
        """Return the extras and groups of the projects that a table installs."""
        extras: set[str] = set()
        # Those of a root that isn't a project itself.
        groups = set() if spec.workspace_member else set(table(self.document, *_ROOT_GROUPS))
        for package in self.selected(normalize_name(spec.workspace_member)):
            extras.update(table(package, "metadata").get("provides-extras", ()))
            extras.update(table(package, "optional-dependencies"))
            groups.update(table(package, "metadata", "requires-dev"))
            groups.update(table(package, "dev-dependencies"))
        return Offer(self.path, tuple(sorted(extras)), tuple(sorted(groups)))


def _source_paths(package: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    source = table(package, "source")
    yield from (source[key] for key in keys if key in source and "://" not in str(source[key]))


def read_uv_lock(spec: Venv, inputs: Inputs) -> UvLock | None:
    """Return the `uv.lock` of a table, if it is valid and fits its project.

    Args:
        spec: The table.
        inputs: Reads files, and collects errors.

    """
    key = ("lock",)
    update = f"run `{_update_command(spec)}`"
    text = inputs.read(spec.lock, key)
    if text is None:
        inputs.error(key, f"no such file: `{spec.lock}`", f"{update}, or remove `lock`")
        return None
    try:
        lock = UvLock(spec.lock, text, tomli.loads(text))
        problem = _problem(lock, inputs)
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError) as error:
        is_syntax = isinstance(error, tomli.TOMLDecodeError)
        reason = f": {error}" if is_syntax else ""
        inputs.error(key, f"invalid lockfile of uv: `{spec.lock}`{reason}", update)
        return None
    if problem:
        inputs.error(key, f"`{spec.lock}` is out of date: {problem}", update)
        return None
    return lock if _check_keys(spec, lock, inputs) else None


def _problem(lock: UvLock, inputs: Inputs) -> str:
    """Return what a project declares differently than its lock, or an empty string."""
    root = inputs.read(os.path.join(lock.directory, PYPROJECT), ("lock",))
    if root is None:
        return f"no `{PYPROJECT}` beside it"
    members = lock.members()
    for package in lock.packages:
        name = str(package.get("name"))
        if name not in members:
            continue
        file = os.path.normpath(os.path.join(lock.directory, members[name], PYPROJECT))
        text = inputs.read(file, ("lock",))
        if text is None:
            return f"it lists `{name}`, but `{file}` doesn't exist"
        if change := find_change(package, text, root):
            return f"`{file}` {change}"
    # uv ignores these settings in `pyproject.toml` if it finds them in `uv.toml`.
    if inputs.read(os.path.join(lock.directory, "uv.toml"), ("lock",)) is None:
        change = find_changed_settings(table(lock.document, "manifest"), root)
        return f"`{lock.directory}/{PYPROJECT}` {change}" if change else ""
    return ""


def _check_keys(spec: Venv, lock: UvLock, inputs: Inputs) -> bool:
    """Report keys that don't fit a `uv.lock`.

    Args:
        spec: The table.
        lock: Its lock.
        inputs: Collects errors.

    Returns:
        Whether there are none.

    """
    is_valid = True
    for key in ("packages", "requirements"):
        if getattr(spec, key):
            hint = "add them to the project with `uv add`, for example to a dependency group"
            if key == "requirements" and all(map(is_pyproject, spec.requirements)):
                hint = "remove it; the lockfile contains the requirements of its project"
            inputs.error((key,), f"`{key}` can't be combined with a `uv.lock`", hint)
            is_valid = False
    member, members = spec.workspace_member, lock.members()
    if member and normalize_name(member) not in members:
        similar = difflib.get_close_matches(normalize_name(member), members, n=1, cutoff=0.6)
        names = ", ".join(f"`{name}`" for name in sorted(members)) or "nothing"
        hint = f"did you mean `{similar[0]}`?" if similar else f"it contains {names}"
        inputs.error(("workspace-member",), f"no member `{member}` in `{spec.lock}`", hint)
        is_valid = False
    return is_valid


def export_uv_lock(
    spec: Venv, python: Python, settings: Settings, digest: Callable[[str], str]
) -> Resolution:
    """Select the files that a `uv.lock` names. Nothing is built, and no index is queried.

    Args:
        spec: The spec.
        python: The interpreter.
        settings: The cache directory.
        digest: Returns the digest of a local project.

    Returns:
        The selected files.

    Raises:
        ConvergeError: The lock can't be exported, or doesn't support the interpreter.
        IntegrityError: A selected file has no SHA-256 hash.
        OSError: A file of the project can't be read.

    """
    progress.step(f"reading `{spec.lock}`")
    update = _update_command(spec)
    with scratch_dir(settings.cache) as scratch:
        try:
            exported = export_lock(Uv(settings.cache, scratch), _request(spec))
        except ConvergeError as error:
            error.hint = error.hint or f"run `{update}`, with the version of uv that converge uses"
            raise
    try:
        return select_artifacts(parse_lock(exported), python, "/", digest)
    except IntegrityError as error:
        error.hint = f"use an index that provides one, then run `{update}`"
        raise
    except ConvergeError as error:
        message = error.message.replace("the lockfile", f"`{spec.lock}`")
        hint = f"change `python`, or the project and then run `{update}`"
        raise ConvergeError(message, hint=hint) from None


def _update_command(spec: Venv) -> str:
    return f"uv lock --project {shlex.quote(os.path.dirname(spec.lock))}"


def _request(spec: Venv) -> ExportRequest:
    text = _read(spec.lock)
    try:
        lock = UvLock(spec.lock, text, tomli.loads(text))
    except tomli.TOMLDecodeError:  # It was valid when the declaration was read.
        message = f"`{spec.lock}` changed during the run"
        raise ConvergeError(message, hint="run the command again") from None
    paths = {".", *lock.members().values()}
    # Normalized, so that no copy is outside the scratch directory.
    files = {os.path.normpath(os.path.join(lock.directory, path, PYPROJECT)) for path in paths}
    return ExportRequest(
        directory=lock.directory,
        files=((spec.lock, text), *((name, _read(name)) for name in sorted(files))),
        local_files=tuple(lock.local_files()),
        extras=spec.extras,
        groups=spec.groups,
        member=spec.workspace_member,
        has_root=bool(spec.workspace_member) or "." in lock.members().values(),
        has_project=not spec.no_install_project,
        indexes=index_options(spec),
    )


def _read(path: str) -> str:
    with open(path, encoding="utf-8-sig") as stream:
        return stream.read()
