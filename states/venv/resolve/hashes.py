"""Hashes in requirement files: converge installs only files that they allow.

Like pip's hash-checking mode (https://pip.pypa.io/en/stable/topics/secure-installs/), but for
each package: hashes for one package don't require hashes for all. `--require-hashes` does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import ConvergeError, IntegrityError
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.pylock import format_lock
from states.venv.resolve.requirements import marker_applies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from states.venv.resolve.lines.line import Line
    from states.venv.resolve.pylock import Lock

_HASH = re.compile(
    r"(?:--hash(?:\s+|=)['\"]?(?=\w+:)|[#&](?=(?:md5|sha\d+)=))(\w+)[:=]([0-9a-f]+)",
    re.IGNORECASE,
)
"""As an option, or as the fragment of a URL."""


def filter_by_hash(
    lock: Lock, lines: Iterable[Line], environments: Sequence[Mapping[str, str]]
) -> Lock:
    """Return a lock without the files that the hashes in the lines don't allow.

    Args:
        lock: The lock to reduce.
        lines: Lines of requirement files. Lines whose marker is false have no effect.
        environments: The environments in which markers are evaluated. One is enough.

    Returns:
        The same lock if the lines have no hashes, otherwise a reduced one.

    Raises:
        IntegrityError: A package has no allowed file, or no hash although all need one.
        ConvergeError: A line has a hash that can't be checked.

    """
    lines = list(lines)
    allowed = _allowed_digests(lines, environments)
    all_required = any(line.has_option("--require-hashes") for line in lines)
    if not allowed and not all_required:
        return lock
    packages = []
    for package in lock.packages:
        name = normalize_name(package["name"])
        if name in allowed:
            packages.append(_restrict(package, allowed[name]))
            continue
        if all_required and not package.keys() & {"directory", "vcs"}:
            raise IntegrityError(
                f"no hash for {_describe(package)}, and `--require-hashes` needs one",
                hint="give hashes for the dependencies of your requirements as well",
            )
        packages.append(package)
    return format_lock({**lock.document, "packages": packages})


def _allowed_digests(
    lines: Iterable[Line], environments: Sequence[Mapping[str, str]]
) -> dict[str, set[str]]:
    """Return the SHA-256 digests in the lines, by the normalized name of the package.

    Raises:
        ConvergeError: A hash can't be checked, or belongs to no named package.

    """
    allowed: dict[str, set[str]] = {}
    for line in lines:
        requirement = line.requirement
        if requirement is not None and not marker_applies(requirement, environments):
            continue
        digests = _digests(line)
        if digests and requirement is None:
            raise ConvergeError(
                f"{line.location()}: a hash without the name of a package",
                hint="write `name @ URL` before the hash",
            )
        if digests and requirement is not None:
            allowed.setdefault(normalize_name(requirement.name), set()).update(digests)
    return allowed


def _digests(line: Line) -> set[str]:
    """Return the SHA-256 digests in a line.

    Raises:
        ConvergeError: The line has only hashes of other algorithms, or malformed ones.

    """
    hashes = _HASH.findall(line.text)
    digests = {digest.lower() for algorithm, digest in hashes if algorithm.lower() == "sha256"}
    if not digests and (hashes or "--hash" in line.text):
        problem = f"unsupported hash {hashes[0][0]}" if hashes else "invalid `--hash`"
        raise ConvergeError(
            f"{line.location()}: {problem}, expected `--hash=sha256:…`",
            hint="run `pip hash FILE` to get it",
        )
    return digests


def _restrict(package: Mapping[str, Any], digests: set[str]) -> dict[str, Any]:
    """Return an entry of a lock with the files that have one of the digests.

    Raises:
        IntegrityError: No file has one of them.

    """
    restricted = {
        key: value
        for key, value in package.items()
        if key not in ("sdist", "archive") or _digest(value) in digests
    }
    wheels = [wheel for wheel in restricted.pop("wheels", []) if _digest(wheel) in digests]
    if wheels:
        restricted["wheels"] = wheels
    if not restricted.keys() & {"wheels", "sdist", "archive"}:
        raise IntegrityError(
            f"no file of {_describe(package)} has an allowed hash",
            hint="the file was changed, or the hashes belong to another version",
        )
    return restricted


def _digest(file: Mapping[str, Any]) -> str:
    return str(file.get("hashes", {}).get("sha256", ""))


def _describe(package: Mapping[str, Any]) -> str:
    return f"{package['name']} {package.get('version', '')}".strip()
