"""Validating a table against a spec, and suggestions for misspelled keys."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from engine.declaration.inputs import InputLog, TableInputs
from engine.declaration.validate import key_of, keys_of, suggest, validate
from engine.settings import Settings
from engine.table import Key
from states.venv.kind import VenvKind
from tests.unit.widget_kind import WidgetKind


def _validate(**table: Any) -> tuple[Any, list[tuple[Key, str, str]]]:
    """Return the spec, and key, message, and hint of each error."""
    log = InputLog()
    inputs = TableInputs("/x/a.toml", "/x", ("widget", "a"), {}, log)
    spec = validate(WidgetKind(), {"path": "a", **table}, inputs)
    return spec, [(error.key[2:], error.message, error.hint) for error in log.diagnostics]


def test_arrays_become_tuples_and_dates_become_strings() -> None:
    spec, errors = _validate(tags=["x", "y"], text=datetime.date(2024, 5, 6))
    assert errors == []
    assert (spec.tags, spec.text) == (("x", "y"), "2024-05-06")


@pytest.mark.parametrize(
    ("table", "key", "message", "hint"),
    [
        ({"size": "3"}, ("size",), '`size` must be a whole number, found "3"', ""),
        ({"size": 1.0}, ("size",), "`size` must be a whole number, found 1.0", ""),
        ({"size": True}, ("size",), "`size` must be a whole number, found true", ""),
        ({"size": 2**63}, ("size",), "number too large", ""),
        ({"size": [-(2**64)]}, ("size", 0), "number too large", ""),
        ({"enabled": 1}, ("enabled",), "`enabled` must be true or false, found 1", ""),
        ({"tags": "x"}, ("tags",), '`tags` must be an array, as in `["…"]`, found "x"', ""),
        ({"tags": [["x"]]}, ("tags", 0), '`tags[0]` must be a string, found ["x"]', ""),
        ({"tags": ["x", "\0"]}, ("tags", 1), "NUL characters aren't allowed", ""),
        ({"color": ["red"]}, ("color",), "`color` must be 'red' or 'blue', found [\"red\"]", ""),
        ({"text": {"b": 1}}, ("text",), '`text` must be a string, found {"b": 1}', ""),
    ],
)
def test_wrong_value_is_reported_at_its_key(
    table: dict[str, Any], key: Key, message: str, hint: str
) -> None:
    assert _validate(**table) == (None, [(key, message, hint)])


@pytest.mark.parametrize("size", [2**63 - 1, -(2**63)])
def test_64_bit_number_is_accepted(size: int) -> None:
    assert _validate(size=size)[0].size == size


def test_found_value_is_shortened_and_redacted() -> None:
    url = f"https://me:secret@host/{'x' * 90}"
    _, [(_, message, _)] = _validate(size=url)
    assert "secret" not in message
    assert len(message) == len("`size` must be a whole number, found ") + 58
    assert message.endswith("…")


def test_keys_are_declared_fields_in_toml_spelling() -> None:
    assert key_of("read_from") == "read-from"
    assert "read-from" in keys_of(WidgetKind())
    assert "digest" not in keys_of(WidgetKind())


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("colour", "did you mean `color`?"),
        ("READ_FROM", "did you mean `read-from`?"),
        ("tag", "did you mean `tags`?"),
        ("zebra", ""),
    ],
)
def test_suggestion_is_the_most_similar_word(word: str, expected: str) -> None:
    assert suggest(word, ["color", "read-from", "tags"]) == expected


TEXT_OR_ARRAY = 'must be a string or an array, as in `["…"]`'


@pytest.mark.parametrize(
    ("value", "key", "message"),
    [
        (1, (), f"`config-settings.a` {TEXT_OR_ARRAY}, found 1"),
        ({"b": "c"}, (), f'`config-settings.a` {TEXT_OR_ARRAY}, found {{"b": "c"}}'),
        (["b", 2], (1,), "`config-settings.a[1]` must be a string, found 2"),
    ],
)
def test_value_of_several_types_has_one_error(value: Any, key: Key, message: str) -> None:
    """Although each type rejects it, and at the innermost key."""
    log = InputLog({})
    inputs = TableInputs("/srv/site.toml", "/srv", ("venv", "web"), {}, log)
    kind = VenvKind(Settings(cache="/cache", state="/state"))
    table = {"path": "web", "config-settings": {"a": value}}

    assert validate(kind, table, inputs) is None

    (diagnostic,) = log.diagnostics
    assert diagnostic.key == ("venv", "web", "config-settings", "a", *key)
    assert diagnostic.message == message
