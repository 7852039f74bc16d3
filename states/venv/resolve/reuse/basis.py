"""The basis of a selection: every input that bounds versions.

The versions of the live generation are preferred only under the same basis. Otherwise an upgraded
host would keep versions that a new host with the same declaration doesn't get.
"""

from __future__ import annotations

import json
import os
from configparser import ConfigParser
from configparser import Error as ConfigError
from typing import TYPE_CHECKING

import tomli

from engine.frozen import frozen
from engine.redaction import redact, redact_all, strip_signed_queries
from engine.system.existence import is_directory, proves_no_file
from engine.system.files import sha256
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.lines.options import SETTINGS_OPTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from packaging.requirements import Requirement

    from states.interpreter.discovery import Python
    from states.venv.resolve.lines.line import Line
    from states.venv.spec import Venv

_METADATA_FILES = ("pyproject.toml", "setup.cfg", "setup.py", "requirements.txt")
"""Files that can declare the requirements of a local project."""
_STATIC_KEYS = ("dependencies", "optional-dependencies", "requires-python")
_DIGEST_LENGTH = 16


@frozen
class Basis:
    """The inputs of one selection that bound versions, as digests."""

    interpreters: tuple[str, ...]
    """Implementation and minor version of each, as in `CPython 3.11`."""
    bounds: Mapping[str, str]
    """A digest of the values of each key that bounds versions, by key."""
    requirements: Mapping[str, str]
    """A digest of the requirements of each package that is required by name."""

    def to_dict(self) -> dict[str, Any]:
        """Return the form in which a lock records it."""
        return {
            "interpreters": list(self.interpreters),
            "bounds": dict(self.bounds),
            "requirements": dict(self.requirements),
        }

    def changes_since(self, old: Basis) -> list[str]:
        """Return what bounds versions differently, or an empty list.

        An added or removed package doesn't count, because it bounds only its own version.
        Neither does an interpreter that is added to the others of a lock.
        """
        changes = [] if set(self.interpreters) & set(old.interpreters) else ["`python`"]
        changes += [
            f"`{key}`" for key, digest in self.bounds.items() if digest != old.bounds.get(key)
        ]
        return changes + [
            f"the requirement of `{name}`"
            for name, digest in self.requirements.items()
            if digest != old.requirements.get(name, digest)
        ]


def basis_of(spec: Venv, interpreters: Iterable[str], lines: Iterable[Line]) -> Basis:
    """Return the basis of a selection.

    Args:
        spec: The spec.
        interpreters: The interpreters, as in `Basis.interpreters`.
        lines: The requirements of the declaration and of all files, and the constraints.

    Returns:
        The basis.

    """
    requirements: dict[str, list[str]] = {}
    options, constraints = set(), set()
    for line in lines:
        if line.constraint:
            constraints.add(line.text)
        elif line.requirement is None:
            options.add(line.text)
        else:
            bound = _bound(line.requirement, line.options)
            bound += _project_bounds(line.local_path(), spec.local_digests())
            requirements.setdefault(normalize_name(line.requirement.name), []).append(bound)
    bounds: dict[str, object] = {
        "constraints": sorted(constraints),
        "overrides": sorted(spec.overrides),
        "requirements": sorted(options),
        "index-url": [redact(url) for url in (spec.index_url, *spec.extra_index_url)],
        "find-links": [*spec.find_links, spec.no_index],
        "exclude-newer": spec.exclude_newer,
    }
    if spec.no_deps:
        bounds["no-deps"] = True
    return Basis(
        interpreters=tuple(interpreters),
        bounds={key: _digest(value) for key, value in bounds.items()},
        requirements={name: _digest(sorted(texts)) for name, texts in sorted(requirements.items())},
    )


def interpreter_names(python: Python, minors: Iterable[int] = ()) -> list[str]:
    """Return an interpreter, and further minor versions of it, as a basis names them."""
    implementation = python.implementation or "CPython"
    own = int(python.version.split(".")[1])
    return [f"{implementation} 3.{minor}" for minor in sorted({own, *minors})]


def read_basis(document: Mapping[str, Any]) -> Basis | None:
    """Return the basis that a lock records, or None if it records none."""
    try:
        recorded = document["tool"]["converge"]
        return Basis(
            interpreters=tuple(recorded["interpreters"]),
            bounds=dict(recorded["bounds"]),
            requirements=dict(recorded["requirements"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _bound(requirement: Requirement, options: Sequence[tuple[str, str]]) -> str:
    """Return what a line requires of one package. An extra only adds packages."""
    options = tuple(option for option in options if option[0] != SETTINGS_OPTION)
    return f"{requirement.specifier} @ {requirement.url} ; {requirement.marker} {options}"


def _project_bounds(path: str | None, digests: Mapping[str, str]) -> str:
    """Return a digest of what a local project or file requires."""
    if path is None:
        return ""
    if not is_directory(path):
        return digests.get(path, "")
    contents = {name: _read(os.path.join(path, name)) for name in _METADATA_FILES}
    try:
        project = tomli.loads(contents["pyproject.toml"])["project"]
        if "dependencies" not in project.get("dynamic", ()):
            return _digest([project.get(key) for key in _STATIC_KEYS])
    except (tomli.TOMLDecodeError, KeyError, TypeError, AttributeError):
        pass
    contents["setup.cfg"] = _setup_cfg_bounds(contents["setup.cfg"])
    return _digest(contents)


def _setup_cfg_bounds(content: str) -> str:
    """Return the parts of a `setup.cfg` that declare requirements, or all of an invalid one."""
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(content)
    except ConfigError:
        return content
    options = dict(parser["options"]) if parser.has_section("options") else {}
    extras = "options.extras_require"
    return json.dumps(
        [
            options.get("install_requires"),
            options.get("python_requires"),
            dict(parser[extras]) if parser.has_section(extras) else {},
        ]
    )


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError as error:
        if proves_no_file(error):
            return ""
        raise


def _digest(value: object) -> str:
    # The content behind a URL counts, not the signature that gives access to it.
    value = redact_all(value, strip_signed_queries)
    return sha256(json.dumps(value, sort_keys=True).encode())[:_DIGEST_LENGTH]
