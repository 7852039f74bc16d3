"""Validate a `[venv.*]` table beyond its types, and read all files that it names."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from engine.frozen import replace
from states.installer.credentials import CREDENTIALS_HINT, credentials_error
from states.venv.files.validate import validate_files
from states.venv.resolve import lockfile
from states.venv.resolve.builds.keys import with_build_settings
from states.venv.resolve.input_digest import input_digest
from states.venv.resolve.key_checks import (
    check_keys,
    is_project_file,
    resolve_index,
    resolve_package_indexes,
    resolve_path,
)
from states.venv.resolve.lines.invalid import explain, file_error, similar_file
from states.venv.resolve.lines.line import Line, line_error
from states.venv.resolve.lines.sources import add_file_options, register_signatures
from states.venv.resolve.projects.names import is_pyproject, is_uv_lock
from states.venv.resolve.projects.pyproject import pyproject_offer
from states.venv.resolve.projects.uv_lock import read_uv_lock
from states.venv.resolve.projects.uv_settings import check_uv_settings
from states.venv.resolve.references import is_url, local_path, to_file_url
from states.venv.resolve.requirements import declared_lines, read_lines
from states.venv.resolve.subset import Offer, check_subset, subset_of
from states.venv.spec import pack_origins

if TYPE_CHECKING:
    from engine.table import Inputs
    from states.venv.resolve.projects.uv_lock import UvLock
    from states.venv.resolve.pylock import Lock
    from states.venv.spec import Venv


def validate(spec: Venv, inputs: Inputs, *, locking: bool) -> Venv:
    """Validate a table, make its paths absolute, and hash its inputs.

    Args:
        spec: The table.
        inputs: Reads files, and collects every error.
        locking: Whether the lockfile is about to be created. It may be missing then.

    Returns:
        The normalized spec.

    """
    check_keys(spec, inputs)
    spec = replace(
        spec,
        mode=spec.mode.zfill(4),
        declared=f"{inputs.file} {'.'.join(str(part) for part in inputs.table)}",
        path=resolve_path(spec.path, inputs),
        persistent=tuple(map(os.path.normpath, spec.persistent)),
        requirements=_absolute(spec.requirements, "requirements", inputs),
        constraints=_absolute(spec.constraints, "constraints", inputs),
        build_constraints=_absolute(spec.build_constraints, "build-constraints", inputs),
        find_links=_find_links(spec.find_links, inputs),
        packages=_requirements(spec, "packages", inputs),
        overrides=_requirements(spec, "overrides", inputs),
        lock=inputs.path(spec.lock, ("lock",)) if spec.lock else "",
        netrc=inputs.path(spec.netrc, ("netrc",)) if spec.netrc else "",
        index_url=resolve_index(spec.index_url, ("index-url",), inputs),
        package_index_url=resolve_package_indexes(spec, inputs),
        extra_index_url=tuple(
            resolve_index(url, ("extra-index-url", position), inputs)
            for position, url in enumerate(spec.extra_index_url)
        ),
    )
    if spec.state == "absent":
        return with_build_settings(replace(spec, files={}), (), inputs)
    spec = replace(spec, files=validate_files(spec, inputs))
    return _with_inputs(spec, inputs, locking=locking)


def _with_inputs(spec: Venv, inputs: Inputs, *, locking: bool) -> Venv:
    """Read the files that a spec names.

    Args:
        spec: A spec with absolute paths.
        inputs: Reads files, and collects every error.
        locking: Whether to ignore the lockfile.

    Returns:
        The spec with the digests of the files.

    """
    files = {
        key: _read_files(spec, key, inputs)
        for key in ("requirements", "constraints", "build-constraints")
    }
    lines = [*files["requirements"], *files["constraints"]]
    spec = with_build_settings(spec, lines, inputs)
    build_lines = files["build-constraints"]
    packages, overrides = declared_lines(spec.packages), declared_lines(spec.overrides)
    lock: Lock | UvLock | None = None
    if is_uv_lock(spec.lock):
        lock = None if locking else read_uv_lock(spec, inputs)
    elif spec.lock and not locking and not is_project_file(spec.lock):
        lock = lockfile.read(spec.lock, [*packages, *lines], overrides, inputs)
    if lock is not None or not spec.lock or (locking and not is_uv_lock(spec.lock)):
        check_subset(spec, _offers(spec, lock, inputs), inputs)
    register_signatures((*packages, *overrides, *lines))
    required = {line.local_path() for line in (*packages, *overrides, *lines)}
    tools = {line.local_path() for line in build_lines}
    # A lock may also contain projects for other hosts.
    locked = lock.projects(os.path.dirname(spec.lock)) if lock else set()
    origins = pack_origins(
        {
            path: inputs.digest(
                path,
                # The receipt records the digest of each project that is installed.
                "source-tree" if path in tools else "local-file",
                ("packages",) if path in required | tools else ("lock",),
            )
            for path in sorted(filter(None, required | tools | locked))
        }
    )
    digest = input_digest(spec, lines, build_lines, origins, lock)
    return add_file_options(replace(spec, origins=origins, inputs=digest), files, inputs)


def _offers(spec: Venv, lock: Lock | UvLock | None, inputs: Inputs) -> list[Offer | None]:
    """Return the files that a table selects extras and groups from.

    Args:
        spec: The table.
        lock: Its lock, if it has a valid one.
        inputs: Reads files.

    Returns:
        The files. None for one that is missing or invalid.

    """
    offers: list[Offer | None] = [] if lock is None else [lock.offer(spec)]
    for index, name in enumerate(spec.requirements):
        if is_pyproject(name):
            offers.append(pyproject_offer(name, inputs.read(name, ("requirements", index))))
    return offers


def _absolute(names: tuple[str, ...], key: str, inputs: Inputs) -> tuple[str, ...]:
    """Make paths absolute.

    Args:
        names: Paths and URLs.
        key: Their key in the table.
        inputs: Resolves paths.

    Returns:
        The names. URLs stay as they are, except that a `file:` URL of a requirement file becomes
        a path: its content counts as an input.

    """
    if key != "find-links":
        names = tuple(local_path(name) or name for name in names)
    return tuple(
        name if is_url(name) else inputs.path(name, (key, index))
        for index, name in enumerate(names)
    )


def _find_links(names: tuple[str, ...], inputs: Inputs) -> tuple[str, ...]:
    """Return absolute locations. Each becomes an argument of the installer, visible to all."""
    for index, name in enumerate(names):
        if message := credentials_error(name, query=True):
            inputs.error(("find-links", index), message, CREDENTIALS_HINT)
        if not name.strip():
            hint = 'remove it, or write "." for the directory of this file'
            inputs.error(("find-links", index), f"invalid location `{name}`", hint)
    return _absolute(names, "find-links", inputs)


def _requirements(spec: Venv, key: str, inputs: Inputs) -> tuple[str, ...]:
    """Validate the requirements (PEP 508) of a key.

    Args:
        spec: The table.
        key: `packages` or `overrides`.
        inputs: Resolves paths, and collects errors.

    Returns:
        The valid requirements, with absolute paths.

    """
    valid = []
    for index, text in enumerate(getattr(spec, key)):
        if not text.strip():
            continue  # Generated lists may contain empty items.
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            inputs.error((key, index), *explain(text, error))
            continue
        if file := file_error(text, key):
            inputs.error((key, index), *file)
            continue
        if message := credentials_error(text):
            inputs.error((key, index), message, CREDENTIALS_HINT)
            continue
        if requirement.url and not is_url(requirement.url):
            join = functools.partial(inputs.path, key=(key, index))
            requirement.url = to_file_url(requirement.url, join)
        if spec.state == "present":
            _require(local_path(requirement.url or ""), (key, index), inputs)
        valid.append(str(requirement))
    return tuple(valid)


def _read_files(spec: Venv, key: str, inputs: Inputs) -> list[Line]:
    """Read the requirement files that a key names.

    Args:
        spec: The table, with absolute paths and URLs.
        key: The key in the table.
        inputs: Reads files, and collects errors.

    Returns:
        The valid lines. A URL becomes one line, because only a resolution downloads it.

    """
    lines = []
    for index, name in enumerate(getattr(spec, key.replace("-", "_"))):
        place = (key, index)
        if is_project_file(name) and not (key == "requirements" and is_pyproject(name)):
            continue  # `check_keys` has reported it.

        def report_missing(
            file: str, included_by: Line | None, place: tuple[str, int] = place
        ) -> None:
            context = f", included by {included_by.location()}" if included_by else ""
            inputs.error(place, f"no such file: `{file}`{context}", similar_file(file))

        def read(file: str, place: tuple[str, int] = place) -> str | None:
            return file if is_url(file) else inputs.read(file, place)

        constraint, subset = key != "requirements", subset_of(spec)
        for line in read_lines(name, read, report_missing, constraint=constraint, subset=subset):
            if error := line_error(line):
                message, hint = error
                inputs.error(place, f"{line.location()}: {message}", hint)
                continue
            _require(line.local_path(), place, inputs, prefix=f"{line.location()}: ")
            lines.append(line)
        if is_pyproject(name):
            own = [line for line in lines if line.file == name]
            check_uv_settings(spec, name, own, inputs, place)
    return lines


def _require(
    path: str | None, key: tuple[str | int, ...], inputs: Inputs, prefix: str = ""
) -> None:
    """Report a local project or file that doesn't exist.

    Args:
        path: Its path, or None if a requirement has none.
        key: The place of the requirement in the table.
        inputs: Collects errors.
        prefix: The beginning of the message.

    """
    if path and not os.path.exists(path):
        inputs.error(key, f"{prefix}no such file or project: `{path}`")
