"""The arguments FILE, NAME, and ID, in any order of options and with the default file."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.parser import parse_arguments
from states.__main__ import COMMANDS


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rollback", {"names": []}),
        ("rollback web", {"names": ["web"]}),
        ("rollback web api", {"names": ["web", "api"]}),
        ("rollback converge.toml web api", {"names": ["web", "api"]}),
        ("rollback converge.toml --dry-run web api", {"names": ["web", "api"], "dry_run": True}),
        ("rollback converge.toml web --lock-timeout 3 api", {"names": ["web", "api"]}),
        ("rollback converge.toml --to 3 web", {"names": ["web"], "to": "3"}),
        ("history converge.toml --json web", {"name": "web", "json": True}),
        ("pin", {"name": None, "identifier": None}),
        ("pin web", {"name": "web", "identifier": None}),
        ("pin web 000002", {"name": "web", "identifier": "000002"}),
        ("pin converge.toml web 000002", {"name": "web", "identifier": "000002"}),
        ("pin web --remove 000002", {"name": "web", "identifier": "000002", "remove": True}),
        ("adopt -n web", {"name": "web", "dry_run": True}),
    ],
)
def test_arguments_are_recognized_by_their_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, expected: dict[str, object]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("converge.toml").touch()
    arguments = vars(parse_arguments(line.split(), COMMANDS))
    assert arguments["files"] == ["converge.toml"]
    assert {name: arguments[name] for name in expected} == expected
