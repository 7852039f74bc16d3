"""Scenarios of persistent directories: an apply merges files of packages and data of users."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.support.wheels import make_wheel

from . import product
from .calls import SystemCall
from .checker import Checker
from .host_scenario import host_scenario
from .product import NEW, OLD
from .scenario import Scenario

_UNEDITED: Final = "etc/conf/unedited.conf"
_ADDED: Final = "etc/conf/parts/added.conf"
_USERS: Final = {"etc/conf/edited.conf": "edited\n", "etc/conf/own.conf": "of the user\n"}
_TOP: Final = "etc/top.ini"
_LOG: Final = "var/log/own.log"
_LOG_TEXT: Final = "one line\n" * 2000
"""More than one block."""
_MODES: Final = {"etc/conf/parts": 0o755, "var": 0o755, "var/log": 0o750}
"""The permissions of directories that the apply creates. No other run would correct them."""


def update() -> Scenario:
    """An apply adds and updates packaged files beside edited, deleted, and added ones."""

    def setup(home: Path) -> None:
        _create(home, 'persistent = ["etc/conf"]')
        _declare(home, NEW, 'persistent = ["etc/conf"]')

    expected = {**_USERS, _UNEDITED: _content(NEW), _ADDED: _content(NEW)}
    intermediate = {
        **_USERS,
        _UNEDITED: (_content(OLD), _content(NEW)),
        _ADDED: ("", _content(NEW)),
    }
    return _scenario("persistent update", setup, expected, intermediate)


def create() -> Scenario:
    """An apply makes two directories persistent that contain data of users."""

    def setup(home: Path) -> None:
        _create(home, 'persistent = ["etc/conf"]\nignore = ["var/**"]')
        log = product.published(home) / _LOG
        log.parent.mkdir(parents=True)
        log.parent.chmod(0o750)
        log.write_text(_LOG_TEXT)
        log.chmod(0o640)
        _declare(home, NEW, 'persistent = ["etc", "var"]')

    users = {**_USERS, _LOG: _LOG_TEXT}
    versions = (_content(OLD), _content(NEW))
    expected = {**users, **dict.fromkeys((_UNEDITED, _ADDED, _TOP), _content(NEW))}
    intermediate = {**users, _UNEDITED: versions, _TOP: versions, _ADDED: ("", _content(NEW))}
    return _scenario("persistent create", setup, expected, intermediate)


def _content(version: str) -> str:
    return f"of version {version}\n" * 500


def _create(home: Path, options: str) -> None:
    """Apply the old version. Then edit, delete, and add a file as a user does."""
    names = ("conf/unedited.conf", "conf/edited.conf", "conf/deleted.conf", "top.ini")
    for version in (OLD, NEW):
        added = ("conf/parts/added.conf",) if version == NEW else ()
        data = {f"data/etc/{name}": _content(version) for name in (*names, *added)}
        make_wheel(home / "wheels", "conf", version, data=data)
    _declare(home, OLD, options)
    product.apply(home)
    for path, text in _USERS.items():
        (product.published(home) / path).write_text(text)
    (product.published(home) / "etc/conf/deleted.conf").unlink()


def _declare(home: Path, version: str, options: str) -> None:
    (home / "conf.txt").write_text(f"conf=={version}\n")
    product.declare(home, version, venv_options=f'requirements = ["conf.txt"]\n{options}')


def _scenario(
    name: str,
    setup: Callable[[Path], None],
    expected: Mapping[str, str],
    intermediate: Mapping[str, str | Collection[str]],
) -> Scenario:
    """Return a scenario whose points are the calls of the merge.

    Args:
        name: Its name.
        setup: Creates the initial state.
        expected: The final content by path in the venv.
        intermediate: The contents that a file may have at any moment. An empty one means that the
            file may be missing.
    """

    def wrong_files(home: Path) -> Sequence[str]:
        return _differences(home, {path: (text,) for path, text in expected.items()})

    def intermediate_error(home: Path) -> str | None:
        allowed = {
            path: (texts,) if isinstance(texts, str) else texts
            for path, texts in intermediate.items()
        }
        return next(iter(_differences(home, allowed)), None)

    scenario = host_scenario(name, setup, Checker(extra_check=wrong_files))
    return replace(
        scenario,
        published_error=lambda home: scenario.published_error(home) or intermediate_error(home),
        roots=lambda home: (product.store(home),),
        counts=_is_of_the_merge,
    )


def _is_of_the_merge(call: SystemCall) -> bool:
    """Return whether a call changes a persistent directory, its packaged content, or a copy."""
    return any("/persistent" in path for path in call.paths)


def _differences(home: Path, allowed: Mapping[str, Collection[str]]) -> list[str]:
    """Return the files whose content isn't allowed, and the files that shouldn't exist."""
    venv = product.published(home)
    contents = {name: text for top in ("etc", "var") for name, text in _files(venv / top)}
    wrong = [
        f"`{path}` contains {contents.get(path, 'nothing')[:40]!r} of {len(contents.get(path, ''))} bytes"
        for path, texts in allowed.items()
        if contents.get(path, "") not in texts
    ]
    wrong += [f"`{path}` exists" for path in contents if path not in {*allowed, _TOP}]
    for path, mode in _MODES.items():
        directory = venv / path
        if directory.exists() and stat.S_IMODE(directory.stat().st_mode) != mode:
            wrong.append(f"`{path}` has mode {directory.stat().st_mode:o}")
    return wrong


def _files(directory: Path) -> Iterator[tuple[str, str]]:
    """Yield the path and the content of each file in a directory, which may be a symlink."""
    for parent, _directories, names in os.walk(f"{directory}/", followlinks=True):
        for name in names:
            file = Path(parent, name)
            yield file.relative_to(directory.parent).as_posix(), file.read_text()


SCENARIOS: Final = (update(), create())
