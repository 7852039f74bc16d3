"""How packages are built from source: variables, settings of backends, and further requirements.

A normalized spec contains them as one JSON text, because its fields are flat. A run that changes
nothing imports this module only if a venv declares such settings.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine.frozen import replace
from engine.system.files import sha256
from states.command_line import masked_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from states.venv.integrity.receipt import Package
    from states.venv.spec import Venv

KEYS = ("build-variables", "build-variables-package", "config-settings",
        "config-settings-package", "extra-build-dependencies")  # fmt: skip
_BY_PACKAGE = KEYS[1], KEYS[3], KEYS[4]
_DIGEST_LENGTH = 16


def format_settings(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the tables of `KEYS` as text, or an empty string if all of them are empty."""
    return json.dumps(tables, sort_keys=True) if any(tables.values()) else ""


def parse_settings(spec: Venv) -> dict[str, dict[str, Any]]:
    """Return the tables of a normalized spec by their keys.

    Names of packages are normalized. A build dependency is a pair of its name and its text.
    """
    tables = json.loads(spec.build_settings) if spec.build_settings else {}
    return {key: tables.get(key, {}) for key in KEYS}


def declared_settings(spec: Venv) -> dict[str, dict[str, Any]]:
    """Return the tables of a normalized spec as a declaration contains them, without secrets."""
    variables, by_package, _, _, dependencies = KEYS
    tables = parse_settings(spec)
    return {
        **tables,
        variables: masked_variables(tables[variables].items()),
        by_package: {
            name: masked_variables(table.items()) for name, table in tables[by_package].items()
        },
        dependencies: {
            name: [text for _, text in pairs] for name, pairs in tables[dependencies].items()
        },
    }


def add_build_digests(spec: Venv, packages: tuple[Package, ...]) -> tuple[Package, ...]:
    """Return packages with the digest of the settings that each is built with.

    A wheel isn't built. The digest contains references to secrets, but not the secrets.
    """
    if not spec.build_settings:
        return tuple(
            replace(package, build="") if package.build else package for package in packages
        )
    tables = parse_settings(spec)
    contents = {package.name: package.content for package in packages}
    return tuple(
        replace(package, build="" if package.wheel else _digest(tables, package.name, contents))
        for package in packages
    )


def _digest(tables: Mapping[str, Mapping[str, Any]], name: str, contents: Mapping[str, str]) -> str:
    """Return the digest of the settings of one package.

    Args:
        tables: The settings.
        name: The package.
        contents: The content of each selected package.

    Returns:
        The digest, or an empty string without settings.

    """
    settings = [table.get(name) if key in _BY_PACKAGE else table for key, table in tables.items()]
    if not any(settings):
        return ""
    # A build requirement has the version that the venv contains.
    shared = {
        required: contents[required]
        for required, _ in tables[KEYS[4]].get(name, ())
        if required in contents
    }
    return sha256(json.dumps([settings, shared], sort_keys=True).encode())[:_DIGEST_LENGTH]


def package_names(spec: Venv) -> Iterator[tuple[str, str]]:
    """Yield each package with settings of its own, and the key that names it."""
    tables = parse_settings(spec)
    for key in _BY_PACKAGE:
        for name in tables[key]:
            yield name, key
