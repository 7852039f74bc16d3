"""`converge status`: print a summary of each venv. Reads only."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import setup_progress
from engine.declaration.validate import key_of
from engine.diff import compare
from engine.errors import ConvergeError
from engine.frozen import fields
from engine.redaction import redact_all
from engine.system.lock import is_held
from states.commands.per_venv import print_results, run_per_venv
from states.commands.text.status import format_others, format_venvs
from states.commands.venv_arguments import load_resources, present_venvs
from states.venv.accounts import renamed_accounts
from states.venv.generations import in_use
from states.venv.generations.gc import is_pinned
from states.venv.generations.store import (
    generation_names,
    is_finished,
    list_generations,
    live_id,
)
from states.venv.generations.verify_log import last_verified
from states.venv.goals import VenvHandle
from states.venv.kind import VenvKind
from states.venv.observe import REMEDIED
from states.venv.resolve.selection import (
    interpreter_matches,
    local_projects_changed,
    matches_settings,
)
from states.venv.run.shared import VenvRun

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, TypeAlias

    from engine.cli.command import BuildRegistry
    from engine.diff import Change, State
    from engine.kind import AnyKind, Dependencies
    from engine.registry import KindRegistry
    from engine.resource import Resource
    from engine.settings import Settings
    from states.venv.integrity.receipt import Receipt
    from states.venv.layout import Store
    from states.venv.spec import File, Venv

    _Compared: TypeAlias = tuple[State | None, State | None, str]

_DECLARED = VenvKind.declared | VenvKind.immutable
"""Attributes that differ if the declaration changed."""
_CHANGED = "declaration changed since the last apply"


def _add_arguments(parser: ArgumentParser) -> None:
    options.add_files_argument(parser)
    options.add_output_options(parser)


def _status(arguments: Namespace, build_registry: BuildRegistry) -> int:
    setup_progress(arguments)
    progress.start()
    settings = options.build_settings(arguments)
    registry, resources = load_resources(arguments, build_registry)

    def describe(venv: Resource) -> dict[str, Any]:
        with progress.task(venv.address):
            return _row(venv, settings)

    rows, errors = run_per_venv(present_venvs(resources), describe)
    others = [*other_rows(registry, resources)]
    lines = [
        *format_venvs([*rows.values()], verbose=arguments.verbose),
        *format_others(others),
    ]
    document = {"venvs": [*rows.values()], "resources": others}
    return print_results(document, lines, errors, arguments)


def _row(venv: Resource, settings: Settings) -> dict[str, Any]:
    """Return the status of one venv, in the form that `--json` prints."""
    handle = VenvHandle(venv.spec, VenvRun(settings))
    observation = handle.observation
    store, receipt, state = observation.store, observation.receipt, observation.state
    live = live_id(store)
    return {
        "address": venv.address,
        "path": venv.spec.path,
        "present": state is not None,
        "generation": receipt.generation if receipt else None,
        "created": receipt.created if receipt else None,
        "packages": len(receipt.packages) if receipt else 0,
        "python": receipt.python.version if receipt else None,
        "verified": last_verified(settings.state, receipt.path) if receipt else None,
        "pinned": bool(live and is_pinned(store, live)),
        "held": bool(observation.held),
        "drift": list(_drift(handle)),
        "observed": None if state is None else dict(state),
        "declared": _declared_keys(venv.spec),
        "old_generations_in_use": _old_generations_in_use(store, live),
    }


def _drift(handle: VenvHandle) -> Iterator[str]:
    """Yield each difference that can be seen without resolving versions.

    These are the differences that `check` finds, by the same comparison.
    """
    spec, observation, held = handle.spec, handle.observation, handle.observation.held
    receipt, state = observation.receipt, observation.state or {}
    if receipt is not None and not held and not handle.requires_lookup:
        # Another resource selects such an interpreter, and this command doesn't observe that one.
        dependencies = {spec.python: ({"python": str(receipt.python)}, "")}
        diff = compare(handle.observed, handle.goal(dependencies).desired)
        yield from _describe(diff.changes)
        return
    observed = [*observation.drifted, *(name for name in state if name.startswith(REMEDIED))]
    yield from (f"{name} {state.get(name, 'missing')}" for name in observed)
    # A venv that is held at a generation differs from its declaration on purpose.
    if state and state["path"] not in (spec.path, held):
        yield f"path {state['path']}"
    if receipt is None:
        return
    for attribute, value in renamed_accounts(receipt).items():
        yield f"{attribute} {value}"
    interpreter_drift = receipt.python.drift()
    if interpreter_drift:
        yield f"python {receipt.python.attribute(interpreter_drift)}"
    if not held and not _matches_declaration(spec, receipt):
        yield _CHANGED


def _matches_declaration(spec: Venv, receipt: Receipt) -> bool:
    if local_projects_changed(spec, receipt) or not matches_settings(spec, receipt):
        return False
    # Another resource selects such an interpreter, and this command doesn't observe that one.
    is_reference = spec.python.startswith("interpreter.")
    return is_reference or interpreter_matches(spec.python, receipt)


def _describe(changes: Iterable[Change]) -> Iterator[str]:
    """Yield the text of each change. A changed declaration is one difference."""
    is_declaration_changed = False
    for change in changes:
        before = change.before or "missing"
        # The ID of an owner differs without a change of the declaration.
        if change.attribute in _DECLARED and not before.startswith(("uid ", "gid ")):
            is_declaration_changed = True
        elif change.attribute != "generation":
            yield f"{change.attribute} {before}"
    if is_declaration_changed:
        yield _CHANGED


def _declared_keys(spec: Venv) -> dict[str, Any]:
    """Return the keys of the table whose values aren't the defaults, without passwords."""
    declared = {
        key: {name: _nondefault(table) for name, table in value.items()}
        if key == "files"
        else value
        for key, value in _nondefault(spec).items()
    }
    if spec.build_settings:
        # Imported here: few venvs declare such settings.
        from states.venv.resolve.builds.settings import parse_settings

        declared |= {key: value for key, value in parse_settings(spec).items() if value}
    return {key: redact_all(value) for key, value in declared.items()}


def _nondefault(table: Venv | File) -> dict[str, Any]:
    return {
        key_of(name): getattr(table, name)
        for name, field in fields(table).items()
        if not field.computed and getattr(table, name) != field.default
    }


def _readable_generations(store: Store) -> list[str]:
    """Return the finished generations. One that another user builds now can't be examined."""
    if not is_held(store.lock):
        return list_generations(store)
    names = []
    for name in generation_names(store):
        with suppress(PermissionError):
            names += [name] if is_finished(store, name) else []
    return names


def _old_generations_in_use(store: Store, live: str | None) -> dict[str, list[int]]:
    """Return the IDs of the processes that run from each generation that isn't live."""
    processes = {
        generation: in_use.using_processes(store.generation(generation))
        for generation in _readable_generations(store)
        if generation != live
    }
    return {generation: pids for generation, pids in processes.items() if pids}


def other_rows(registry: KindRegistry, resources: Sequence[Resource]) -> Iterator[dict[str, Any]]:
    """Yield the state of each resource that isn't a venv, without a lookup.

    A resource is compared with the observed state of its dependencies, as if no other resource
    changed.

    Args:
        registry: The kinds.
        resources: All resources in topological order. Each is observed at most once: many links
            can point into one venv.

    Yields:
        The rows, in the form that `--json` prints.

    """
    needed = {need for resource in resources for need in resource.needs}
    dependencies: dict[str, tuple[State | None, str]] = {}
    for resource in resources:
        if resource.kind == "venv" and resource.address not in needed:
            continue
        kind = registry.kinds[resource.kind]
        compared = _compare(resource, kind, dependencies)
        if compared is not None:
            observed, _, identity = compared
            dependencies[resource.address] = observed, identity
        if resource.kind != "venv":
            yield {
                "address": resource.address,
                "path": next(iter(kind.owned_paths(resource.spec)), None),
                "state": _state(compared, runs=kind.display.runs),
            }


def _compare(resource: Resource, kind: AnyKind, dependencies: Dependencies) -> _Compared | None:
    """Observe a resource, and decide its goal.

    Args:
        resource: The resource.
        kind: Its kind.
        dependencies: Those of the earlier resources whose state is known.

    Returns:
        The observed state, the desired state, and the identity. None if the goal isn't known
        without a lookup, or after an error.

    """
    if not all(need in dependencies for need in resource.needs):
        return None
    try:
        handle = kind.open(resource.spec)
        if handle.requires_lookup:
            return None
        goal = handle.goal({need: dependencies[need] for need in resource.needs})
        return handle.observed, goal.desired, goal.identity
    except (ConvergeError, OSError):
        return None


def _state(compared: _Compared | None, *, runs: bool) -> str:
    """Return `ok`, `missing`, `drift`, `due` for a command, or `unknown` without a comparison."""
    if compared is None:
        return "unknown"
    observed, desired, _ = compared
    if observed == desired:
        return "ok"
    if runs:
        return "due"
    return "missing" if observed is None else "drift"


COMMAND = Command(
    "status",
    "Show a table of all venvs and other resources",
    _add_arguments,
    _status,
    group="Inspection",
    is_read_only=True,
    empty_document=lambda _: {"venvs": []},
    description="""\
Reads the disk, and queries no index. Drift doesn't change the exit code. To test for drift,
use `converge check`. With `--verbose`, lists every difference.""",
    examples=("converge status /etc/converge", "converge status site.toml --only venv.web -v"),
)
