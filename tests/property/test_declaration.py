"""Any text is either a declaration, or told what is wrong with it, and where."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.excerpts import placed, problem_reports, problems_text
from engine.loading import Text, load
from engine.problems import DeclarationError
from engine.render import Paint
from engine.resource import Resource
from tests.property.conftest import Declare
from tests.property.strategies import Tables, as_json, as_toml, mangled, widget_tables
from tests.unit.widget_kind import widget_registry


def _loaded(
    texts: tuple[Text, ...], cache: str | None = None
) -> tuple[Resource, ...] | DeclarationError:
    try:
        return load(texts, widget_registry(), cache)
    except DeclarationError as error:
        return error


@given(mangled() | st.text())
def test_any_text_loads_or_reports_valid_locations(declare: Declare, text: str) -> None:
    found = _loaded(declare(text))
    if not isinstance(found, DeclarationError):
        return
    assert found.problems
    lines = text.removeprefix("\ufeff").split("\n")
    for problem in placed(found):
        assert problem.message
        assert 0 <= problem.line <= len(lines)
        if problem.line:
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
    assert len(problem_reports(found)) == len(found.problems)
    told = problems_text(found, Paint(on=False))
    assert "https://ann:s3cret@" not in told
    assert "\x1b" not in told


@given(mangled())
def test_cached_load_equals_a_fresh_load(declare: Declare, memo: Path, text: str) -> None:
    texts = declare(text)
    fresh = _loaded(texts)
    for _ in range(2):
        again = _loaded(texts, str(memo))
        if isinstance(fresh, DeclarationError):
            assert isinstance(again, DeclarationError)
            assert again.problems == fresh.problems
        else:
            assert again == fresh


@given(widget_tables())
def test_toml_and_json_load_the_same_resources(declare: Declare, tables: Tables) -> None:
    assert _loaded(declare(as_toml(tables))) == _loaded(declare(as_json(tables)))


@given(widget_tables())
def test_resources_match_the_declared_tables(declare: Declare, tables: Tables) -> None:
    found = _loaded(declare(as_toml(tables)))
    assert not isinstance(found, DeclarationError)
    assert {one.name for one in found} == {*tables}
    for one in found:
        table = dict(tables[one.name])
        assert Path(one.spec.path).name == table.pop("path")
        for key, value in table.items():
            said = getattr(one.spec, key)
            assert said == (tuple(value) if isinstance(value, list) else value)
