"""From TOML (or JSON) text to resources, with every problem that was found on the way."""

from __future__ import annotations

from engine.declaration import parse
from engine.declaration.diagnostics import DeclarationError, Diagnostic, Key
from engine.declaration.inputs import InputLog, TableInputs
from engine.declaration.validate import keys_of, suggest, validate
from engine.frozen import frozen
from engine.resource import Resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeAlias

    from engine.declaration.inputs import Origin
    from engine.declaration.source_file import SourceFile
    from engine.registry import KindRegistry

    Defaults: TypeAlias = dict[str, tuple[Any, Origin]]
    """A value for each key, and where it stands."""

DEFAULTS = "defaults"


@frozen
class Declaration:
    """All sound resources of a declaration, in the order of the text, and what was read."""

    resources: tuple[Resource, ...]
    addresses: frozenset[str]
    """Those of unsound ones too: to need one of these is no further mistake."""
    readable: bool
    """Whether every text could be parsed, so that no address can be missing."""
    texts: dict[str, str]
    """The content of each file."""
    notes: InputLog

    def error(self, *problems: Diagnostic) -> DeclarationError:
        """Make the error that shows these problems in their text."""
        return DeclarationError(problems, self.texts)


def build_declaration(texts: tuple[SourceFile, ...], composition: KindRegistry) -> Declaration:
    """Parse, check and complete every resource; what is wrong stands in the notes."""
    notes = InputLog()
    documents = [(text, parse.parse(text, notes)) for text in texts]
    readable = not notes.problems
    defaults = _defaults(documents, composition, notes)
    resources: dict[str, Resource] = {}
    addresses = set()
    for text, document in documents:
        for kind, name, table in _tables(text, document, composition, notes):
            addresses.add(f"{kind}.{name}")
            mine = defaults.get(text.directory, {}) if kind == composition.defaults_kind else {}
            resource = _resource(text, kind, name, table, mine, composition, notes)
            if resource is not None:
                _add(resource, resources, notes)
    return Declaration(
        resources=tuple(resources.values()),
        addresses=frozenset(addresses),
        readable=readable,
        texts={text.file: text.content for text in texts},
        notes=notes,
    )


def _add(resource: Resource, resources: dict[str, Resource], notes: InputLog) -> None:
    earlier = resources.setdefault(resource.address, resource)
    if earlier is not resource:
        notes.complain(
            resource.file,
            (resource.kind, resource.name),
            f"`{resource.address}` is declared twice",
            f"the other one is in `{earlier.file}`; rename one of them",
        )


def _defaults(
    documents: list[tuple[SourceFile, dict[str, Any]]], composition: KindRegistry, notes: InputLog
) -> dict[str, Defaults]:
    """Gather `[defaults]` by folder: it holds for all files of its folder declared together.

    So a relative path in it means the same for each of them.
    """
    gathered: dict[str, Defaults] = {}
    known = keys_of(composition.kinds[composition.defaults_kind])
    for text, document in documents:
        table = document.get(DEFAULTS, {})
        if not isinstance(table, dict):
            notes.complain(text.file, (DEFAULTS,), "must be a table, as in `[defaults]`")
            continue
        for key, content in table.items():
            if key not in known:
                _unknown_key(text.file, (DEFAULTS, key), known, notes)
                continue
            here = gathered.setdefault(text.directory, {})
            other, (file, _) = here.setdefault(key, (content, (text.file, (DEFAULTS,))))
            if other != content:
                notes.complain(
                    text.file,
                    (DEFAULTS, key),
                    f"`{key}` has two default values",
                    f"`{file}` sets another one, and defaults hold for a whole folder",
                )
    return gathered


def _tables(
    text: SourceFile, document: dict[str, Any], composition: KindRegistry, notes: InputLog
) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the resource tables of a document: kind, name and content."""
    found = []
    known = [*composition.kinds, DEFAULTS]
    for kind, group in document.items():
        if kind == DEFAULTS:
            continue
        if kind not in composition.kinds:
            hint = suggest(kind, known) or f"the kinds are {', '.join(composition.kinds)}"
            notes.complain(text.file, (kind,), f"unknown kind `{kind}`", hint)
        elif not isinstance(group, dict):
            message = f"must hold named tables, as in `[{kind}.NAME]`"
            notes.complain(text.file, (kind,), message)
        else:
            for name, table in group.items():
                if isinstance(table, dict):
                    found.append((kind, name, table))
                else:
                    message = f"must be a table, as in `[{kind}.{name}]`"
                    hint = f"a key of `[{kind}.NAME]` stands here without a name above it"
                    notes.complain(text.file, (kind, name), message, hint)
    return found


def _resource(
    text: SourceFile,
    kind_name: str,
    name: str,
    table: dict[str, Any],
    defaults: Defaults,
    composition: KindRegistry,
    notes: InputLog,
) -> Resource | None:
    """Turn one table into a resource; what is wrong with it goes to `notes`."""
    kind = composition.kinds[kind_name]
    known = keys_of(kind)
    for key in table:
        if key not in known:
            _unknown_key(text.file, (kind_name, name, key), known, notes)
    inherited = {key: one for key, one in defaults.items() if key not in table}
    origins: Mapping[str, Origin] = {key: origin for key, (_, origin) in inherited.items()}
    whole = {key: content for key, (content, _) in inherited.items()}
    whole.update({key: content for key, content in table.items() if key in known})
    source = TableInputs(text.file, text.directory, (kind_name, name), origins, notes)
    spec = validate(kind, whole, source)
    if spec is None:
        return None
    spec = kind.normalize(spec, source)
    needs = dict.fromkeys((*getattr(spec, "needs", ()), *kind.implied_dependencies(spec)))
    return Resource(kind=kind_name, name=name, spec=spec, needs=tuple(needs), file=text.file)


def _unknown_key(file: str, key: Key, known: list[str], notes: InputLog) -> None:
    word = str(key[-1])
    hint = suggest(word, known) or f"the keys are {', '.join(known)}"
    table = parse.header(*(str(part) for part in key[:-1]))
    notes.complain(file, key, f"unknown key `{word}` in {table}", hint)
