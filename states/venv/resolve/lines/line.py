"""One line of a requirement or constraint file."""

from __future__ import annotations

import re

from packaging.requirements import InvalidRequirement, Requirement

from engine.frozen import frozen
from states.installer.credentials import CREDENTIALS_HINT, credentials_error
from states.venv.resolve.lines.options import (
    SETTINGS_OPTION,
    join_options,
    option_error,
    split_options,
)
from states.venv.resolve.lines.remote import remote_error
from states.venv.resolve.references import (
    is_path,
    is_url,
    local_path,
    make_absolute,
    option_value,
)

_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
"""pip and uv expand these from the environment, which differs between hosts."""
_EGG = re.compile(
    r"(?P<url>[a-z][\w+.-]*://[^\s#]+)#(?:(?P<before>[^\s&]+)&)?"
    r"egg=(?P<name>[A-Za-z0-9][\w.-]*(?:\[[^\]\s]*\])?)(?:&(?P<after>\S+))?(?P<rest>(?:\s.*)?)",
    re.IGNORECASE,
)
"""A URL that names its project, as in `git+https://example.org/web.git#egg=web`."""
_SCP = re.compile(r"(?P<before>\S*ssh://[^\s/:]+):(?!\d+(?:/|$))(?P<path>\S+)")
"""A URL for SSH with the separator of scp(1), which makes the path a port."""
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
    body = name_first(body) or body
    options = tuple((name, option_value(name, value, file)) for name, value in options)
    requirement, problem = None, option_error(body, options, constraint=constraint)
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


def name_first(text: str) -> str:
    """Return a URL with the name of its project in the form `name @ URL`, or an empty string."""
    egg = _EGG.fullmatch(text)
    if not egg:
        return ""
    others = "&".join(part for part in (egg["before"], egg["after"]) if part)
    fragment = f"#{others}" if others else ""
    return f"{egg['name']} @ {egg['url']}{fragment}{egg['rest']}"


def _parse_requirement(text: str) -> Requirement | None:
    if wheel := _WHEEL.fullmatch(text):
        extras, rest = wheel["extras"] or "", wheel["rest"]
        return Requirement(f"{wheel['name']}{extras} @ {wheel['place']}{rest}")
    if is_url(text) or is_path(text):
        return None
    return Requirement(text)


def _editable_hint(line: Line) -> str:
    reference = dict(line.options)["--editable"]
    if not is_url(reference) or local_path(reference):
        return "write `name @ file:///path`: converge installs a copy and notices changes"
    return f"write `{name_first(reference) or f'name @ {reference}'}`"


def line_error(line: Line) -> tuple[str, str] | None:
    """Return what is wrong with a line, and a hint. Return None if nothing is."""
    settings = [value for name, value in line.options if name == SETTINGS_OPTION]
    if message := credentials_error(" ".join([line.text, *settings])):
        return message, CREDENTIALS_HINT
    if line.has_option("--editable"):
        return "editable installs aren't supported", _editable_hint(line)
    if variable := _VARIABLE.search(line.text):
        return (
            f"environment variables aren't expanded: `{variable[0]}`",
            "write the value; a declaration doesn't depend on the environment",
        )
    if scp := _SCP.search(line.text):
        correct = f"{scp['before']}/{scp['path']}"
        return f"invalid port in a URL: `{scp[0]}`", f"write `{correct}`"
    if line.error or not is_url(line.file):
        return line.error
    url = (line.requirement.url if line.requirement else line.text) or ""
    return remote_error(line.file, "" if line.is_only_options() else url, line.options)
