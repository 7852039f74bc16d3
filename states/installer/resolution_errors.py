"""Explain why uv found no set of versions."""

from __future__ import annotations

import re

from packaging.utils import canonicalize_name

from engine.errors import ConvergeError
from states.installer.build_errors import shown_output
from states.installer.requirers import NONE, Requirers, read_requirers

_NO_PACKAGE = re.compile(
    r"\b(?P<name>[\w.-]+) was not found in (?:the provided package locations|the package registry)"
)
_NO_VERSION = re.compile(
    r"there (?:is|are) no versions? of (?P<name>[\w.-]+?)(?P<bound>[=<>~!]\S*)?"
    r" and you require"
)
_NO_FILE = re.compile(
    r"(?P<name>[\w.-]+?)(?:[=<>~!]\S*)? (?:has|have) no wheels with a matching "
    r"(?P<tag>Python|platform|ABI)"
)
_NO_WHEEL = re.compile(r"(?P<name>[\w.-]+?)(?:[=<>~!]\S*)? (?:has|have) no usable wheels")
_PYTHON = re.compile(
    r"Because (?P<name>[\w.-]+?)(?:[=<>~!]\S*)? (?:requires|depends on) "
    r"(?P<python>Python ?[<>=~!][^\s,]+)"
)
_DEPENDS = re.compile(r"\bdepends? on\b")


class ResolutionError(ConvergeError):
    """No set of versions satisfies the requirements.

    Attributes:
        package: The package that is the only cause, or empty for a conflict.
        is_missing: Whether no source has a package of that name.
        conflict: The explanation of uv, which names every package of a conflict.
        requirers: The packages that require each package, as far as they are known.

    """

    package = ""
    is_missing = False
    conflict = ""
    requirers: Requirers = NONE

    def excludes_by_requirements(self, name: str) -> bool:
        """Return whether versions of a package are excluded because of what they require.

        Otherwise, no version of it is excluded but those that have to be built.
        """
        is_requirer = any(canonicalize_name(name) in names for names in self.requirers.values())
        return bool(self.conflict) and is_requirer


def resolution_error(output: str, action: str) -> ResolutionError:
    """Return the error of a failed resolution.

    Args:
        output: The output of uv.
        action: The prefix of the message.

    Returns:
        The error.

    """
    text = re.sub(r"\s+", " ", output)
    message, hint, name = _cause(text)
    error = ResolutionError(f"{action}: {message}", hint=hint, output=shown_output(output))
    error.package, error.is_missing = name, bool(_NO_PACKAGE.search(text))
    error.conflict = "" if name else text
    error.requirers = read_requirers(output)
    return error


def _cause(text: str) -> tuple[str, str, str]:
    """Return the message, the hint, and the package that causes the error alone, if any."""
    if match := _NO_PACKAGE.search(text):
        name = match["name"]
        hint = "correct the name, or add the index or directory that has it"
        return f"no package named `{name}`", hint, name
    if match := _NO_FILE.search(text):
        name, tag = match["name"], match["tag"]
        target = "platform" if tag == "platform" else "interpreter"
        hint = f"choose a version with a file for this {target}, or add one to `find-links`"
        return f"`{name}` has no file for this {target}", hint, name
    if (match := _NO_WHEEL.search(text)) and not _DEPENDS.search(text):
        hint = (
            "provide a wheel through `find-links`; source distributions aren't built if "
            "`--only-binary` forbids it, or if another user can change the interpreter"
        )
        return f"`{match['name']}` has no wheel, and can't be built here", hint, match["name"]
    if match := _PYTHON.search(text):
        name, python = match["name"], match["python"].removeprefix("Python").strip()
        hint = "choose another version, or another interpreter with `python`"
        return f"`{name}` requires Python {python}", hint, name
    if (match := _NO_VERSION.search(text)) and not _DEPENDS.search(text):
        name, bound = match["name"], match["bound"] or ""
        return f"`{name}{bound}` doesn't exist", "choose a version that the index has", name
    hint = "loosen a requirement, or add the version that must win to `overrides`"
    return "no versions satisfy all requirements", hint, ""
