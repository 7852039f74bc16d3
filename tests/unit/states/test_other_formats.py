"""Files of other tools that were named as a declaration are recognized by their content."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.declaration.diagnostics import DeclarationError
from engine.declaration.load import load_declaration, read_sources
from engine.output.snippets import diagnostic_reports, format_diagnostics
from engine.output.text import Paint
from engine.settings import Settings
from states.__main__ import build_registry

FILES = {
    "project": ('[build-system]\nrequires = []\n[project]\nname = "web"\n', "a Python project"),
    "tools": ("[tool.ruff]\nline-length = 100\n[tool.mypy]\n", "a Python project"),
    "uv.lock": ('version = 1\nrevision = 3\n[[package]]\nname = "six"\n', "a lockfile of uv"),
    "poetry.lock": ('[[package]]\nname = "six"\n[metadata]\n', "a lockfile of another tool"),
    "pylock.toml": ('lock-version = "1.0"\npackages = []\n', "a lockfile (PEP 751)"),
    "requirements": ("# web\n\nsix==1.17.0\nrequests[socks] >= 2\nflask\n", "a requirement file"),
    "requirement options": ("--index-url https://example.org\n-r base.txt\n", "a requirement file"),
    "hashes": ("six==1 \\\n    --hash=sha256:00\n./web.whl ; python_version>'3'\n",
               "a requirement file"),
}  # fmt: skip
OTHERS = {
    "unknown tables": "[server]\nport = 1\n[client]\n",
    "broken TOML": '[venv.web]\npath = "web"\npackages = [\n',
    "YAML": "venv:\n  web:\n",
    "a kind next to a tool": '[tool.x]\n[venv.web]\npath = "web"\n',
}


def _load_error(directory: Path, content: str) -> DeclarationError:
    file = directory / "site.toml"
    file.write_text(content)
    registry = build_registry(Settings(cache="/cache", state="/state"))
    with pytest.raises(DeclarationError) as caught:
        load_declaration(read_sources([str(file)], registry), registry, None)
    return caught.value


@pytest.mark.parametrize(("content", "file_format"), FILES.values(), ids=FILES)
def test_file_of_another_tool_is_reported_once(
    tmp_path: Path, content: str, file_format: str
) -> None:
    """The error has a hint."""
    [diagnostic] = _load_error(tmp_path, content).diagnostics
    assert diagnostic.message == f"not a declaration but {file_format}"
    assert diagnostic.hint


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_mistakes_in_a_declaration_keep_their_own_errors(tmp_path: Path, content: str) -> None:
    """An error in a declaration isn't hidden by a guess."""
    diagnostics = _load_error(tmp_path, content).diagnostics
    assert not any(message.startswith("not a declaration") for message in
                   (diagnostic.message for diagnostic in diagnostics))  # fmt: skip


@pytest.mark.parametrize("content", [FILES["requirements"][0], FILES["hashes"][0]])
def test_error_for_a_file_that_is_not_toml_can_be_printed(tmp_path: Path, content: str) -> None:
    error = _load_error(tmp_path, content)
    assert "requirement file" in format_diagnostics(error, Paint(False))
    assert [report["line"] for report in diagnostic_reports(error)] == [0]
