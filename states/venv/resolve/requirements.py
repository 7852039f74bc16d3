"""Requirement and constraint files: what they name, nested as pip nests them.

Format: https://pip.pypa.io/en/stable/reference/requirements-file-format/. Only as much
is read here as must be known before an installer runs: nested files, names, and which
lines pin exactly. The lines themselves are passed on as they stand.
"""

from __future__ import annotations

import functools
import os
import re

from engine.frozen import frozen
from states.installer.credentials import ELSEWHERE, credentials_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from packaging.requirements import Requirement

_COMMENT = re.compile(r"(^|\s)#.*$")
_NESTED = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s+|=)?(?P<name>\S.*)")
_HASHES = re.compile(r"\s--hash\b.*")
_OPTION = re.compile(r"(?:^|(?<=\s))-[^\s=]+")
_ALONE = ("--index-url", "-i", "--extra-index-url", "--no-index", "--find-links", "-f",
          "--no-binary", "--only-binary", "--pre", "--require-hashes",
          "--prefer-binary", "--trusted-host", "--use-feature")  # fmt: skip
"""Options that a line may consist of; the last three are passed over."""
_AFTER = ("--hash",)
"""Options that may follow a requirement."""
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
"""As pip and uv fill them in from the environment, which differs from host to host."""
_EDITABLE = re.compile(r"(?:-e|--editable)\b")
_LINKS = re.compile(r"(?P<before>(?:-f|--find-links)(?:\s+|=))(?P<place>\S.*)(?P<after>)")
_DIRECT = re.compile(
    r"(?P<before>[a-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*@\s*)(?P<place>[^\s;]+)(?P<after>.*)",
    re.IGNORECASE,
)
_WHEEL = re.compile(
    r"(?P<place>(?:[^\s;\[]*/)?(?P<name>\w[\w.]*)-[^\s;\[/]+\.whl(?:#[^\s;\[]*)?)"
    r"(?P<extras>\[[^\]]*\])?(?P<rest>(?:\s.*)?)"
)
"""A file whose name begins with that of the project."""
_PATH = re.compile(
    r"(?P<before>)(?P<place>[./][^\s;\[]*|[^\s;@=<>\[]+\.(?:whl|tar\.gz|zip))(?P<after>.*)"
)


@frozen
class Line:
    """One logical line of a requirement or constraint file."""

    text: str
    file: str
    """The file or URL that it stands in."""
    number: int
    """Of its first physical line, from 1."""
    constraint: bool

    def requirement(self) -> Requirement | None:
        """Parse it; `None` for an option, and where only a place is named, but for a wheel's.

        Raises `InvalidRequirement`.
        """
        from packaging.requirements import Requirement

        text = _HASHES.sub("", self.text)
        if wheel := _WHEEL.fullmatch(text):
            return Requirement(
                f"{wheel['name']}{wheel['extras'] or ''} @ {wheel['place']}{wheel['rest']}"
            )
        if text.startswith("-") or is_url(text) or _PATH.fullmatch(text):
            return None
        return Requirement(text)

    def options(self) -> list[str]:
        """Return the options that stand in it, without their values."""
        return _OPTION.findall(self.text)

    def local(self) -> str | None:
        """Return the path of the project or file that it asks for, if that is on this host."""
        if self.text == self.file:
            return None  # a file of requirements
        requirement = self.requirement()
        if requirement is None:
            return local_path(re.split(r"[\s\[]", self.text)[0])
        return local_path(requirement.url or "")

    def place(self) -> str:
        """Return where it stands, for people; what is behind a URL has not been read yet."""
        return f"`{self.file}`" if self.text == self.file else f"`{self.file}` line {self.number}"


def is_url(text: str) -> bool:
    """Tell whether a text names something by URL."""
    return bool(_URL.match(text))


def local_path(url: str) -> str | None:
    """Return the path that a `file://` URL names; `None` for any other."""
    from urllib.parse import unquote

    if not url.startswith("file://"):
        return None
    path = url.removeprefix("file://").removeprefix("localhost")
    return os.path.normpath(unquote(path.partition("#")[0]))


def strip_file_scheme(place: str) -> str:
    """Return the path that a reference names; one with a host or a root is a URL and stays."""
    return place if is_url(place) else place.removeprefix("file:")


def to_file_url(reference: str, join: Callable[[str], str]) -> str:
    """Return the URL of what a reference names, with its fragment; `join` makes a path absolute."""
    from urllib.parse import quote

    path, mark, fragment = strip_file_scheme(reference).partition("#")
    whole = join(path)
    if is_url(whole):
        return whole + mark + fragment
    # The folders above may have a `#` in their names.
    return f"file://{quote(whole, safe='/=&')}{mark}{quote(fragment, safe='/=&')}"


def line_error(line: Line) -> tuple[str, str] | None:
    """Say what is wrong with a line, in words that follow its place, and what to do instead."""
    from packaging.requirements import InvalidRequirement

    if words := credentials_error(line.text):
        return words, ELSEWHERE
    if _EDITABLE.match(line.text):
        return (
            "an editable install cannot be sealed",
            "write `name @ file:///path`: it is installed as a copy, and changes are noticed",
        )
    if unfilled := _VARIABLE.search(line.text):
        words = f"`{unfilled[0]}` stands for nothing: variables are not filled in"
        return words, "write what is meant; what the environment holds is not part of a declaration"
    known = _ALONE if line.text.startswith("-") else _AFTER
    if unknown := [one for one in line.options() if one not in known]:
        words = f"`{unknown[0]}` is no option that is read here"
        return words, f"leave it out; what is read is {', '.join(f'`{one}`' for one in known)}"
    try:
        line.requirement()
    except InvalidRequirement as error:
        shown = line.text if len(line.text) < 60 else f"{line.text[:57]}…"
        return f"`{shown}` is no requirement: {str(error).splitlines()[0]}", ""
    return None


def read_lines(
    name: str,
    read: Callable[[str], str | None],
    missing: Callable[[str, Line | None], None],
    *,
    constraint: bool,
) -> Iterator[Line]:
    """Yield the lines of a file and of all that it nests; `missing` hears of absent ones.

    `read` returns the text of a path or URL, or `None`; a URL may be kept for later by
    returning a line that names it.
    """
    yield from _read(name, read, missing, constraint, None, frozenset())


def _read(
    name: str,
    read: Callable[[str], str | None],
    missing: Callable[[str, Line | None], None],
    constraint: bool,
    nested_by: Line | None,
    above: frozenset[str],
) -> Iterator[Line]:
    if name in above:
        return  # a file that includes itself says nothing new
    content = read(name)
    if content is None:
        missing(name, nested_by)
        return
    for number, text in _logical(content):
        nested = _NESTED.fullmatch(text)
        whole = text if nested or text == name else _anchored(text, name)
        line = Line(text=whole, file=name, number=number, constraint=constraint)
        if nested is None:
            yield line
            continue
        inner = _join(name, nested["name"].strip())
        deeper = constraint or text.startswith(("-c", "--constraint"))
        yield from _read(inner, read, missing, deeper, line, above | {name})


def _logical(content: str) -> Iterator[tuple[int, str]]:
    """Yield lines with continuations joined, comments and blanks left out."""
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


def _join(base: str, name: str) -> str:
    if is_url(name):
        return name
    if is_url(base) and not os.path.isabs(name):
        from urllib.parse import urljoin

        return urljoin(base, name)
    return os.path.normpath(os.path.join(os.path.dirname(base), name))


def _anchored(text: str, file: str) -> str:
    """Make a relative path in a line one that means the same wherever the line stands."""
    for form in (_LINKS, _DIRECT, _PATH):
        found = form.fullmatch(text)
        if found:
            join = functools.partial(_join, file)
            place = (
                join(strip_file_scheme(found["place"]))
                if form is _LINKS
                else to_file_url(found["place"], join)
            )
            return found["before"] + place + found["after"].replace(";", " ;", 1)
    return text


def exact_requirements(lines: list[Line], environment: Mapping[str, str]) -> set[str]:
    """Return the normalised names that are asked for by exact version or by reference.

    A constraint on one of these is left out: who names a version has chosen. So it is
    done in OpenStack, whose upper constraints also name the services themselves. What
    the markers of the environment rule out asks for nothing.
    """
    from packaging.utils import canonicalize_name

    names = set()
    for line in lines:
        requirement = line.requirement()
        if (
            requirement is not None
            and not line.constraint
            and marker_applies(requirement, environment)
        ):
            exact = any(
                one.operator in ("==", "===") and not one.version.endswith(".*")
                for one in requirement.specifier
            )
            if requirement.url or exact:
                names.add(str(canonicalize_name(requirement.name)))
    return names


def marker_applies(requirement: Requirement, environment: Mapping[str, str]) -> bool:
    """Tell whether a requirement asks for anything, as its marker has it."""
    return requirement.marker is None or requirement.marker.evaluate(environment)


def override_names(texts: Iterable[str]) -> set[str]:
    """Return the normalised names that overrides speak of.

    Installers apply a constraint to an override too; here the override is to win.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    return {str(canonicalize_name(Requirement(text).name)) for text in texts}


def drop_packages(lines: list[Line], names: set[str]) -> list[Line]:
    """Return the lines that do not speak of these names."""
    from packaging.utils import canonicalize_name

    kept = []
    for line in lines:
        requirement = line.requirement()
        if requirement is None or canonicalize_name(requirement.name) not in names:
            kept.append(line)
    return kept
