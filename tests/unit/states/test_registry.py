"""The registry of kinds: which files of a directory are declarations."""

from __future__ import annotations

import pytest

from engine.settings import Settings
from states.__main__ import build_registry


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("site.toml", True),
        ("pylocks.toml", True),
        ("pylock.toml", False),
        ("pylock.web.toml", False),
        ("web.pylock.toml", False),
        ("web.pylock.dev.toml", False),
        ("pylock.web.dev.toml", True),
        (".taplo.toml", False),
        ("site.txt", False),
    ],
)
def test_declarations_are_toml_files_but_not_lockfiles(name: str, expected: bool) -> None:
    registry = build_registry(Settings(cache="/cache", state="/state"))
    assert registry.is_declaration(name) is expected
