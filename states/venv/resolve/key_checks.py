"""Check the keys of a `[venv.*]` table that don't name files."""

from __future__ import annotations

import os
import re
import shlex
from datetime import datetime
from typing import TYPE_CHECKING

from states.distribution.requirement import EXAMPLE, parse_requirement
from states.interpreter import discovery
from states.venv.integrity.dist_info import normalize_name
from states.venv.layout import METADATA_DIR
from states.venv.resolve.projects.names import PYPROJECT, UV_LOCK, is_uv_lock

if TYPE_CHECKING:
    from engine.table import Inputs, Key
    from states.venv.spec import Venv

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_PACKAGE = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE)
_PROJECT = re.compile(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", re.ASCII)
_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?", re.IGNORECASE
)
"""RFC 3339. uv also accepts durations, but these would give each host other versions."""
_EXPORT = "run `{}`, and set `lock` to its output"
_PROJECT_FILES = {
    PYPROJECT: "name it in `requirements`, or set `lock` to the `uv.lock` beside it",
    UV_LOCK: 'write `lock = "{name}"`',
    "pdm.lock": _EXPORT.format("pdm export --format pylock --output pylock.toml"),
    "poetry.lock": "run `poetry export --output requirements.txt`, and name its output in "
    "`requirements`, with `no-deps = true`",
}
"""Files of project managers, and how to use each."""
_VALID = {"requirements": PYPROJECT, "lock": UV_LOCK}
"""The keys that accept one of them."""
_MODE = re.compile(r"0?[0-7]{3}")
_ENVIRONMENT = re.compile(
    rf"(bin|{re.escape(METADATA_DIR)})(/.*)?|include|pyvenv\.cfg"
    r"|lib(64)?(/(python|pypy)[^/]*(/site-packages)?)?"
)
"""Paths that belong to one generation, so that they can't be persistent."""
_SYSTEM = {
    *("/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/opt", "/proc", "/root", "/run"),
    *("/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/var"),
}

_INDEX = re.compile(r"(https?|file)://.", re.IGNORECASE)
_ENVIRONMENT_VARIABLE = re.compile(r"env:[^=\0]+")


def check_keys(spec: Venv, inputs: Inputs) -> None:
    """Report invalid values to `inputs`."""
    name = str(inputs.table[-1])
    if not _NAME.fullmatch(name):
        hint = "use up to 64 letters, digits, `.`, `_`, `+`, `-`; begin with a letter or digit"
        inputs.error((), f"invalid venv name `{name}`", hint)
    if not _MODE.fullmatch(spec.mode):
        inputs.error(("mode",), f"invalid mode `{spec.mode}`", 'write it in octal, as in "0755"')
    elif int(spec.mode, 8) & 0o022:
        message = f"mode `{spec.mode}` lets other users replace files in the venv"
        inputs.error(("mode",), message, 'give them at most read access, as in "0755"')
    if not spec.python.startswith("interpreter.") and not discovery.is_valid_request(spec.python):
        hint = 'write "3.11", ">=3.11,<3.13", an absolute path, or "interpreter.NAME"'
        inputs.error(("python",), f"invalid interpreter request `{spec.python}`", hint)
    if spec.exclude_newer and not _is_timestamp(spec.exclude_newer):
        hint = 'write a date or a time, as in "2026-01-31" or "2026-01-31T12:00:00Z"'
        inputs.error(("exclude-newer",), f"invalid date `{spec.exclude_newer}`", hint)
    if spec.keep < 0:
        inputs.error(("keep",), "`keep` must not be negative")
    _check_downloads(spec, inputs)
    _check_directories(spec, inputs)
    _check_modules(spec, inputs)
    _check_system(spec, inputs)
    _check_files(spec, inputs)
    _check_package_names(spec, inputs)
    _check_smoke(spec, inputs)


def _check_downloads(spec: Venv, inputs: Inputs) -> None:
    if not 1 <= spec.download_timeout <= 3600:
        inputs.error(("download-timeout",), "`download-timeout` must be between 1 and 3600 s")
    for index, code in enumerate(spec.ignore_error_codes):
        if code not in (401, 403, 404, 410):
            hint = "write 401, 403, 404, or 410"
            inputs.error(("ignore-error-codes", index), f"invalid status code `{code}`", hint)
    if not 0 <= spec.download_retries <= 20:
        inputs.error(("download-retries",), "`download-retries` must be between 0 and 20")


def _is_timestamp(text: str) -> bool:
    try:
        datetime.fromisoformat(text[: len("2026-01-31T12:00:00")])
    except ValueError:
        return False  # A day that doesn't exist.
    return bool(_TIMESTAMP.fullmatch(text))


def _check_directories(spec: Venv, inputs: Inputs) -> None:
    for key, paths in (("persistent", spec.persistent), ("ignore", spec.ignore)):
        for index, path in enumerate(paths):
            if os.path.isabs(path) or ".." in path.split("/") or not path.strip("/."):
                hint = 'write it relative to the venv, as in "etc/keystone"'
                inputs.error((key, index), f"path isn't inside the venv: `{path}`", hint)
    paths = tuple(os.path.normpath(path) for path in spec.persistent)
    for index, path in enumerate(paths):
        others = (f"{other}/" for other in (*paths[:index], *paths[index + 1 :]))
        problem = ""
        if _ENVIRONMENT.fullmatch(path):
            problem = "is part of the environment itself"
        elif f"{path}/".startswith(tuple(others)):
            problem = "is the same as, or inside, another persistent directory"
        if problem:
            inputs.error(("persistent", index), f"`{spec.persistent[index]}` {problem}")


def _check_package_names(spec: Venv, inputs: Inputs) -> None:
    for index, name in enumerate(spec.accept_record_mismatch):
        if not _PACKAGE.fullmatch(name):
            hint = "write only the name of the package"
            inputs.error(("accept-record-mismatch", index), f"invalid package name `{name}`", hint)


def _check_modules(spec: Venv, inputs: Inputs) -> None:
    for index, module in enumerate(spec.system_packages):
        if not module.strip() or "/" in module:
            inputs.error(("system-packages", index), f"invalid module name `{module}`")


def _check_system(spec: Venv, inputs: Inputs) -> None:
    for index, text in enumerate(spec.requires_system):
        if parse_requirement(text) is None:
            inputs.error(("requires-system", index), f"invalid requirement `{text}`", EXAMPLE)


def is_project_file(name: str) -> bool:
    """Return whether a file belongs to a project manager, and isn't a requirement file."""
    return os.path.basename(name) in _PROJECT_FILES


def _check_files(spec: Venv, inputs: Inputs) -> None:
    files: dict[Key, str] = {("lock",): spec.lock}
    for key in ("requirements", "constraints"):
        files.update({(key, index): name for index, name in enumerate(getattr(spec, key))})
    for place, name in files.items():
        base = os.path.basename(name)
        if is_project_file(name) and (base != _VALID.get(str(place[0])) or "://" in name):
            kind = "lockfile (PEP 751)" if place == ("lock",) else "requirement file"
            hint = _PROJECT_FILES[base].format(name=name)
            if "://" in name:
                hint = "name the file in a local copy of the project"
            inputs.error(place, f"`{name}` isn't a {kind}", hint)
    if not is_uv_lock(spec.lock):
        for key in ("workspace-member", "no-install-project"):
            if getattr(spec, key.replace("-", "_")):
                inputs.error((key,), f"`{key}` requires a `uv.lock` in `lock`")


def _check_smoke(spec: Venv, inputs: Inputs) -> None:
    for index, command in enumerate(spec.smoke):
        try:
            program = next(iter(shlex.split(command)), "")
        except ValueError as error:
            inputs.error(("smoke", index), f"can't split the command into arguments: {error}")
            continue
        if not program.strip():
            inputs.error(("smoke", index), "the command is empty")


def resolve_path(declared: str, inputs: Inputs) -> str:
    """Return the absolute form of a `path`. Reports one at which nothing can be published."""
    path = inputs.path(declared, ("path",))
    message, hint = _path_error(declared, path)
    if message:
        inputs.error(("path",), message, hint)
    return path


def _path_error(declared: str, path: str) -> tuple[str, str]:
    """Return a message and a hint about a `path`, or two empty strings."""
    if not declared.strip() or not declared.isprintable():
        return f"invalid path {declared!r}", ""
    if not path.isprintable():
        hint = "rename the parent directory that has unprintable characters"
        return f"invalid path {path!r}", hint
    if os.path.basename(os.path.normpath(declared)) in (".", ".."):
        return f"`{declared}` isn't the name of a directory", "add a name to the path"
    if ":" in path:
        return f"`:` can't be part of a directory in `PATH`: `{path}`", "choose a path without it"
    if path in _SYSTEM:
        return f"`{path}` is a system directory", "choose a directory below it"
    return "", ""


def resolve_index(url: str, key: tuple[str | int, ...], inputs: Inputs) -> str:
    """Validate the reference of an index, the only URL that may contain a password.

    Args:
        url: A URL, `env:NAME`, or `file:PATH`.
        key: Its place in the table.
        inputs: Resolves paths, and collects errors.

    Returns:
        The reference with an absolute path.

    """
    if url.startswith("file:") and not url.startswith("file://"):
        return "file:" + inputs.path(url.removeprefix("file:"), key)
    if _ENVIRONMENT_VARIABLE.fullmatch(url) or not (url or key[1:]):
        return url  # `index-url` may be empty: the default. `extra-index-url` may not.
    if len(url.split()) > 1:
        hint = "write a space in a password as `%20`"
        inputs.error(key, f"invalid index URL `{url}`", hint)
    elif not _INDEX.match(url):
        hint = "write `https://…`, `env:NAME`, or `file:PATH`"
        inputs.error(key, f"invalid index URL `{url}`", hint)
    return url


def resolve_package_indexes(spec: Venv, inputs: Inputs) -> dict[str, str]:
    """Return the validated references of package indexes, by the normalized name."""
    key = "package-index-url"
    overridden = {normalize_name(re.split(r"[^\w.-]", text)[0]) for text in spec.overrides}
    resolved = {}
    for name, reference in spec.package_index_url.items():
        normalized = normalize_name(name)
        if not _PROJECT.fullmatch(name):
            inputs.error((key, name), f"invalid package name `{name}`", marks_key=True)
        elif normalized in overridden:
            hint = "remove one of them; an override would come from another index"
            inputs.error((key, name), f"`{name}` is also in `overrides`", hint, marks_key=True)
        elif not reference:
            inputs.error((key, name), f"no index for `{name}`", "write its URL")
        else:
            resolved[normalized] = resolve_index(reference, (key, name), inputs)
    return resolved
