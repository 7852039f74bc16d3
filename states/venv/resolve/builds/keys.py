"""Validate the keys that define how packages are built from source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from engine.frozen import replace
from states.installer.credentials import CREDENTIALS_HINT, credentials_error
from states.system.references import is_reference
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.builds.settings import KEYS, format_settings
from states.venv.resolve.lines.invalid import explain
from states.venv.resolve.lines.options import SETTINGS_OPTION
from states.venv.resolve.references import is_path, is_url, local_path, strip_file_scheme

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from engine.table import Inputs, Key
    from states.venv.resolve.lines.line import Line
    from states.venv.spec import Venv

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = re.compile(r"HOME|TMPDIR|NETRC|VIRTUAL_ENV|CONDA_PREFIX|XDG_(CONFIG|CACHE|DATA)_.*")
"""Variables with which the installer would read or write elsewhere."""
_EDITABLE = re.compile(r"^(-e|--editable)[\s=]+")
_PROJECT = re.compile(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", re.ASCII)
_SECRET_HINT = "write `env:NAME` or `file:PATH` instead"


def with_build_settings(spec: Venv, lines: Iterable[Line], inputs: Inputs) -> Venv:
    """Validate the keys of `KEYS`, and return a spec that contains them as one text.

    Args:
        spec: The table.
        lines: The lines of requirement files, which may contain settings of one package.
        inputs: Resolves paths, and collects errors.

    Returns:
        The spec.

    """
    variables, by_package, settings, settings_by_package, dependencies = KEYS
    config = _by_package(settings_by_package, spec.config_settings_package, inputs)
    for name, table in config.items():
        _check_settings((settings_by_package, name), table, inputs)
    _check_settings((settings,), spec.config_settings, inputs)
    _add_lines(config, lines, inputs)
    tables: dict[str, dict[str, Any]] = {
        variables: _variables((variables,), spec.build_variables, inputs),
        by_package: {
            name: _variables((by_package, name), table, inputs)
            for name, table in _by_package(by_package, spec.build_variables_package, inputs).items()
        },
        settings: dict(spec.config_settings),
        settings_by_package: config,
        dependencies: {
            name: _dependencies((dependencies, name), texts, inputs)
            for name, texts in _by_package(
                dependencies, spec.extra_build_dependencies, inputs
            ).items()
        },
    }
    empty: dict[str, Any] = {key.replace("-", "_"): {} for key in KEYS}
    return replace(spec, build_settings=format_settings(tables), **empty)


def _by_package(key: str, table: Mapping[str, Any], inputs: Inputs) -> dict[str, Any]:
    """Validate the names of packages in a table.

    Args:
        key: The key of the table.
        table: Values by name.
        inputs: Collects errors.

    Returns:
        The values by normalized name, without empty ones.

    """
    normalized: dict[str, Any] = {}
    for name, value in table.items():
        if not _PROJECT.fullmatch(name):
            hint = "use the name of one package, without a version"
            inputs.error((key, name), f"invalid package name `{name}`", hint, marks_key=True)
        elif normalize_name(name) in normalized:
            hint = "put both into one table; `-`, `_`, `.`, and case don't count"
            inputs.error((key, name), f"duplicate package `{name}`", hint, marks_key=True)
        elif value:
            normalized[normalize_name(name)] = value
    return normalized


def _variables(key: Key, table: Mapping[str, str], inputs: Inputs) -> dict[str, str]:
    """Validate variables.

    Args:
        key: The key of the table.
        table: The variables.
        inputs: Resolves paths, and collects errors.

    Returns:
        The variables, with absolute paths in references.

    """
    normalized = {}
    for name, value in table.items():
        place = (*key, name)
        if not _VARIABLE.fullmatch(name):
            hint = "use letters, digits, and `_`"
            inputs.error(place, f"invalid variable name `{name}`", hint, marks_key=True)
        elif _RESERVED.fullmatch(name):
            inputs.error(place, f"converge sets `{name}` itself", "remove it", marks_key=True)
        elif name.startswith("UV_"):
            hint = "remove it, and use the keys of the venv, such as `index-url`"
            inputs.error(place, f"a variable of uv, not of builds: `{name}`", hint, marks_key=True)
        elif name == "PATH" and not is_reference(value):
            _check_path(place, value, inputs)
        elif not is_reference(value) and (message := credentials_error(value)):
            inputs.error(place, message, _SECRET_HINT)
        reference = is_reference(value) and value.startswith("file:")
        normalized[name] = (
            f"file:{inputs.path(value.removeprefix('file:'), place)}" if reference else value
        )
    return normalized


def _check_path(key: Key, value: str, inputs: Inputs) -> None:
    for directory in value.split(":"):
        if not directory.startswith("/"):
            hint = "separate absolute paths with `:`; the system's directories follow them"
            inputs.error(key, f"invalid directory in `PATH`: `{directory}`", hint)
            return


def _check_settings(key: Key, table: Mapping[str, Any], inputs: Inputs) -> None:
    for name, value in table.items():
        if not name.strip():
            hint = "write the name of the setting"
            inputs.error((*key, name), "empty name of a setting", hint, marks_key=True)
        for text in [value] if isinstance(value, str) else value:
            if message := credentials_error(text):
                hint = "settings are visible; use a variable with `env:NAME` or `file:PATH`"
                inputs.error((*key, name), message, hint)


def _dependencies(key: Key, texts: Iterable[str], inputs: Inputs) -> list[list[str]]:
    """Validate the build requirements of a package.

    Args:
        key: The key of the array.
        texts: The requirements.
        inputs: Collects errors.

    Returns:
        The normalized name and the text of each valid requirement.

    """
    valid = []
    for index, text in enumerate(texts):
        place = (*key, index)
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            # `explain` would suggest `NAME @ PATH`, which isn't accepted here.
            is_local = _is_local(_EDITABLE.sub("", text.strip()))
            inputs.error(place, *(_local_error(text) if is_local else explain(text, error)))
            continue
        if message := credentials_error(text):
            inputs.error(place, message, CREDENTIALS_HINT)
        elif requirement.url and (_is_local(requirement.url) or not is_url(requirement.url)):
            inputs.error(place, *_local_error(text))
        else:
            valid.append([normalize_name(requirement.name), str(requirement)])
    return valid


def _is_local(reference: str) -> bool:
    path = strip_file_scheme(reference)
    is_relative = not is_url(path) and (is_path(path) or path.endswith("/") or path[:1] == "~")
    return is_relative or path != reference or local_path(reference) is not None


def _local_error(text: str) -> tuple[str, str]:
    hint = "write its name, and provide a wheel through `find-links`"
    return f"a build requirement can't be a path: `{text}`", hint


def _add_lines(config: dict[str, Any], lines: Iterable[Line], inputs: Inputs) -> None:
    """Add the settings in lines of requirement files, each for the package of its line.

    Args:
        config: The settings of each package. Extended.
        lines: The valid lines.
        inputs: Collects errors.

    """
    collected: dict[str, dict[str, list[str]]] = {}
    origins: dict[tuple[str, str], Line] = {}
    for line in lines:
        if line.requirement is None:
            continue
        name = normalize_name(line.requirement.name)
        for option, value in line.options:
            if option == SETTINGS_OPTION:
                setting, _, content = value.partition("=")
                collected.setdefault(name, {}).setdefault(setting, []).append(content)
                origins[name, setting] = line
    for name, settings in collected.items():
        declared = config.get(name, {})
        merged = {
            setting: texts[0] if len(texts) == 1 else texts for setting, texts in settings.items()
        }
        for setting in merged.keys() & declared.keys():
            if declared[setting] not in (merged[setting], tuple(settings[setting])):
                message = (
                    f"{origins[name, setting].location()}: `{setting}` differs from `{KEYS[3]}`"
                )
                inputs.error(("requirements",), message, "remove one of them")
        for setting in merged.keys() - declared.keys():
            line = origins[name, setting]
            inputs.add_origin((KEYS[3], name, setting), line.file, line.number)
        config[name] = {**merged, **declared}
