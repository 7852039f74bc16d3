"""Build local projects, and distinguish the files that a build writes from edits.

Many builds write into the tree of their project: pbr writes `AUTHORS`, setuptools-scm writes
`_version.py`. Such a file isn't source. An edit during the build is one, and must be installed.
If source files changed during a build, the project is built again. A build writes its output
each time, even if the content stays the same. The ctime of an edited file doesn't change again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import IntegrityError
from states.venv.build.install import install, install_again
from states.venv.build.installed import read_installed
from states.venv.build.projects.packaged_files import find_packaged
from states.venv.build.projects.requirements import requires_only_selected
from states.venv.sources.gitignore import GitIgnore
from states.venv.sources.project import BuiltProject, ProjectFiles
from states.venv.sources.tree import SourceTree, project_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from states.venv.build.installed import Installed
    from states.venv.build.stages import Draft
    from states.venv.integrity.receipt import Package
    from states.venv.sources.tree import Snapshot

_MAX_BUILDS = 3
"""The third build confirms that a file that changed twice is written by the build."""


def install_packages(
    draft: Draft, missing: list[str], baseline: Mapping[str, str]
) -> dict[str, BuiltProject]:
    """Install the packages that couldn't be copied, and build local projects until they settle.

    Args:
        draft: The directory, with the environment and the copied packages in it.
        missing: The names of the packages to install.
        baseline: The digests of the empty environment.

    Returns:
        Each local project, by its directory.

    Raises:
        IntegrityError: The source of a project changed.
        ConvergeError: The installer failed.

    """
    projects = [
        _Project(draft, package)
        for package in draft.context.selection.packages
        if package.project()
    ]
    if missing:
        install(draft, missing)
    built = [project for project in projects if project.package.name in missing]
    if built:
        installed = read_installed(draft.root, baseline)
        for project in built:
            project.observe_first_build(installed)
    for number in range(2, _MAX_BUILDS + 1):
        unsettled = [project for project in built if project.suspects]
        if not unsettled:
            break
        _build_again(draft, unsettled, baseline, is_last=number == _MAX_BUILDS)
    return {project.path: project.result() for project in projects}


def _build_again(
    draft: Draft, projects: list[_Project], baseline: Mapping[str, str], *, is_last: bool
) -> None:
    names = tuple(project.package.name for project in projects)
    progress.step(f"building {', '.join(names)} again, because files in the project changed")
    installed = read_installed(draft.root, baseline)
    for name in names:
        installed.remove(name)
    install_again(draft, names)
    installed = read_installed(draft.root, baseline)
    for project in projects:
        project.observe_another_build(installed, is_last=is_last)


def assert_sources_unchanged(draft: Draft, built: Mapping[str, BuiltProject]) -> None:
    """Check that no local project was edited since it was built.

    Raises:
        IntegrityError: A project was edited.

    """
    for path, project in built.items():
        tree = SourceTree(path, draft.context.spec.source_ignore, project.files)
        if tree.snapshot(GitIgnore(path)).digest != project.content:
            raise _changed(path)


class _Project:
    """One local project during the build of a generation.

    Args:
        draft: The directory of the generation.
        package: The selected package.

    Raises:
        IntegrityError: The source changed after the versions were selected.

    """

    def __init__(self, draft: Draft, package: Package) -> None:
        self.package = package
        self.path = package.project()
        self.suspects: set[str] = set()
        """Source files that changed during each build so far."""
        self._draft = draft
        self._patterns = draft.context.spec.source_ignore
        receipt = draft.context.observation.receipt
        recorded = receipt.project_files(self.path) if receipt else None
        self._files = recorded or ProjectFiles(self.path)
        tree = SourceTree(self.path, self._patterns, self._files)
        content = receipt.project_content(self.path) if receipt else ""
        if project_digest(tree, content) != package.content:
            raise _changed(self.path)
        self._before = self._now = self._snapshot()
        self._started_ns = _clock(draft.context.scratch)

    def observe_first_build(self, installed: Installed) -> None:
        """Find the source files that changed during the first build."""
        name = self.package.name
        candidates = SourceTree(self.path, self._patterns)
        packaged = find_packaged(candidates, installed, name)
        uncertain = {*packaged, *self._files.outputs}
        outputs = tuple(path for path in self._files.outputs if self._was_written(path))
        self._files = ProjectFiles(self.path, outputs, packaged)
        self._now = self._snapshot()
        changed = _changed_files(self._before, self._now)
        # It wasn't source before the build, so only its ctime shows whether it changed.
        unknown = {path for path in changed & uncertain if path not in self._before.files}
        self.suspects = changed - {path for path in unknown if not self._was_written(path)}

    def observe_another_build(self, installed: Installed, *, is_last: bool) -> None:
        """Keep the suspects that the build wrote again. The others were edited, and are installed.

        Raises:
            IntegrityError: Another file changed, or the edited project requires other packages.

        """
        previous, self._now = self._now, self._snapshot()
        if _changed_files(previous, self._now) - self.suspects:
            raise _changed(self.path)
        written = {
            path for path in self.suspects if previous.keys.get(path) != self._now.keys.get(path)
        }
        is_edited = written != self.suspects
        if is_edited and not requires_only_selected(self._draft, installed, self.package.name):
            raise _changed(self.path)
        self.suspects = written
        if is_last or written <= set(self._files.packaged):
            outputs = (*self._files.outputs, *written)
            packaged = tuple(path for path in self._files.packaged if path not in written)
            self._files = ProjectFiles(self.path, tuple(sorted(outputs)), packaged)
            self._now = self._snapshot()
            self.suspects = set()

    def result(self) -> BuiltProject:
        """Return the project with the digest of its source."""
        files = self._files
        files = ProjectFiles(self.path, files.outputs, files.packaged, self._now.ignored)
        return BuiltProject(files, self._now.digest)

    def _snapshot(self) -> Snapshot:
        tree = SourceTree(self.path, self._patterns, self._files)
        return tree.snapshot(GitIgnore(self.path))

    def _was_written(self, path: str) -> bool:
        try:
            return os.lstat(os.path.join(self.path, path)).st_ctime_ns >= self._started_ns
        except FileNotFoundError:
            return False


def _changed_files(before: Snapshot, after: Snapshot) -> set[str]:
    """Return the files that were created, changed, or deleted between two snapshots."""
    paths = {*before.files, *after.files}
    return {path for path in paths if before.files.get(path) != after.files.get(path)}


def _clock(directory: str) -> int:
    """Return the current time in ns as the file system counts it."""
    path = os.path.join(directory, "clock")
    with open(path, "wb"):
        pass
    return os.stat(path).st_ctime_ns


def _changed(path: str) -> IntegrityError:
    return IntegrityError(
        f"local project changed during the build: `{path}`",
        hint="run the command again; nothing was published",
    )
