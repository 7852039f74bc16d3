"""Hashes in requirement files: only files that they allow are installed.

As in pip's hash-checking mode (https://pip.pypa.io/en/stable/topics/secure-installs/), but by
package: who gives hashes for one need not give them for all, unless `--require-hashes` says so.
"""

from __future__ import annotations

import re

from engine.errors import ConvergeError, IntegrityError
from states.venv.wheels import normalised

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from states.venv.requirements import Line

_HASH = re.compile(r"--hash(?:\s+|=)([a-z0-9]+):([0-9a-f]+)")


def restricted(lock: str, lines: Iterable[Line]) -> str:
    """Return a lock without the files that these lines do not allow.

    Raises `IntegrityError` where nothing of a package is left, or nothing was said of it and
    all must be.
    """
    import tomli
    import tomli_w

    lines = list(lines)
    allowed = _allowed(lines)
    strict = any(line.text.startswith("--require-hashes") for line in lines)
    if not allowed and not strict:
        return lock
    document = tomli.loads(lock)
    for package in document.get("packages", []):
        name = normalised(package["name"])
        if name in allowed:
            _restrict(package, allowed[name])
        elif strict and not package.keys() & {"directory", "vcs"}:
            raise IntegrityError(
                f"no hash is given for {_shown(package)}, and `--require-hashes` asks for all",
                hint="give the hashes of what is required by others, too",
            )
    return tomli_w.dumps(document)


def _allowed(lines: Iterable[Line]) -> dict[str, set[str]]:
    allowed: dict[str, set[str]] = {}
    for line in lines:
        requirement = line.requirement()
        found = _HASH.findall(line.text)
        if requirement is None or not found:
            continue
        digests = {digest for algorithm, digest in found if algorithm == "sha256"}
        if not digests:
            raise ConvergeError(
                f"{line.place()}: only SHA-256 can be checked, not {found[0][0]}",
                hint="`pip hash FILE` says it",
            )
        allowed.setdefault(normalised(requirement.name), set()).update(digests)
    return allowed


def _restrict(package: dict[str, Any], digests: set[str]) -> None:
    wheels = [one for one in package.pop("wheels", []) if _digest(one) in digests]
    if wheels:
        package["wheels"] = wheels
    for key in ("sdist", "archive"):
        if key in package and _digest(package[key]) not in digests:
            del package[key]
    if not package.keys() & {"wheels", "sdist", "archive", "directory", "vcs"}:
        raise IntegrityError(
            f"no file of {_shown(package)} has a hash that is allowed",
            hint="somebody changed the file, or the hashes are another version's",
        )


def _digest(file: dict[str, Any]) -> str:
    return str(file.get("hashes", {}).get("sha256", ""))


def _shown(package: dict[str, Any]) -> str:
    return f"{package['name']} {package.get('version', '')}".strip()
