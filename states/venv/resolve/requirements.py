"""Requirement and constraint files, with the files that they include.

Format: https://pip.pypa.io/en/stable/reference/requirements-file-format/. converge parses
included files, names, exact versions, and hashes, because it needs these before the installer
runs. The installer receives the lines as they are, apart from absolute paths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import ConvergeError, Unavailable
from engine.frozen import frozen, replace
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.fetch import fetcher_of
from states.venv.resolve.lines.line import Line, line_error, parse_line
from states.venv.resolve.lines.local import require_trusted_files
from states.venv.resolve.lines.options import INCLUDES
from states.venv.resolve.lines.split import split_lines
from states.venv.resolve.projects.names import is_pyproject
from states.venv.resolve.projects.pyproject import project_lines
from states.venv.resolve.references import is_url, join_reference
from states.venv.resolve.subset import DEFAULT_SUBSET, subset_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from packaging.requirements import Requirement

    from states.venv.resolve.subset import Subset
    from states.venv.spec import Venv

_MAX_DEPTH = 20
"""Maximum number of files that include one another."""


def declared_lines(texts: Iterable[str]) -> list[Line]:
    """Return the requirements of a table as lines."""
    return [parse_line(text, "the declaration", 0, constraint=False) for text in texts]


def read_lines(
    name: str,
    read: Callable[[str], str | None],
    report_missing: Callable[[str, Line | None], None],
    *,
    constraint: bool,
    subset: Subset = DEFAULT_SUBSET,
) -> Iterator[Line]:
    """Yield the lines of a file and of each file that it includes.

    Args:
        name: The path or URL of the file.
        read: Returns the text of a path or URL, or None if it doesn't exist. To postpone the
            download of a URL, it returns the URL itself, which then becomes a line.
        report_missing: Called with a missing file, and with the line that includes it, if any.
        constraint: Whether the lines only bound versions.
        subset: The extras and groups to read from a `pyproject.toml`.

    Yields:
        The lines, in the order in which an installer would read them.

    """
    reader = _Reader(read, report_missing, subset)
    yield from reader.read_lines(_Include(name, constraint))


@frozen
class _Include:
    """A file to read, and how it is included."""

    name: str
    """The path or URL."""
    constraint: bool
    """Whether its lines only bound versions."""
    line: Line | None = None
    """The line that includes it. None for the outermost file."""
    depth: int = 0
    """The number of files that include it."""


class _Reader:
    """Reads each file once, so that the work is proportional to the size of all files."""

    def __init__(
        self,
        read: Callable[[str], str | None],
        report_missing: Callable[[str, Line | None], None],
        subset: Subset,
    ) -> None:
        self.read = read
        self.subset = subset
        self.report_missing = report_missing
        self.visited: set[tuple[str, bool]] = set()

    def read_lines(self, include: _Include) -> Iterator[Line]:
        """Yield the lines of an included file and of each file that it includes."""
        name = include.name
        if (name, include.constraint) in self.visited:
            return  # A second time, its lines add nothing.
        self.visited.add((name, include.constraint))
        content = self.read(name)
        if content is None:
            self.report_missing(name, include.line)
            return
        if is_pyproject(name) and not include.constraint:
            yield from project_lines(name, content, self.subset)
            return
        for number, text in split_lines(content):
            line = parse_line(text, name, number, constraint=include.constraint)
            included = [option for option in line.options if option[0] in INCLUDES]
            if included and include.depth >= _MAX_DEPTH:
                message = f"more than {_MAX_DEPTH} nested files"
                line = replace(line, error=(message, "include files less deeply"))
            if not included or line_error(line):
                yield line
                continue
            ((option, file),) = included
            is_constraint = include.constraint or option == "--constraint"
            nested = _Include(join_reference(name, file), is_constraint, line, include.depth + 1)
            yield from self.read_lines(nested)


def exact_requirements(
    lines: Iterable[Line], environments: Sequence[Mapping[str, str]]
) -> set[str]:
    """Return the normalized names that are required in one exact version or by reference.

    converge drops constraints on them, as OpenStack does: its upper constraints also name the
    services that are installed from source.
    """
    return {
        normalize_name(line.requirement.name)
        for line in lines
        if line.requirement is not None
        and not line.constraint
        and marker_applies(line.requirement, environments)
        and _is_exact(line.requirement)
    }


def _is_exact(requirement: Requirement) -> bool:
    return bool(requirement.url) or any(
        specifier.operator in ("==", "===") and not specifier.version.endswith(".*")
        for specifier in requirement.specifier
    )


def marker_applies(requirement: Requirement, environments: Sequence[Mapping[str, str]]) -> bool:
    """Return whether the marker of a requirement, if any, is true in any environment."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate(environment) for environment in environments)


def required_names(lines: Iterable[Line]) -> set[str]:
    """Return the normalized names of the packages that lines require."""
    return {normalize_name(line.requirement.name) for line in lines if line.requirement is not None}


def drop_packages(lines: Iterable[Line], names: set[str]) -> list[Line]:
    """Return the lines that don't name one of these packages."""
    return [line for line in lines if not required_names([line]) & names]


def read_files(
    read: Callable[[str], str | None],
    names: Iterable[str],
    constraint: bool,
    subset: Subset = DEFAULT_SUBSET,
) -> list[Line]:
    """Read requirement files.

    Args:
        read: As for `read_lines`.
        names: Paths and URLs.
        constraint: Whether the lines only bound versions.
        subset: The extras and groups to read from a `pyproject.toml`.

    Returns:
        The lines.

    Raises:
        ConvergeError: A file disappeared, or a line can't be used.
        Unavailable: A URL can't be fetched, or a line behind it can't be used.

    """
    lines: list[Line] = []
    for name in names:
        lines += read_lines(name, read, _missing, constraint=constraint, subset=subset)
    for line in lines:
        if error := line_error(line):
            message, hint = error
            error_class = Unavailable if is_url(line.file) else ConvergeError
            raise error_class(f"{line.location()}: {message}", hint=hint or "check its content")
    require_trusted_files(lines)
    return lines


def _missing(name: str, _included_by: Line | None) -> None:
    raise ConvergeError(f"the file disappeared during the run: `{name}`")


def local_requirements(spec: Venv) -> list[Line]:
    """Return the requirements of a spec without a lockfile.

    A file behind a URL isn't fetched. Its only line is its URL.

    Raises:
        ConvergeError: A file disappeared, or a line can't be used.

    """
    fetcher = fetcher_of(spec)

    def read(name: str) -> str | None:
        return name if is_url(name) else fetcher.read(name)

    lines = read_files(read, spec.requirements, False, subset_of(spec))
    return [*declared_lines(spec.packages), *(line for line in lines if not line.constraint)]
