"""Settings of uv in a `pyproject.toml` that decide where packages come from.

converge doesn't read them there. To ignore them would install a package from another index.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import tomli

from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.projects.pyproject import table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.table import Inputs, Key
    from states.venv.resolve.lines.line import Line
    from states.venv.spec import Venv

_INDEX_KEYS = ("index", "index-url", "extra-index-url", "find-links", "no-index")


def check_uv_settings(
    spec: Venv, file: str, lines: Iterable[Line], inputs: Inputs, place: Key
) -> None:
    """Report sources and indexes that the declaration doesn't replace.

    Args:
        spec: The table.
        file: The path of the `pyproject.toml`.
        lines: The requirements that were read from it.
        inputs: Reads files, and collects errors.
        place: The key that names the file.

    """
    try:
        settings = table(tomli.loads(inputs.read(file, place) or ""), "tool", "uv")
    except (tomli.TOMLDecodeError, RecursionError):
        return  # Reported as the error of a line.
    declared = {*spec.overrides, *spec.package_index_url}
    replaced = {normalize_name(re.split(r"[^\w.-]", text)[0]) for text in declared}
    sources = {normalize_name(name) for name in table(settings, "sources")}
    required = {normalize_name(line.requirement.name) for line in lines if line.requirement}
    for name in sorted((sources & required) - replaced):
        inputs.error(
            place,
            f"`{file}`: `tool.uv.sources` of `{name}` has no effect in `requirements`",
            f"set `lock` to its `uv.lock`, or add `{name} @ SOURCE` to `overrides`",
        )
    has_index = any(
        (
            spec.index_url,
            spec.extra_index_url,
            spec.package_index_url,
            spec.find_links,
            spec.no_index,
        )
    )
    ignored = [key for key in _INDEX_KEYS if key in settings]
    if ignored and not has_index:
        keys = f"`{ignored[0]}`" if ignored[0] != "index" else "`index-url` or `package-index-url`"
        inputs.error(
            place,
            f"`{file}`: `tool.uv.{ignored[0]}` has no effect in `requirements`",
            f"set {keys} in the declaration, or set `lock` to its `uv.lock`",
        )
