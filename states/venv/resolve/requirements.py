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
from states.venv.resolve.references import (
    is_path,
    is_url,
    join_reference,
    local_path,
    make_absolute,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_COMMENT = re.compile(r"(^|\s)#.*$")
_INCLUDE = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s+|=)?(?P<name>\S.*)")
_HASHES = re.compile(r"\s--hash\b.*")
_OPTION = re.compile(r"(?:^|(?<=\s))-[^\s=]+")
_LINE_OPTIONS = ("--index-url", "-i", "--extra-index-url", "--no-index", "--find-links", "-f",
                 "--no-binary", "--only-binary", "--pre", "--require-hashes",
                 "--prefer-binary", "--trusted-host", "--use-feature")  # fmt: skip
"""Options that a line may consist of. The last three have no effect."""
_REQUIREMENT_OPTIONS = ("--hash",)
"""Options that may follow a requirement."""
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
"""pip and uv expand these from the environment, which differs between hosts."""
_EDITABLE = re.compile(r"(?:-e|--editable)\b")
_WHEEL = re.compile(
    r"(?P<place>(?:[^\s;\[]*/)?(?P<name>\w[\w.]*)-[^\s;\[/]+\.whl(?:#[^\s;\[]*)?)"
    r"(?P<extras>\[[^\]]*\])?(?P<rest>(?:\s.*)?)"
)
"""A distribution file whose name contains the name of the project."""


@frozen
class Line:
    """One logical line of a requirement or constraint file. Use `parse_line` to create one."""

    text: str
    file: str
    """The path or URL of the file."""
    number: int
    """Number of its first physical line, from 1."""
    constraint: bool
    requirement: Requirement | None
    """None for an option, for a reference without a name, and for an invalid requirement."""
    syntax_error: str
    """The error in an invalid requirement, otherwise empty."""

    def options(self) -> list[str]:
        """Return the options in the line, without their values."""
        return _OPTION.findall(self.text)

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
    """Parse one logical line. An invalid requirement is recorded in it.

    Args:
        text: The line without comments and continuations.
        file: The path or URL of the file.
        number: Number of its first physical line.
        constraint: Whether the line only bounds versions.

    Returns:
        The line.

    """
    requirement, syntax_error = None, ""
    try:
        requirement = _parse_requirement(_HASHES.sub("", text))
    except InvalidRequirement as error:
        syntax_error = describe_syntax_error(error)
    return Line(text, file, number, constraint, requirement, syntax_error)


def describe_syntax_error(error: InvalidRequirement) -> str:
    """Return the reason in an error, without its copy of the requirement, to follow a colon."""
    reason = str(error).splitlines()[0]
    return reason[:1].lower() + reason[1:]


def _parse_requirement(text: str) -> Requirement | None:
    if wheel := _WHEEL.fullmatch(text):
        extras, rest = wheel["extras"] or "", wheel["rest"]
        return Requirement(f"{wheel['name']}{extras} @ {wheel['place']}{rest}")
    if text.startswith("-") or is_url(text) or is_path(text):
        return None
    return Requirement(text)


def declared_lines(texts: Iterable[str]) -> list[Line]:
    """Return the requirements of a table as lines."""
    return [parse_line(text, "the declaration", 0, constraint=False) for text in texts]


def line_error(line: Line) -> tuple[str, str] | None:
    """Return what is wrong with a line, and a hint. Return None if nothing is."""
    if message := credentials_error(line.text):
        return message, CREDENTIALS_HINT
    if _EDITABLE.match(line.text):
        return (
            "editable installs aren't supported",
            "write `name @ file:///path`: converge installs a copy and notices changes",
        )
    if variable := _VARIABLE.search(line.text):
        return (
            f"environment variables aren't expanded: `{variable[0]}`",
            "write the value; a declaration doesn't depend on the environment",
        )
    supported = _LINE_OPTIONS if line.text.startswith("-") else _REQUIREMENT_OPTIONS
    if unsupported := [option for option in line.options() if option not in supported]:
        names = ", ".join(f"`{option}`" for option in supported)
        return f"unsupported option `{unsupported[0]}`", f"remove it; supported here: {names}"
    if line.syntax_error:
        shown = line.text if len(line.text) < 60 else f"{line.text[:57]}…"
        return f"invalid requirement `{shown}`: {line.syntax_error}", ""
    return None


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
        option = _INCLUDE.fullmatch(text)
        absolute = text if option or text == name else make_absolute(text, name)
        line = parse_line(absolute, name, number, constraint=include.constraint)
        if option is None:
            yield line
            continue
        included = _Include(
            join_reference(name, option["name"].strip()),
            include.constraint or text.startswith(("-c", "--constraint")),
            line,
            include.ancestors | {name},
        )
        yield from _read(included, read, report_missing)


def _logical_lines(content: str) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines, with continuations joined, without comments and blanks."""
    start, parts = 0, []
    for number, row in enumerate(content.splitlines(), 1):
        start = start or number
        if row.endswith("\\"):
            parts.append(_COMMENT.sub("", row[:-1]))
            continue
        parts.append(_COMMENT.sub("", row))
        if text := "".join(parts).strip():
            yield start, text
        start, parts = 0, []
    if text := "".join(parts).strip():
        yield start, text


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
