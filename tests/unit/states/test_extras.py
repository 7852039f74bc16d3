"""The extras of a package, from whichever source the lock names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import Unavailable
from states.venv.resolve.diagnosis.extras import find_extras
from states.venv.resolve.diagnosis.warnings import resolution_notices
from states.venv.resolve.requirements import declared_lines
from states.venv.spec import Venv
from tests.support.wheels import make_wheel

METADATA = "Name: web\nProvides-Extra: Tls_1\nProvides-Extra: async\n\nProvides-Extra: body\n"


def _unavailable(url: str) -> str:
    raise Unavailable(url)


def test_extras_of_each_kind_of_source(tmp_path: Path) -> None:
    """An index offers the metadata beside the wheel."""
    wheel = make_wheel(tmp_path, "web", "1.0", extras={"async": ["six"]})
    (tmp_path / "pyproject.toml").write_text("[project.optional-dependencies]\nTls = []\n")
    texts = {"https://x/web-1.0.whl.metadata": METADATA}
    index = {"wheels": [{"url": "https://x/web-1.0.whl#sha256=ab"}]}
    assert find_extras({"wheels": [{"path": str(wheel)}]}, _unavailable) == ["async"]
    assert find_extras({"archive": {"url": f"file://{wheel}"}}, _unavailable) == ["async"]
    assert find_extras({"directory": {"path": str(tmp_path)}}, _unavailable) == ["tls"]
    assert find_extras(index, texts.get) == ["async", "tls-1"]


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"sdist": {"path": "/srv/web.tar.gz"}},
        {"wheels": [{"url": "https://x/web.whl"}]},
        {"wheels": [{"path": "/dev/null/web.whl"}]},
        {"wheels": [{"path": __file__.replace(".py", ".whl")}]},
        {"directory": {"path": "/nonexistent"}},
        {"vcs": {"type": "git", "url": "https://x/web"}},
    ],
)
def test_unreadable_metadata_has_no_extras(entry: dict[str, Any]) -> None:
    assert find_extras(entry, _unavailable) == []


@pytest.mark.parametrize(
    ("offered", "end"),
    [
        (["async", "tls"], "adds no packages; did you mean `web[async]`?"),
        (["redis", "tls"], "adds no packages; its extras: `redis`, `tls`"),
        ([f"{letter}{letter}" for letter in "bcdefghij"], "`hh`, `ii`, …"),
        ([], "adds no packages"),
    ],
)
def test_unknown_extra_gets_a_suggestion(offered: list[str], end: str) -> None:
    output = "warning: The package `web==1.0` does not have an extra named `asynk`\n"
    lines = declared_lines(["web[asynk]"])
    (notice,) = resolution_notices(output, Venv(path="/srv/web"), lines, lambda _name: offered)
    assert notice.endswith(end)
