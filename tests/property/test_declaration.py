"""Any text either loads or produces errors with valid locations."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.declaration.diagnostics import DeclarationError
from engine.declaration.load import load_declaration
from engine.declaration.source_file import SourceFile
from engine.output.snippets import diagnostic_reports, format_diagnostics, locate_all
from engine.output.text import Paint
from engine.resource import Resource
from tests.property.conftest import Declare
from tests.property.strategies import Tables, as_json, as_toml, mangled, widget_tables
from tests.unit.widget_kind import widget_registry


def _load(
    sources: tuple[SourceFile, ...], cache: str | None = None
) -> tuple[Resource, ...] | DeclarationError:
    try:
        return load_declaration(sources, widget_registry(), cache, allow_empty=True)
    except DeclarationError as error:
        return error


@given(mangled() | st.text())
def test_any_text_loads_or_reports_valid_locations(declare: Declare, text: str) -> None:
    error = _load(declare(text))
    if not isinstance(error, DeclarationError):
        return
    assert error.diagnostics
    lines = text.removeprefix("\ufeff").split("\n")
    for diagnostic in locate_all(error):
        assert diagnostic.message
        assert 0 <= diagnostic.line <= len(lines)
        if diagnostic.line:
            assert 1 <= diagnostic.column <= len(lines[diagnostic.line - 1]) + 1
    assert len(diagnostic_reports(error)) == len(error.diagnostics)
    output = format_diagnostics(error, Paint(on=False))
    assert "https://ann:s3cret@" not in output
    assert "\x1b" not in output


@given(mangled())
def test_cached_load_equals_a_fresh_load(
    declare: Declare, cache_directory: Path, text: str
) -> None:
    sources = declare(text)
    fresh = _load(sources)
    for _ in range(2):
        cached = _load(sources, str(cache_directory))
        if isinstance(fresh, DeclarationError):
            assert isinstance(cached, DeclarationError)
            assert cached.diagnostics == fresh.diagnostics
        else:
            assert cached == fresh


@given(widget_tables())
def test_toml_and_json_load_the_same_resources(declare: Declare, tables: Tables) -> None:
    assert _load(declare(as_toml(tables))) == _load(declare(as_json(tables)))


@given(widget_tables())
def test_resources_match_the_declared_tables(declare: Declare, tables: Tables) -> None:
    resources = _load(declare(as_toml(tables)))
    assert not isinstance(resources, DeclarationError)
    assert {resource.name for resource in resources} == {*tables}
    for resource in resources:
        table = dict(tables[resource.name])
        assert Path(resource.spec.path).name == table.pop("path")
        for key, value in table.items():
            expected = tuple(value) if isinstance(value, list) else value
            assert getattr(resource.spec, key) == expected
