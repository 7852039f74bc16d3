"""Provide the build requirements of packages as wheels, so that a build needs no network."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from engine import progress
from engine.errors import ConvergeError
from states.installer import ResolveRequest
from states.installer.uv import Uv
from states.venv.resolve.lines.sources import index_options
from states.venv.resolve.pylock import parse_lock, select_artifacts
from states.venv.resolve.resolver import build_constraints
from states.wheelhouse.select.artifacts import artifacts_of
from states.wheelhouse.select.selection import Selected, VenvPython
from states.wheelhouse.sources.download import download_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from states.interpreter.discovery import Python
    from states.venv.spec import Venv

_WHEELS_ONLY = (("--only-binary", ":all:"),)


class Tools:
    """The wheels of build requirements. Each is downloaded once per run.

    They are resolved by the current user, with the indexes and the `build-constraints` of a venv.
    So a build gets no credentials.

    Args:
        cache: The cache directory.
        scratch: A directory for temporary files, which only the current user can enter.

    """

    def __init__(self, cache: str, scratch: str) -> None:
        self._cache = cache
        self._scratch = scratch
        self._files: dict[str, str] = {}
        """The path of each downloaded wheel by its hash."""

    def provide(
        self, requirements: Sequence[str], venv: Venv, python: Python, directory: str
    ) -> None:
        """Copy wheels that satisfy requirements into a directory.

        Args:
            requirements: The requirements (PEP 508), as the build printed them.
            venv: The venv whose package is built.
            python: The interpreter of the build.
            directory: The directory.

        Raises:
            ConvergeError: A requirement is invalid, names a URL, or has no wheel. Or the
                requirements contradict each other.
            Unavailable: An index can't be reached.

        """
        _require_names(requirements)
        progress.step(f"fetching build requirements: {', '.join(requirements)}")
        work = tempfile.mkdtemp(prefix="tools-", dir=self._scratch)
        request = ResolveRequest(
            python=python.executable,
            requirements=tuple(requirements),
            constraints=build_constraints(venv),
            overrides=(),
            build_constraints=(),
            previous=None,
            upgrade=frozenset(),
            projects=frozenset(),
            allow_prereleases=False,
            indexes=index_options(venv),
            binary_options=_WHEELS_ONLY,
        )
        lock = parse_lock(Uv(self._cache, work).resolve(request))
        resolution = select_artifacts(lock, python, "/", str)
        target = VenvPython("", "", "", python)
        artifacts = list(artifacts_of(Selected(target, resolution.lock), venv))
        if built := [artifact.project for artifact in artifacts if artifact.build]:
            raise ConvergeError(
                f"the build requirement {built[0]} has no wheel",
                hint=f"provide a wheel of {built[0]} through `find-links`",
            )
        missing = [
            (artifact, request.indexes)
            for artifact in artifacts
            if artifact.sha256 not in self._files
        ]
        for artifact, path in download_all(missing, work):
            self._files[artifact.sha256] = path
        for artifact in artifacts:
            target_path = f"{directory}/{artifact.file}"
            shutil.copyfile(self._files[artifact.sha256], target_path)
            os.chmod(target_path, 0o644)


def _require_names(requirements: Sequence[str]) -> None:
    """Check that each requirement names a package, and nothing else.

    A build controls its output. uv would take `--no-binary NAME` as an option, and build that
    package outside of the sandbox.

    Raises:
        ConvergeError: A requirement is invalid, or names a URL.

    """
    for text in requirements:
        try:
            is_name = text.isprintable() and Requirement(text).url is None
        except InvalidRequirement:
            is_name = False
        if not is_name:
            raise ConvergeError(
                f"`{text}` isn't a build requirement that a wheelhouse can provide",
                hint='require the package by its name, as in "setuptools>=80"',
            )
