"""Validate a table against the spec of its kind."""

from __future__ import annotations

import datetime
import difflib
import json
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from engine.frozen import REQUIRED, fields
from engine.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

    from engine.declaration.inputs import TableInputs
    from engine.kind import AnyKind
    from engine.table import Key

_MESSAGES = {
    "missing": "missing key `{key}`",
    "string_type": "`{key}` must be a string",
    "bool_type": "`{key}` must be true or false",
    "int_type": "`{key}` must be a whole number",
    "tuple_type": '`{key}` must be an array, as in `["…"]`',
    "dict_type": "`{key}` must be a table",
    "model_type": "`{key}` must be a table",
    "extra_forbidden": "unknown key `{key}`",
    "literal_error": "`{key}` must be {expected}",
    "string_too_short": "`{key}` must not be empty",
}
"""Messages by error type (pydantic documentation, "Validation Errors")."""
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1
"""The integers that TOML 1.0 requires parsers to accept ("Integer")."""
_VALUE_WIDTH = 60
"""Maximum number of characters of a value in a message."""


def key_of(name: str) -> str:
    """Return the TOML key of a field. A final `_` distinguishes a field from a Python keyword."""
    return name.rstrip("_").replace("_", "-")


def keys_of(kind: AnyKind) -> list[str]:
    """Return the valid keys of a table of this kind. Computed fields have none."""
    return _keys(kind.spec)


def _keys(spec: type[Any]) -> list[str]:
    return [key_of(name) for name, field in fields(spec).items() if not field.computed]


def suggest(word: str, candidates: Iterable[str]) -> str:
    """Return a question that offers the most similar candidate, or an empty string."""
    by_form = {_comparable(candidate): candidate for candidate in candidates}
    matches = difflib.get_close_matches(_comparable(word), by_form, n=1, cutoff=0.7)
    return f"did you mean `{by_form[matches[0]]}`?" if matches else ""


def _comparable(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "").rstrip("s")


_models: dict[type[Any], type[BaseModel]] = {}
"""Models by spec. To create a model takes longer than to validate all of its tables."""
_specs: dict[type[Any], type[Any]] = {}
"""Specs by model."""


def table_model(spec: type[Any]) -> type[BaseModel]:
    """Return the pydantic model of the tables that become this spec."""
    if spec not in _models:
        _models[spec] = _create_model(spec)
        _specs[_models[spec]] = spec
    return _models[spec]


def _create_model(spec: type[Any]) -> type[BaseModel]:
    # Imported here: a run with `--only` uses `suggest` without validating.
    from pydantic import BaseModel, ConfigDict, Field, create_model

    # Specs import these under `TYPE_CHECKING` only (see `engine.frozen`).
    hints = get_type_hints(spec, localns={"Literal": Literal, "Any": Any})
    columns: dict[str, Any] = {}
    for name, field in fields(spec).items():
        if not field.computed:
            default = ... if field.default is REQUIRED else field.default
            hint = dict[str, table_model(field.table)] if field.table else hints[name]  # type: ignore[misc]
            columns[name] = (hint, Field(default, description=field.description))
    config = ConfigDict(extra="forbid", strict=True, alias_generator=key_of)
    model: type[BaseModel] = create_model(
        spec.__name__, __config__=config, __doc__=spec.__doc__, **columns
    )
    assert issubclass(model, BaseModel)
    return model


def validate(kind: AnyKind, table: dict[str, Any], inputs: TableInputs) -> Any | None:
    """Turn a table into a spec. Validation is strict: a string never counts as a number.

    Args:
        kind: The kind of the table.
        table: The table, without unknown keys.
        inputs: Receives the errors.

    Returns:
        The spec, not yet normalized, or None if there are errors.

    """
    from pydantic import ValidationError

    errors: dict[Key, str] = {}
    content = None
    if "\0" in str(inputs.table[-1]):
        errors[()] = _NUL
    try:
        content = _to_python(table, (), errors)
    except RecursionError:
        errors[()] = "nested too deeply"
    for key, message in errors.items():
        inputs.error(key, message)
    if errors:
        return None
    try:
        return _to_spec(table_model(kind.spec).model_validate(content))
    except ValidationError as error:
        for details in _merged(error.errors(include_url=False), content):
            _report(details, inputs, kind.spec)
        return None


def _to_spec(value: Any) -> Any:
    """Return a spec for a model, and for each model in it."""
    if isinstance(value, dict):
        return {key: _to_spec(item) for key, item in value.items()}
    spec = _specs.get(type(value))
    return spec(**{name: _to_spec(item) for name, item in value}) if spec else value


_NUL = "NUL characters aren't allowed"


def _to_python(value: Any, key: Key, errors: dict[Key, str]) -> Any:
    """Convert a value to the types of a spec: arrays to tuples, and dates to strings.

    Args:
        value: A value of the document.
        key: Its location in the table.
        errors: Extended by the values that no kind can use.

    Returns:
        The converted value.

    """
    if isinstance(value, dict):
        return {name: _to_python(item, (*key, name), errors) for name, item in value.items()}
    if isinstance(value, list):
        return tuple(_to_python(item, (*key, index), errors) for index, item in enumerate(value))
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, str) and "\0" in value:
        errors[key] = _NUL  # No path, argument, or environment variable can contain one.
    elif isinstance(value, int) and not _MIN_INTEGER <= value <= _MAX_INTEGER:
        errors[key] = "number too large"
    return value


def _merged(errors: Iterable[Any], content: Any) -> list[Any]:
    """Return one error for each value, although pydantic reports each type that it may have.

    Args:
        errors: The errors of pydantic. After the key of a value that may have several types, a
            location contains the name of the type.
        content: The validated table.

    Returns:
        The errors, with keys as locations. An error in a value replaces that of the whole value.

    """
    merged: dict[Key, Any] = {}
    for error in errors:
        key = error["loc"] if error["type"] == "missing" else _key_in(content, error["loc"])
        other = merged.get(key)
        if other is not None:
            alternative = _MESSAGES.get(error["type"], "").partition(" must be ")[2]
            error = {**other, "or": f"{other.get('or', '')} or {alternative}"}  # noqa: PLW2901
        merged[key] = {**error, "loc": key}
    return [
        error
        for key, error in merged.items()
        if not any(len(inner) > len(key) and inner[: len(key)] == key for inner in merged)
    ]


def _key_in(content: Any, location: Key) -> Key:
    """Return the parts of a location that are keys and indexes in a document."""
    key: list[str | int] = []
    for part in location:
        try:
            content = content[part]
        except (KeyError, TypeError, IndexError):
            continue
        key.append(part)
    return tuple(key)


def _report(error: Any, inputs: TableInputs, spec: type[Any]) -> None:
    """Report one error.

    Args:
        error: The details of the error, as returned by `_merged`.
        inputs: Receives the error.
        spec: The spec of the table.

    """
    key = error["loc"]
    template = _MESSAGES.get(error["type"])
    if template is None:
        template = "`{key}`: " + error["msg"][:1].lower() + error["msg"][1:]
    dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    expected = (error.get("ctx") or {}).get("expected", "")
    message = template.format(key=dotted.lstrip("."), expected=expected) + error.get("or", "")
    if error["type"] == "missing":
        inputs.error(key[:-1], message)
    elif error["type"] == "extra_forbidden":
        keys = _keys(_table_of(spec, key))
        hint = suggest(str(key[-1]), keys) or f"valid keys: {', '.join(keys)}"
        inputs.error(key, message, hint, marks_key=True)
    else:
        hint = "put it in quotes" if _lacks_quotes(error) else ""
        if error["type"] == "model_type":
            hint = f"write `{{ {_keys(_table_of(spec, key))[0]} = … }}`, for example"
        inputs.error(key, f"{message}, found {_shortened(error['input'])}", hint)


def _table_of(spec: type[Any], key: Key) -> type[Any]:
    """Return the class of the nested table at the beginning of a key."""
    tables = {key_of(name): field.table for name, field in fields(spec).items() if field.table}
    return tables[str(key[0])]


def _lacks_quotes(error: Any) -> bool:
    """Return whether a string was written as a number or a date, such as `3.10`."""
    return error["type"] == "string_type" and type(error["input"]) in (int, float)


def _shortened(value: object) -> str:
    """Return the start of a value as JSON."""
    # Redacted before it is cut: half a URL wouldn't be recognized.
    text = redact(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) < _VALUE_WIDTH else f"{text[: _VALUE_WIDTH - 3]}…"
