"""Each resource comes right after its last dependency, and otherwise in the order of the file."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import assume, given

from engine.declaration.diagnostics import DeclarationError
from engine.declaration.graph import with_dependencies
from engine.declaration.load import load_declaration
from tests.property.conftest import Declare
from tests.property.strategies import Tables, as_toml, widget_tables
from tests.unit.widget_kind import widget_registry


def _needs(tables: Tables) -> dict[str, set[str]]:
    return {f"widget.{name}": set(table.get("needs", ())) for name, table in tables.items()}


def _load_error(declare: Declare, tables: Tables) -> DeclarationError | None:
    """Return the error in a declaration of these tables, or None if it's valid."""
    try:
        load_declaration(declare(as_toml(tables)), widget_registry(), None, allow_empty=True)
    except DeclarationError as error:
        return error
    return None


@given(widget_tables())
def test_order_takes_the_last_ready_resource(declare: Declare, tables: Tables) -> None:
    needs = _needs(tables)
    expected: list[str] = []

    def became_ready(address: str) -> int:
        """Return the position of the last dependency. `max` takes the first of equal ones."""
        return max((expected.index(need) for need in needs[address]), default=-1)

    while len(expected) < len(needs):
        remaining = [address for address in needs if address not in expected]
        ready = [address for address in remaining if needs[address] <= {*expected}]
        expected.append(max(ready, key=became_ready))
    order = load_declaration(declare(as_toml(tables)), widget_registry(), None, allow_empty=True)
    assert [resource.address for resource in order] == expected


@given(widget_tables())
def test_selection_includes_exactly_the_dependencies(declare: Declare, tables: Tables) -> None:
    order = load_declaration(declare(as_toml(tables)), widget_registry(), None, allow_empty=True)
    needs = _needs(tables)
    for wanted in needs:
        selected = [resource.address for resource in with_dependencies(order, {wanted})]
        assert wanted in selected
        assert all(needs[address] <= {*selected} for address in selected)
        assert selected == [resource.address for resource in order if resource.address in selected]
        assert all(
            address == wanted or any(address in needs[other] for other in selected)
            for address in selected
        )


@given(widget_tables(cycles=True))
def test_cycle_error_lists_existing_edges(declare: Declare, tables: Tables) -> None:
    needs = _needs(tables)
    error = _load_error(declare, tables)
    assume(error is not None)
    assert error is not None
    (diagnostic,) = error.diagnostics
    path = diagnostic.message.removeprefix("dependency cycle: ").split(" → ")
    assert path[0] == path[-1]
    assert len(path) > 1
    assert len({*path}) == len(path) - 1
    assert all(dependency in needs[address] for address, dependency in pairwise(path))
    assert 1 + len(diagnostic.related) == len(path) - 1
