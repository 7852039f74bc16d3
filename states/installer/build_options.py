"""Pass settings of builds to uv, and keep its cache apart where it doesn't distinguish them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from engine.frozen import replace
from engine.system.files import sha256
from states.system.cache_expiry import BUILDS

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any, TypeVar

    from states.installer import BuildOptions

    T = TypeVar("T")


def build_tables(build: BuildOptions) -> dict[str, Any]:
    """Return the tables of a `uv.toml` with the settings of builds. uv keys its cache by them."""
    tables = {
        "config-settings": dict(build.settings),
        "config-settings-package": dict(build.package_settings),
        "extra-build-variables": dict(build.package_variables),
        "extra-build-dependencies": dict(build.dependencies),
    }
    return {name: table for name, table in tables.items() if table}


def narrow(build: BuildOptions, names: Collection[str]) -> BuildOptions:
    """Return the settings of some packages only. Settings of all packages become theirs.

    Args:
        build: The settings.
        names: The normalized names of the packages.

    Returns:
        The settings. The variables of every build stay as they are.

    """
    by_package = dict(build.package_settings)
    settings = {name: {**dict(build.settings), **by_package.get(name, {})} for name in names}
    return replace(
        build,
        package_variables=_only(build.package_variables, names),
        settings=(),
        package_settings=tuple((name, table) for name, table in settings.items() if table),
        dependencies=_only(build.dependencies, names),
    )


def _only(rows: tuple[tuple[str, T], ...], names: Collection[str]) -> tuple[tuple[str, T], ...]:
    return tuple(row for row in rows if row[0] in names)


def build_variables(build: BuildOptions, path: str) -> dict[str, str]:
    """Return the variables of every build.

    Args:
        build: The settings.
        path: The directories that follow those of `PATH`.

    Returns:
        The variables.

    """
    variables = dict(build.variables)
    if "PATH" in variables:
        variables["PATH"] = f"{variables['PATH']}:{path}"
    return variables


def cache_directory(build: BuildOptions, cache: str) -> str:
    """Return the cache of uv for some settings. It contains downloads and builds.

    UV-QUIRK(0.13): uv takes a build from its cache if only the environment of uv has changed. A
    build with variables therefore has a cache of its own.

    Args:
        build: The settings.
        cache: The cache directory of converge.

    Returns:
        The directory.

    """
    if not build.variables:
        return os.path.join(cache, "uv")
    digest = sha256(json.dumps(sorted(build.variables)).encode())[:32]
    return os.path.join(cache, BUILDS, digest)
