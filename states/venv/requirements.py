"""Requirement and constraint files: what they name, nested as pip nests them.

Format: https://pip.pypa.io/en/stable/reference/requirements-file-format/. Only as much
is read here as must be known before an installer runs: nested files, names, and which
lines pin exactly. The lines themselves are passed on as they stand.
"""

from __future__ import annotations

import os
import re

from engine.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from packaging.requirements import Requirement

_COMMENT = re.compile(r"(^|\s)#.*$")
_NESTED = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s+|=)?(?P<name>\S.*)")
_OPTION = re.compile(r"\s--(?:hash|config-settings?)\b.*")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@value
class Line:
    """One logical line of a requirement or constraint file."""

    text: str
    file: str
    """The file or URL that it stands in."""
    number: int
    """Of its first physical line, from 1."""
    constraint: bool

    def requirement(self) -> Requirement | None:
        """Parse it; `None` for an option, a path or a bare URL. Raises `InvalidRequirement`."""
        from packaging.requirements import Requirement

        text = _OPTION.sub("", self.text)
        if text.startswith("-") or is_url(text) or _is_path(text):
            return None
        return Requirement(text)


def is_url(text: str) -> bool:
    """Tell whether a text names something by URL."""
    return bool(_URL.match(text))


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
        line = Line(text=text, file=name, number=number, constraint=constraint)
        nested = _NESTED.fullmatch(text)
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
    if is_url(name) or os.path.isabs(name):
        return name
    if is_url(base):
        from urllib.parse import urljoin

        return urljoin(base, name)
    return os.path.normpath(os.path.join(os.path.dirname(base), name))


def _is_path(text: str) -> bool:
    return text.startswith((".", "/")) or text.endswith((".whl", ".tar.gz", ".zip"))


def own_pins(lines: list[Line]) -> set[str]:
    """Return the normalised names that are asked for by exact version or by reference.

    A constraint on one of these is left out: who names a version has chosen. So it is
    done in OpenStack, whose upper constraints also name the services themselves.
    """
    from packaging.utils import canonicalize_name

    names = set()
    for line in lines:
        requirement = line.requirement()
        if requirement is not None and not line.constraint:
            exact = any(
                one.operator in ("==", "===") and not one.version.endswith(".*")
                for one in requirement.specifier
            )
            if requirement.url or exact:
                names.add(str(canonicalize_name(requirement.name)))
    return names


def overridden(texts: Iterable[str]) -> set[str]:
    """Return the normalised names that overrides speak of.

    Installers apply a constraint to an override too; here the override is to win.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    return {str(canonicalize_name(Requirement(text).name)) for text in texts}


def without(lines: list[Line], names: set[str]) -> list[Line]:
    """Return the lines that do not speak of these names."""
    from packaging.utils import canonicalize_name

    kept = []
    for line in lines:
        requirement = line.requirement()
        if requirement is None or canonicalize_name(requirement.name) not in names:
            kept.append(line)
    return kept
