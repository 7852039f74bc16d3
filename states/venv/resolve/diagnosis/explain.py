"""Turn an error of the installer into one that names where its cause was declared."""

from __future__ import annotations

import difflib
import os
import re
from typing import TYPE_CHECKING

from engine.declaration.inputs import decode
from engine.errors import ConvergeError
from states.installer.build_errors import BuildError, hint_for_all
from states.installer.resolution_errors import ResolutionError
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.diagnosis.chains import find_chains
from states.venv.resolve.diagnosis.conflicts import find_contradiction
from states.venv.resolve.diagnosis.places import place_of
from states.venv.resolve.references import is_url
from states.venv.resolve.requirements import declared_lines, read_lines
from states.venv.resolve.subset import subset_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from states.installer.requirers import Requirers
    from states.venv.resolve.lines.line import Line
    from states.venv.spec import Venv

_MAX_PLACES = 8
_FILE = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*?)-\d[^/]*\.(?:whl|tar\.gz|zip)$")


def contradiction_error(
    spec: Venv, lines: Sequence[Line], environments: Sequence[Mapping[str, str]]
) -> ConvergeError | None:
    """Return the error of two requirements that contradict each other, or None.

    Args:
        spec: The spec.
        lines: The requirements and the constraints that apply.
        environments: The environments in which markers are evaluated.

    Returns:
        The error, or None.

    """
    pair = find_contradiction(lines, environments)
    if pair is None:
        return None
    first, second = pair
    assert first.requirement is not None
    return ConvergeError(
        f"no version of `{first.requirement.name}` satisfies both `{_text(first)}` and "
        f"`{_text(second)}`",
        hint="change one of them, or add the version that must win to `overrides`",
        output=_places(pair, spec),
    )


def explain(error: ConvergeError, spec: Venv, lines: Sequence[Line]) -> ConvergeError:
    """Return an error that names where its cause was declared. Other errors stay as they are.

    Args:
        error: The error of the installer.
        spec: The spec.
        lines: The requirements and the constraints.

    Returns:
        The error to report.

    """
    if not isinstance(error, BuildError | ResolutionError):
        return error
    name = normalize_name(error.package)
    if isinstance(error, ResolutionError) and not name:
        named = [line for line in lines if _is_in(line, error.conflict)]
    else:
        named = [line for line in lines if _name(line) == name and not line.constraint]
    hint = error.hint
    if isinstance(error, ResolutionError) and error.is_missing:
        similar = difflib.get_close_matches(name, _offered(spec), n=1, cutoff=0.7)
        hint = f"did you mean `{similar[0]}`?" if similar else hint
    if isinstance(error, BuildError):
        wheels = _offered(spec, ".whl")
        hint = hint_for_all(error, sorted(set(map(_name, lines)) - wheels))
    places = _places(named[:_MAX_PLACES], spec)
    if not named and name:
        places = _chains(name, error.requirers, spec, lines)
    output = "\n".join(filter(None, (places, error.output)))
    return ConvergeError(error.message, hint=hint, output=output)


def explain_build(
    error: BuildError, spec: Venv, find_requirers: Callable[[], Requirers]
) -> ConvergeError:
    """Return the error of a failed build with the place where the package was declared.

    Only local files are read again. A file that can't be read adds no place.

    Args:
        error: The error.
        spec: The spec.
        find_requirers: Returns the packages that require each package. Called if none of the
            requirements names the package.

    Returns:
        The error to report.

    """
    lines, subset = declared_lines(spec.packages), subset_of(spec)
    for name in filter(lambda name: not is_url(name), spec.requirements):
        lines += read_lines(name, _read_local, lambda *_: None, constraint=False, subset=subset)
    if normalize_name(error.package) not in map(_name, lines):
        error.requirers = error.requirers or find_requirers()
    return explain(error, spec, lines)


def _chains(name: str, requirers: Requirers, spec: Venv, lines: Sequence[Line]) -> str:
    """Return who requires a package that no line names, and the places of these lines.

    Args:
        name: The package.
        requirers: The packages that require each package.
        spec: The spec.
        lines: The requirements and the constraints.

    Returns:
        The rows.

    """
    declared = {_name(line): line for line in reversed(lines) if not line.constraint}
    declared.pop("", None)
    rows = []
    for chain in find_chains(name, requirers, declared):
        line = declared.get(chain[0])
        place = place_of(line, spec) if line is not None else ""
        rows.append((" → ".join([_text(line) if line else chain[0], *chain[1:]]), place))
    if not rows and spec.lock:
        rows.append((name, spec.lock))
    return _table(rows) or f"{name}: required by another package"


def _read_local(path: str) -> str | None:
    if is_url(path):
        return path
    try:
        with open(path, "rb") as stream:
            return decode(stream.read())
    except (FileNotFoundError, ValueError):
        return None


def _places(lines: Iterable[Line], spec: Venv) -> str:
    return _table([(_text(line), place_of(line, spec)) for line in lines])


def _table(rows: Sequence[tuple[str, str]]) -> str:
    width = max((len(text) for text, _ in rows), default=0)
    return "\n".join(f"{text.ljust(width)}  {place}".rstrip() for text, place in rows)


def _text(line: Line) -> str:
    return line.text.partition(" --hash")[0]


def _name(line: Line) -> str:
    return normalize_name(line.requirement.name) if line.requirement is not None else ""


def _is_in(line: Line, conflict: str) -> bool:
    """Return whether an explanation of uv names the package of a line."""
    return bool(_name(line)) and bool(
        re.search(rf"(?<![\w.-]){re.escape(_name(line))}(?![\w-])", conflict)
    )


def _offered(spec: Venv, suffix: str = "") -> set[str]:
    """Return the names of the packages of which a `find-links` directory has a file.

    Args:
        spec: The spec.
        suffix: The end of the names of the files that count.

    """
    names = set()
    for place in spec.find_links:
        for name in [] if is_url(place) else os.listdir(place):
            if name.endswith(suffix) and (match := _FILE.match(name)):
                names.add(normalize_name(match["name"]))
    return names
