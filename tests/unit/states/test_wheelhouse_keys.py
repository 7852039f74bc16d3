"""Invalid `[wheelhouse.*]` tables: each error names the key, and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.main import main
from states.__main__ import build_registry

VENV = '[venv.web]\npath = "venvs/web"\npackages = []\n'


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("", "missing key `path`"),
        ('path = "/srv"', "`/srv` is a system directory"),
        ('path = "venvs/web"', "`venv.web` and `wheelhouse.main` have the same path"),
        ('path = "h"\nvenvs = ["web"]', 'write the address, as in "venv.web"'),
        ('path = "h"\nvenvs = ["venv.wep"]', "did you mean `venv.web`?"),
        ('path = "h"\nvenvs = ["venv.x*"]', "`venv.x*` matches no venv"),
        ('path = "h"\nvenvs = []', "`venvs` is empty"),
        ('path = "h"\nvenvs = "venv.web"', "venvs"),
        ('path = "h"\npythons = ["three"]', "invalid interpreter request `three`"),
        ('path = "h"\npythons = ["interpreter.x"]', "needs `interpreter.x`, which isn't declared"),
        ('path = "h"\nurl = "wheels.example"', "invalid URL `wheels.example`"),
        ('path = "h"\nurl = "https://a:b@wheels.example"', "a password isn't allowed here"),
        ('path = "h"\nurl = "https://wheels.example/?a=b"', "has a query or a fragment"),
        ('path = "h"\nkeep = -1', "`keep` must not be negative"),
        ('path = "h"\npackages = ["flask"]', "unknown key `packages`"),
    ],
)
def test_invalid_table_is_rejected(
    rows: str, expected: str, tmp_path: Path, places: object, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "site.toml"
    file.write_text(f"{VENV}[wheelhouse.main]\n{rows}\n")
    assert main(build_registry, argv=["validate", str(file)]) == 65
    assert expected in capsys.readouterr().err


def test_absent_venvs_need_no_wheels(tmp_path: Path, places: object) -> None:
    file = tmp_path / "site.toml"
    file.write_text(f'{VENV}state = "absent"\n[wheelhouse.main]\npath = "h"\n')
    assert main(build_registry, argv=["validate", str(file)]) == 0
