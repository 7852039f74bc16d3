"""Hashes in requirement files: only files that they allow are installed.

As in pip's hash-checking mode (https://pip.pypa.io/en/stable/topics/secure-installs/), but by
package: who gives hashes for one need not give them for all, unless `--require-hashes` says so.
"""

from __future__ import annotations

import re

from engine.errors import ConvergeError, IntegrityError
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.requirements import marker_applies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from states.venv.resolve.requirements import Line

_HASH = re.compile(
    r"(?:--hash(?:\s+|=)['\"]?(?=\w+:)|[#&](?=(?:md5|sha\d+)=))(\w+)[:=]([0-9a-f]+)",
    re.IGNORECASE,
)
"""As an option, and as the fragment of a URL."""


def filter_by_hash(lock: str, lines: Iterable[Line], environment: Mapping[str, str]) -> str:
    """Return a lock without the files that these lines do not allow.

    What the markers of the environment rule out allows nothing. Raises `IntegrityError` where
    nothing of a package is left, or nothing was said of it and all must be.
    """
    import tomli
    import tomli_w

    lines = list(lines)
    allowed = _allowed(lines, environment)
    strict = any("--require-hashes" in line.options() for line in lines)
    if not allowed and not strict:
        return lock
    document = tomli.loads(lock)
    for package in document.get("packages", []):
        name = normalize_name(package["name"])
        if name in allowed:
            _restrict(package, allowed[name])
        elif strict and not package.keys() & {"directory", "vcs"}:
            raise IntegrityError(
                f"no hash is given for {_shown(package)}, and `--require-hashes` asks for all",
                hint="give the hashes of what is required by others, too",
            )
    return tomli_w.dumps(document)


def _allowed(lines: Iterable[Line], environment: Mapping[str, str]) -> dict[str, set[str]]:
    allowed: dict[str, set[str]] = {}
    for line in lines:
        requirement = line.requirement()
        if requirement is not None and not marker_applies(requirement, environment):
            continue
        digests = _digests(line)
        if digests and requirement is None:
            raise ConvergeError(
                f"{line.place()}: nothing says which package this hash is of",
                hint="write `name @ URL`, and then the hash",
            )
        if digests and requirement is not None:
            allowed.setdefault(normalize_name(requirement.name), set()).update(digests)
    return allowed


def _digests(line: Line) -> set[str]:
    """Return the hashes that a line gives; raises for those that cannot be checked."""
    found = _HASH.findall(line.text)
    digests = {digest.lower() for algorithm, digest in found if algorithm.lower() == "sha256"}
    if not digests and (found or "--hash" in line.text):
        named = f", not {found[0][0]}" if found else ", as in `--hash=sha256:…`"
        raise ConvergeError(
            f"{line.place()}: only SHA-256 can be checked{named}",
            hint="`pip hash FILE` says it",
        )
    return digests


def _restrict(package: dict[str, Any], digests: set[str]) -> None:
    wheels = [one for one in package.pop("wheels", []) if _digest(one) in digests]
    if wheels:
        package["wheels"] = wheels
    for key in ("sdist", "archive"):
        if key in package and _digest(package[key]) not in digests:
            del package[key]
    if not package.keys() & {"wheels", "sdist", "archive"}:
        raise IntegrityError(
            f"no file of {_shown(package)} has a hash that is allowed",
            hint="somebody changed the file, or the hashes are another version's",
        )


def _digest(file: dict[str, Any]) -> str:
    return str(file.get("hashes", {}).get("sha256", ""))


def _shown(package: dict[str, Any]) -> str:
    return f"{package['name']} {package.get('version', '')}".strip()
