"""One table against the spec of its kind, by pydantic, with words for people."""

from __future__ import annotations

import datetime
import difflib
import json
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from engine.frozen import REQUIRED, fields
from engine.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import BaseModel

    from engine.declaration.inputs import TableInputs
    from engine.kind import AnyKind

_WORDS = {
    "missing": "the key `{key}` is missing",
    "string_type": "`{key}` must be a string",
    "bool_type": "`{key}` must be true or false",
    "int_type": "`{key}` must be a whole number",
    "int_from_float": "`{key}` must be a whole number",
    "tuple_type": '`{key}` must be an array, as in `["…"]`',
    "dict_type": "`{key}` must be a table",
    "literal_error": "`{key}` must be {expected}",
    "string_too_short": "`{key}` must not be empty",
    "json_invalid": "nested too deeply",
}
"""pydantic's error types (its documentation, "Validation errors") in the words of a TOML file."""


def key_of(name: str) -> str:
    """Return the TOML key of a spec's field."""
    return name.replace("_", "-")


def keys_of(kind: AnyKind) -> list[str]:
    """Return all keys that a table of this kind may have; derived fields have none."""
    return [key_of(name) for name, field in fields(kind.spec).items() if not field.derived]


def suggest(word: str, known: Iterable[str]) -> str:
    """Return a question that offers the known word most like this one; empty if none is."""
    folded = {one.replace("-", "").rstrip("s"): one for one in known}
    plain = word.lower().replace("_", "").replace("-", "").rstrip("s")
    near = difflib.get_close_matches(plain, folded, n=1, cutoff=0.7)
    return f"did you mean `{folded[near[0]]}`?" if near else ""


_models: dict[type[Any], type[BaseModel]] = {}
"""Made once for each spec: that takes longer than to check all of a table."""


def table_of(spec: type[Any]) -> type[BaseModel]:
    """Return pydantic's model of the table that a spec is made from."""
    if spec not in _models:
        _models[spec] = _model(spec)
    return _models[spec]


def _model(spec: type[Any]) -> type[BaseModel]:
    from pydantic import BaseModel, ConfigDict, Field, create_model

    # Specs name these for type checkers only; see `engine.frozen` for why.
    words: dict[str, Any] = {"Literal": Literal, "Any": Any}
    hints = get_type_hints(spec, localns=words)
    columns: dict[str, Any] = {}
    for name, field in fields(spec).items():
        if not field.derived:
            default = ... if field.default is REQUIRED else field.default
            columns[name] = (hints[name], Field(default, description=field.description))
    config = ConfigDict(extra="forbid", strict=True, alias_generator=key_of)
    model: type[BaseModel] = create_model(
        spec.__name__, __config__=config, __doc__=spec.__doc__, **columns
    )
    assert issubclass(model, BaseModel)
    return model


def validate(kind: AnyKind, table: dict[str, Any], source: TableInputs) -> Any | None:
    """Parse a table into the kind's spec; `None` and told problems where it does not fit.

    Strict, and by way of JSON, where an array may become a tuple: no string is taken for
    a number, nor the other way round.
    """
    from pydantic import ValidationError

    nul = [*_nul(table), *([()] if "\0" in str(source.table[-1]) else [])]
    for key in nul:
        source.problem(key, "a NUL character stands in a text", "no path and no argument has one")
    if nul:
        return None
    try:
        text = json.dumps(table, default=_date)
    except ValueError:
        source.problem((), "a number has thousands of digits", "no key has use for such a number")
        return None
    try:
        model = table_of(kind.spec).model_validate_json(text)
        return kind.spec(**dict(model))
    except ValidationError as error:
        for one in error.errors(include_url=False):
            _complain(one, source)
        return None


def _nul(content: Any, key: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of each text with a NUL character: the system's calls take none."""
    if isinstance(content, str) and "\0" in content:
        yield key
    elif isinstance(content, dict | list):
        for part, one in content.items() if isinstance(content, dict) else enumerate(content):
            yield from _nul(one, (*key, part))


def _complain(error: Any, source: TableInputs) -> None:
    key = tuple(error["loc"])
    words = _WORDS.get(error["type"])
    if words is None:
        words = "`{key}`: " + error["msg"][:1].lower() + error["msg"][1:]
    shown = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    expected = (error.get("ctx") or {}).get("expected", "")
    message = words.format(key=shown.lstrip("."), expected=expected)
    source.problem(key[:-1] if error["type"] == "missing" else key, message, _found(error))


def _found(error: Any) -> str:
    if error["type"] == "missing":
        return ""
    # Before it is cut: half a URL is not known for one.
    value = redact(json.dumps(error["input"], ensure_ascii=False, default=str))
    return f"found {value if len(value) < 60 else value[:57] + '…'}"


def _date(value: object) -> str:
    """TOML has dates; where one is wanted, its text will do."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)
