"""Extras and dependency groups that a table selects from a lockfile."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from states.interpreter.discovery import find
from states.venv.resolve.diagnosis.missing import missing_notice
from states.venv.resolve.pylock import format_lock, parse_lock, select_artifacts
from states.venv.resolve.subset import Subset
from tests.unit.states.values import validate_table

LOCK = """\
lock-version = "1.0"
created-by = "pdm"
extras = ["fast-io"]
dependency-groups = ["default", "docs"]
default-groups = ["default"]
"""
MARKERS = {
    "web": "'default' in dependency_groups",
    "both": "'default' in dependency_groups or 'fast-io' in extras",
    "fast": "'fast-io' in extras and 'default' in dependency_groups",
    "docs": "'docs' in dependency_groups",
}


@pytest.mark.parametrize(
    ("subset", "expected"),
    [
        (Subset(), {"web", "both"}),
        (Subset(extras=frozenset({"fast-io"})), {"web", "both", "fast"}),
        (Subset(groups=frozenset({"docs"})), {"web", "both", "docs"}),
    ],
    ids=["default groups", "extra", "group"],
)
def test_selection_decides_which_locked_packages_are_installed(
    subset: Subset, expected: set[str]
) -> None:
    archive = {"url": "https://x/a.zip", "hashes": {"sha256": "a" * 64}}
    packages = [
        {"name": name, "marker": marker, "archive": archive} for name, marker in MARKERS.items()
    ]
    lock = format_lock({**parse_lock(LOCK).document, "packages": packages})
    interpreter = find(str(Path(sys.executable).resolve()))

    resolution = select_artifacts(lock, interpreter, "/", str, subset)

    assert {package.name for package in resolution.packages} == expected


INVALID: dict[str, tuple[dict[str, Any], tuple[str | int, ...], str, str]] = {
    "misspelled extra": (
        {"extras": ("fast-oi",)},
        ("extras", 0),
        "no extra `fast-oi` in `{here}/pylock.toml`",
        "did you mean `fast-io`?",
    ),
    "unknown group": (
        {"groups": ("Docs", "x")},
        ("groups", 1),
        "no dependency group `x` in `{here}/pylock.toml`",
        "choose from: `default`, `docs`",
    ),
    "extra without a lockfile": (
        {"lock": "", "extras": ("a",)},
        ("extras",),
        "`extras` has no file to select from",
        'for a package, write `packages = ["name[extra]"]`; else set `lock`, or name a '
        "`pyproject.toml` in `requirements`",
    ),
    "group without a lockfile": (
        {"lock": "", "groups": ("a",)},
        ("groups",),
        "`groups` has no file to select from",
        "set `lock`, or name a `pyproject.toml` in `requirements`",
    ),
}


def _diagnostics(directory: Path, fields: dict[str, Any]) -> list[tuple[Any, str, str]]:
    return validate_table(directory, **{"lock": "pylock.toml", **fields})[1]


@pytest.mark.parametrize(("fields", "key", "message", "hint"), INVALID.values(), ids=INVALID)
def test_invalid_selection_is_reported_at_its_place(
    tmp_path: Path, fields: dict[str, Any], key: tuple[str | int, ...], message: str, hint: str
) -> None:
    (tmp_path / "pylock.toml").write_text(LOCK + "packages = []\n")
    assert _diagnostics(tmp_path, fields) == [(key, message.format(here=tmp_path), hint)]


def test_selection_from_a_lock_that_declares_none_is_an_error(tmp_path: Path) -> None:
    header = LOCK.splitlines()[:2]
    (tmp_path / "pylock.toml").write_text("\n".join([*header, "packages = []"]))
    ((_, _, hint),) = _diagnostics(tmp_path, {"extras": ("a",)})
    assert hint == "remove it; the file declares none"


def test_invalid_lockfile_is_the_only_error(tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text("extras = 1")
    ((key, _, _),) = _diagnostics(tmp_path, {"extras": ("a",)})
    assert key == ("lock",)


def test_unknown_dependencies_are_reported_as_such() -> None:
    (notice,) = missing_notice("/srv/web", format_lock({"packages": []}), None)
    assert notice == "`/srv/web` may lack dependencies (`no-deps`); their list isn't available"
