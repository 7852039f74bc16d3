"""Build resources from the text of all files, and collect every error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declaration.diagnostics import DeclarationError, Diagnostic
from engine.declaration.inputs import InputLog, TableInputs
from engine.declaration.parse import is_json, parse, table_header
from engine.declaration.tables.defaults import DEFAULTS, collect_defaults
from engine.declaration.tables.unknown_keys import unknown_key
from engine.declaration.toml_spans import find_spans
from engine.declaration.validate import keys_of, suggest, validate
from engine.frozen import frozen, replace
from engine.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from engine.declaration.source_file import SourceFile
    from engine.declaration.tables.defaults import Defaults
    from engine.registry import KindRegistry
    from engine.table import Key


@frozen
class MergedTable:
    """The table of one resource, with the defaults that apply to it."""

    content: Mapping[str, Any]
    """Before validation."""
    inputs: TableInputs
    """Where its values come from."""


@frozen
class Declaration:
    """The valid resources of a declaration, in declared order, and its inputs and errors."""

    resources: tuple[Resource, ...]
    addresses: frozenset[str]
    """The addresses of all resources, including invalid ones: other resources may need them."""
    readable: bool
    """Whether every file could be parsed. Otherwise an address may be missing."""
    texts: dict[str, str]
    """The content of each file."""
    log: InputLog
    tables: Mapping[str, MergedTable] = {}
    """The table of each valid resource, by its address."""

    def error(self, *diagnostics: Diagnostic) -> DeclarationError:
        """Return the error that reports these diagnostics."""
        return DeclarationError(diagnostics, self.texts)


@frozen
class _Table:
    """The table of one resource."""

    source: SourceFile
    kind: str
    name: str
    content: dict[str, Any]

    @property
    def key(self) -> Key:
        return (self.kind, self.name)


def build_declaration(sources: tuple[SourceFile, ...], registry: KindRegistry) -> Declaration:
    """Parse, validate, and normalize every resource. Errors are added to the log."""
    log = InputLog(registry.digest_functions)
    documents = [(source, _parse(source, registry, log)) for source in sources]
    readable = not log.diagnostics
    defaults = collect_defaults(documents, registry, log)
    tables = [
        table
        for source, document in documents
        for table in _in_text_order(source, list(_tables(source, document, registry, log)))
    ]
    resources: dict[str, Resource] = {}
    merged_tables: dict[str, MergedTable] = {}
    for table in tables:
        applicable = table.kind == registry.defaults_kind
        inherited = defaults.get(table.source.directory, {}) if applicable else {}
        merged = _merge(table, inherited, registry, log)
        resource = _build_resource(table, merged, registry)
        if resource is not None:
            _add(resource, resources, log)
            merged_tables.setdefault(resource.address, merged)
    return Declaration(
        resources=_with_references(resources, merged_tables, registry),
        addresses=frozenset(f"{table.kind}.{table.name}" for table in tables),
        readable=readable,
        texts={source.file: source.content for source in sources},
        log=log,
        tables=merged_tables,
    )


def _with_references(
    resources: Mapping[str, Resource], tables: Mapping[str, MergedTable], registry: KindRegistry
) -> tuple[Resource, ...]:
    """Return the resources with what they take from other tables, and with all dependencies.

    Args:
        resources: The resources by address.
        tables: The table of each resource.
        registry: The kinds.

    Returns:
        The resources. If there are errors already, references aren't resolved.

    """
    specs = {address: resource.spec for address, resource in resources.items()}
    is_valid = not any(table.inputs.log.diagnostics for table in tables.values())
    complete = []
    for address, resource in resources.items():
        kind, spec, inputs = registry.kinds[resource.kind], resource.spec, tables[address].inputs
        if is_valid:
            inputs.declared = specs
            spec = kind.resolve_references(spec, inputs)
        needs = dict.fromkeys((*getattr(spec, "needs", ()), *kind.implied_dependencies(spec)))
        complete.append(replace(resource, spec=spec, needs=tuple(needs)))
    return tuple(complete)


def _parse(source: SourceFile, registry: KindRegistry, log: InputLog) -> dict[str, Any]:
    """Parse a file. A file of another tool gets one error instead of one for each table.

    Args:
        source: The file.
        registry: The kinds.
        log: Extended by the errors.

    Returns:
        The tables, or an empty dict after a syntax error.

    """
    errors = InputLog({})
    document = parse(source, errors)
    if not any(kind in document for kind in (*registry.kinds, DEFAULTS)):
        recognized = registry.recognize(source.content, document)
        if recognized is not None:
            file_format, hint = recognized
            message = f"not a declaration but {file_format}"
            log.add(Diagnostic(source.file, message, hint))
            return {}
    for error in errors.diagnostics:
        log.add(error)
    return document


def _add(resource: Resource, resources: dict[str, Resource], log: InputLog) -> None:
    first = resources.setdefault(resource.address, resource)
    if first is not resource:
        log.add(
            Diagnostic(
                file=resource.file,
                key=(resource.kind, resource.name),
                message=f"`{resource.address}` is declared twice",
                hint=f"rename one of them; the other is in `{first.file}`",
            )
        )


def _tables(
    source: SourceFile, document: dict[str, Any], registry: KindRegistry, log: InputLog
) -> Iterator[_Table]:
    """Yield the table of each resource.

    Args:
        source: The file.
        document: Its parsed content.
        registry: The kinds.
        log: Extended by the errors.

    Yields:
        Each table, grouped by kind. Values that aren't tables are skipped.

    """
    for kind, named_tables in document.items():
        if kind == DEFAULTS:
            continue
        if kind not in registry.kinds:
            kinds = list(registry.kinds)
            hint = suggest(kind, [*kinds, DEFAULTS]) or f"valid kinds: {', '.join(kinds)}"
            message = f"unknown kind `{kind}`"
            log.add(Diagnostic(source.file, message, hint, (kind,), marks_key=True))
        elif not isinstance(named_tables, dict):
            message = f"`{kind}` must contain named tables: `[{kind}.NAME]`"
            log.add(Diagnostic(source.file, message, key=(kind,), marks_key=True))
        elif any(name in keys_of(registry.kinds[kind]) for name in _scalars(named_tables)):
            message, hint = f"`[{kind}]` has no name", f"write `[{kind}.NAME]`"
            log.add(Diagnostic(source.file, message, hint, (kind,), marks_key=True))
        else:
            for name in _scalars(named_tables):
                message = f"`{name}` must be a table: `{table_header(kind, name)}`"
                log.add(Diagnostic(source.file, message, key=(kind, name), marks_key=True))
            for name, content in named_tables.items():
                if isinstance(content, dict):
                    yield _Table(source, kind, name, content)


def _in_text_order(source: SourceFile, tables: list[_Table]) -> list[_Table]:
    """Return the tables of one file in the order of their lines.

    The parsers group tables by kind. In JSON, that is the order of the text as well.
    """
    if len({table.kind for table in tables}) < 2 or is_json(source.content):
        return tables
    keys, _ = find_spans(source.content)
    if not keys:
        return tables
    return sorted(tables, key=lambda table: (keys[table.key].line, keys[table.key].column))


def _scalars(named_tables: dict[str, Any]) -> list[str]:
    """Return the names whose values aren't tables."""
    return [name for name, content in named_tables.items() if not isinstance(content, dict)]


def _merge(table: _Table, defaults: Defaults, registry: KindRegistry, log: InputLog) -> MergedTable:
    """Merge a table with its defaults.

    Args:
        table: The table.
        defaults: The defaults that apply to it. A key in the table overrides them.
        registry: The kinds.
        log: Extended by the unknown keys. Shared by all tables.

    Returns:
        The merged table, without unknown keys.

    """
    keys = keys_of(registry.kinds[table.kind])
    for key in table.content:
        if key not in keys:
            log.add(unknown_key(table.source.file, (*table.key, key), keys, registry))
    inherited = {key: default for key, default in defaults.items() if key not in table.content}
    origins = {key: origin for key, (_, origin) in inherited.items()}
    content = {key: value for key, (value, _) in inherited.items()}
    content.update((key, value) for key, value in table.content.items() if key in keys)
    source = table.source
    return MergedTable(content, TableInputs(source.file, source.directory, table.key, origins, log))


def _build_resource(table: _Table, merged: MergedTable, registry: KindRegistry) -> Resource | None:
    """Build a resource from its table, without its dependencies.

    Args:
        table: The table.
        merged: The table with its defaults. Its log is extended by inputs and errors.
        registry: The kinds.

    Returns:
        The resource, or None if a value has the wrong type.

    """
    kind = registry.kinds[table.kind]
    spec = validate(kind, dict(merged.content), merged.inputs)
    if spec is None:
        return None
    spec = kind.normalize(spec, merged.inputs)
    return Resource(kind=table.kind, name=table.name, spec=spec, file=table.source.file)
