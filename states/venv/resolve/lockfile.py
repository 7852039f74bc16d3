"""A lock that a declaration names: that it is one, and was made from what is declared."""

from __future__ import annotations

import os

from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.requirements import override_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.pylock import Package, Pylock
    from packaging.requirements import Requirement

    from engine.kind import Inputs
    from states.venv.resolve.requirements import Line
    from states.venv.spec import Venv


def read(spec: Venv, lines: list[Line], source: Inputs) -> str:
    """Return the text of a spec's lock, checked as far as that needs no interpreter.

    What is no lock is told as a problem, and reads as empty.
    """
    text = source.read(spec.lock, ("lock",))
    if text is None:
        hint = "`converge lock` writes it; or leave `lock` out"
        source.error(("lock",), f"no such file: `{spec.lock}`", hint)
        return ""
    lock = _parsed(text, spec, source)
    if lock is None:
        return ""
    _check(lock, spec, lines, source)
    return text


def projects(text: str, base: str) -> set[str]:
    """Return the folders that a lock installs from; relative paths are relative to `base`."""
    import tomli

    entries = tomli.loads(text).get("packages", [])
    return {
        os.path.normpath(os.path.join(base, one["directory"]["path"]))
        for one in entries
        if "directory" in one
    }


def _parsed(text: str, spec: Venv, source: Inputs) -> Pylock | None:
    import tomli
    from packaging.pylock import Pylock, PylockValidationError

    try:
        return Pylock.from_dict(tomli.loads(text))
    except (tomli.TOMLDecodeError, PylockValidationError) as error:
        words = f"{str(error)[:1].lower()}{str(error)[1:]}"
        hint = (
            "`converge lock` writes one; or is this a requirement file? name it in `requirements`"
        )
        source.error(("lock",), f"`{spec.lock}` is no lock as PEP 751 has it: {words}", hint)
        return None


def _check(lock: Pylock, spec: Venv, lines: list[Line], source: Inputs) -> None:
    """Complain of what is declared and not locked: the lock is older than the declaration."""
    there: dict[str, list[Package]] = {}
    for package in lock.packages:
        there.setdefault(package.name, []).append(package)
    beyond = override_names(spec.overrides)
    lacking = []
    for one in _declared(spec, lines):
        name = normalize_name(one.name)
        # Whether a marker applies depends on the interpreter, which nobody has chosen yet.
        if one.marker is None and name not in beyond and not _fits(one, there.get(name, [])):
            lacking.append(f"`{one}`")
    if lacking:
        source.error(
            ("lock",),
            f"`{spec.lock}` was made from other requirements: it lacks {', '.join(lacking)}",
            "`converge lock` makes it anew",
        )


def _declared(spec: Venv, lines: Iterable[Line]) -> Iterator[Requirement]:
    from packaging.requirements import Requirement

    yield from (Requirement(text) for text in spec.packages)
    for line in lines:
        requirement = None if line.constraint else line.requirement()
        if requirement is not None:
            yield requirement


def _fits(requirement: Requirement, packages: Iterable[Package]) -> bool:
    return any(
        one.version is None or requirement.specifier.contains(one.version, prereleases=True)
        for one in packages
    )
