"""Requirement and constraint files, with the files that they include.

Format: https://pip.pypa.io/en/stable/reference/requirements-file-format/. converge parses
included files, names, exact versions, and hashes, because it needs these before the installer
runs. The installer receives the lines as they are, apart from absolute paths.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from engine.frozen import frozen
from states.installer.credentials import CREDENTIALS_HINT, credentials_error
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.line_options import (
    INCLUDES,
    join_options,
    option_error,
    split_options,
)
from states.venv.resolve.references import (
    is_path,
    is_url,
    join_reference,
    local_path,
    make_absolute,
    option_value,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
"""pip and uv expand these from the environment, which differs between hosts."""
_WHEEL = re.compile(
    r"(?P<place>(?:[^\s;\[]*/)?(?P<name>\w[\w.]*)-[^\s;\[/]+\.whl(?:#[^\s;\[]*)?)"
    r"(?P<extras>\[[^\]]*\])?(?P<rest>(?:\s.*)?)"
)
"""A distribution file whose name contains the name of the project."""


@frozen
class Line:
    """One logical line of a requirement or constraint file. Use `parse_line` to create one."""

    text: str
    """The line with absolute paths, and with options in their long form."""
    file: str
    """The path or URL of the file."""
    number: int
    """Number of its first physical line, from 1."""
    constraint: bool
    requirement: Requirement | None
    """None for options, for a reference without a name, and for an invalid requirement."""
    options: tuple[tuple[str, str], ...] = ()
    """The options and their values, as returned by `split_options`."""
    error: tuple[str, str] | None = None
    """The problem of an invalid line, and a hint."""

    def has_option(self, name: str) -> bool:
        """Return whether an option, by its long form, is in the line."""
        return any(option == name for option, _ in self.options)

    def is_only_options(self) -> bool:
        """Return whether the line names neither a package nor an unread file."""
        return bool(self.options) and self.text.startswith("-")

    def local_path(self) -> str | None:
        """Return the absolute path of the local project or file that the line requires."""
        if self.text == self.file:
            return None  # A requirement file behind a URL, not read yet.
        if self.requirement is None:
            return local_path(re.split(r"[\s\[]", self.text)[0])
        return local_path(self.requirement.url or "")

    def location(self) -> str:
        """Return the file and the line number for messages."""
        return f"`{self.file}`" if self.text == self.file else f"`{self.file}` line {self.number}"


def parse_line(text: str, file: str, number: int, *, constraint: bool) -> Line:
    """Parse one logical line. An error is recorded in it.

    Args:
        text: The line without comments and continuations.
        file: The path or URL of the file. Relative paths in the line are relative to it.
        number: Number of its first physical line.
        constraint: Whether the line only bounds versions.

    Returns:
        The line.

    """
    if text == file:
        return Line(text, file, number, constraint, None)
    try:
        body, options = split_options(text)
    except ValueError as error:
        hint = "write each option on its own line, as `pip` documents it"
        return Line(text, file, number, constraint, None, error=(str(error), hint))
    body = make_absolute(body, file)
    options = tuple((name, option_value(name, value, file)) for name, value in options)
    requirement, problem = None, option_error(body, options)
    try:
        requirement = _parse_requirement(body) if body else None
    except InvalidRequirement as error:
        shown = text if len(text) < 60 else f"{text[:57]}…"
        message = f"invalid requirement `{shown}`: {describe_syntax_error(error)}"
        problem = problem or (message, "")
    absolute = join_options(body, options)
    return Line(absolute, file, number, constraint, requirement, options, problem)


def describe_syntax_error(error: InvalidRequirement) -> str:
    """Return the reason in an error, without its copy of the requirement, to follow a colon."""
    reason = str(error).splitlines()[0]
    return reason[:1].lower() + reason[1:]


def _parse_requirement(text: str) -> Requirement | None:
    if wheel := _WHEEL.fullmatch(text):
        extras, rest = wheel["extras"] or "", wheel["rest"]
        return Requirement(f"{wheel['name']}{extras} @ {wheel['place']}{rest}")
    if is_url(text) or is_path(text):
        return None
    return Requirement(text)


def declared_lines(texts: Iterable[str]) -> list[Line]:
    """Return the requirements of a table as lines."""
    return [parse_line(text, "the declaration", 0, constraint=False) for text in texts]


def line_error(line: Line) -> tuple[str, str] | None:
    """Return what is wrong with a line, and a hint. Return None if nothing is."""
    if message := credentials_error(line.text):
        return message, CREDENTIALS_HINT
    if line.has_option("--editable"):
        return (
            "editable installs aren't supported",
            "write `name @ file:///path`: converge installs a copy and notices changes",
        )
    if variable := _VARIABLE.search(line.text):
        return (
            f"environment variables aren't expanded: `{variable[0]}`",
            "write the value; a declaration doesn't depend on the environment",
        )
    return line.error


def read_lines(
    name: str,
    read: Callable[[str], str | None],
    report_missing: Callable[[str, Line | None], None],
    *,
    constraint: bool,
) -> Iterator[Line]:
    """Yield the lines of a file and of each file that it includes.

    Args:
        name: The path or URL of the file.
        read: Returns the text of a path or URL, or None if it doesn't exist. To postpone the
            download of a URL, it returns the URL itself, which then becomes a line.
        report_missing: Called with a missing file, and with the line that includes it, if any.
        constraint: Whether the lines only bound versions.

    Yields:
        The lines, in the order in which an installer would read them.

    """
    include = _Include(name, constraint=constraint)
    yield from _read(include, read, report_missing)


@frozen
class _Include:
    """A file to read, and how it is included."""

    name: str
    """The path or URL."""
    constraint: bool
    """Whether its lines only bound versions."""
    line: Line | None = None
    """The line that includes it. None for the outermost file."""
    ancestors: frozenset[str] = frozenset()
    """The files that include it, directly or indirectly."""


def _read(
    include: _Include,
    read: Callable[[str], str | None],
    report_missing: Callable[[str, Line | None], None],
) -> Iterator[Line]:
    """Yield the lines of an included file and of each file that it includes.

    Args:
        include: The file.
        read: See `read_lines`.
        report_missing: See `read_lines`.

    Yields:
        The lines, in order.

    """
    name = include.name
    if name in include.ancestors:
        return  # A file that includes itself adds nothing.
    content = read(name)
    if content is None:
        report_missing(name, include.line)
        return
    for number, text in _logical_lines(content):
        line = parse_line(text, name, number, constraint=include.constraint)
        included = [option for option in line.options if option[0] in INCLUDES]
        if not included or line_error(line):
            yield line
            continue
        ((option, file),) = included
        nested = _Include(
            join_reference(name, file),
            include.constraint or option == "--constraint",
            line,
            include.ancestors | {name},
        )
        yield from _read(nested, read, report_missing)


def _logical_lines(content: str) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines, with continuations joined, without comments and blanks.

    As pip does: comments are removed after lines are joined, and a comment line ends the
    continuation of the line before it.
    """
    start, parts = 0, []
    for number, row in enumerate([*content.splitlines(), ""], 1):
        is_comment = _COMMENT.match(row)
        if row.endswith("\\") and not is_comment:
            start = start or number
            parts.append(row.strip("\\"))
            continue
        joined = "".join([*parts, f" {row}" if is_comment else row])
        if text := _COMMENT.sub("", joined).strip():
            yield start or number, text
        start, parts = 0, []


def exact_requirements(lines: Iterable[Line], environment: Mapping[str, str]) -> set[str]:
    """Return the normalized names that are required in one exact version or by reference.

    converge drops constraints on them, as OpenStack does: its upper constraints also name the
    services that are installed from source.
    """
    return {
        normalize_name(line.requirement.name)
        for line in lines
        if line.requirement is not None
        and not line.constraint
        and marker_applies(line.requirement, environment)
        and _is_exact(line.requirement)
    }


def _is_exact(requirement: Requirement) -> bool:
    return bool(requirement.url) or any(
        specifier.operator in ("==", "===") and not specifier.version.endswith(".*")
        for specifier in requirement.specifier
    )


def marker_applies(requirement: Requirement, environment: Mapping[str, str]) -> bool:
    """Return whether the marker of a requirement, if any, is true in an environment."""
    return requirement.marker is None or requirement.marker.evaluate(environment)


def required_names(lines: Iterable[Line]) -> set[str]:
    """Return the normalized names of the packages that lines require."""
    return {normalize_name(line.requirement.name) for line in lines if line.requirement is not None}


def drop_packages(lines: Iterable[Line], names: set[str]) -> list[Line]:
    """Return the lines that don't name one of these packages."""
    return [line for line in lines if not required_names([line]) & names]
