"""Explain invalid requirements in a declaration, with the form that was probably meant."""

from __future__ import annotations

import difflib
import os
import re
from typing import TYPE_CHECKING

from states.venv.resolve.lines.line import describe_syntax_error, name_first
from states.venv.resolve.references import is_path, is_url

if TYPE_CHECKING:
    from packaging.requirements import InvalidRequirement

_OPTION = re.compile(r"(-r|--requirement|-c|--constraint|-e|--editable)(?:\s+|=)?(\S.*)")
_KEYS = {"-r": "requirements", "--requirement": "requirements",
         "-c": "constraints", "--constraint": "constraints"}  # fmt: skip
_OPERATOR = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?)\s*(?P<operator>=|=>|=<|\s)\s*"
    r"(?P<version>v?\d[^\s;=<>,]*)"
)
"""A name and a version with a wrong operator, or with none."""
_FILE = re.compile(r"[\w./-]+\.(?:txt|in)")
"""The name of a requirement file. It is also a valid name of a package."""
_HINT = "use PEP 508 syntax: `name`, `name>=1.2`, `name[extra]`, or `name @ URL`"


def explain(text: str, error: InvalidRequirement) -> tuple[str, str]:
    """Return a message and a hint for a text that isn't a requirement (PEP 508)."""
    text = text.strip()
    if option := _OPTION.fullmatch(text):
        name, value = option[1], option[2]
        hint = f'write `{_KEYS[name]} = ["{value}"]`' if name in _KEYS else _named(value)
        return f"an option instead of a package: `{text}`", hint
    if is_url(text) or is_path(text):
        kind = "URL" if is_url(text) else "path"
        return f"a {kind} without the name of its package: `{text}`", _named(text)
    message = f"invalid requirement `{text}`"
    if match := _OPERATOR.fullmatch(text):
        operator = {"=>": ">=", "=<": "<="}.get(match["operator"], "==")
        wrong = match["operator"].strip()
        reason = f"`{wrong}` isn't an operator" if wrong else "no operator before the version"
        return (
            f"{message}: {reason}",
            f"did you mean `{match['name']}{operator}{match['version']}`?",
        )
    return f"{message}: {describe_syntax_error(error)}", _HINT


def file_error(text: str, key: str) -> tuple[str, str] | None:
    """Return a message and a hint if a requirement is probably the name of a file, or None.

    Args:
        text: A valid requirement.
        key: The key that contains it.

    """
    if key != "packages" or not _FILE.fullmatch(text.strip()):
        return None
    target = "constraints" if "constraint" in text else "requirements"
    return f"a file instead of a package: `{text}`", f'write `{target} = ["{text.strip()}"]`'


def similar_file(path: str) -> str:
    """Return a question that offers a file beside a missing one, or an empty string."""
    directory, name = os.path.split(path)
    try:
        names = os.listdir(directory)
    except OSError:
        return ""
    matches = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return f"did you mean `{os.path.join(directory, matches[0])}`?" if matches else ""


def _named(reference: str) -> str:
    """Return a hint with the form `name @ reference`."""
    if named := name_first(reference):
        return f"write `{named}`"
    place = reference.partition("#")[0].rstrip("/")
    last = re.split(r"[/:]", place)[-1].partition("@")[0].removesuffix(".git")
    wheel = re.match(r"(\w[\w.]*)-\d\S*\.(?:whl|tar\.gz|zip)$", last)
    name = wheel[1] if wheel else re.sub(r"\.(?:whl|tar\.gz|zip)$", "", last)
    name = name if re.fullmatch(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", name) else "name"
    return f"write `{name} @ {reference}`"
