"""Roll back, list, and collect the removals of the kind `global`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import progress
from engine.cli.follow_up import command_line
from engine.errors import ConvergeError, UsageError
from engine.frozen import frozen
from engine.system.existence import entry_exists
from engine.system.lock import hold_lock
from states.commands.text.gc import Garbage
from states.commands.venv_arguments import match_prefix, present_venvs
from states.global_installs.kind import GlobalHandle
from states.global_installs.removal.apply import (
    all_removals,
    delete_removals,
    recover_places,
    restore_removal,
)
from states.global_installs.removal.hold import release_hold
from states.global_installs.removal.moving import stored_entries
from states.global_installs.removal.preconditions import require_trusted_directory
from states.global_installs.removal.store import PlaceStore, is_complete, read_record
from states.global_installs.removal.view import main_store, places_of
from states.system import timestamps

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence
    from typing import Any

    from engine.resource import Resource
    from states.commands.text.table import Line
    from states.global_installs.layout import Layout
    from states.global_installs.removal.store import Record
    from states.global_installs.spec import Global

_MAX_NAMED = 3


@frozen
class Rollback:
    """The result of a rollback of one interpreter's packages."""

    address: str
    removal: str
    """The removal that is restored, or an empty string."""
    restored: tuple[str, ...]
    """The packages and entries."""
    changed: bool
    held: bool

    def row(self) -> dict[str, Any]:
        """Return the result in the form that `--json` prints."""
        return {
            "address": self.address,
            "removal": self.removal or None,
            "restored": [*self.restored],
            "changed": self.changed,
            "held": self.held,
        }


def named_global(resources: Sequence[Resource], names: Sequence[str]) -> Resource | None:
    """Return the `global` resource that the arguments name, or None if they name venvs.

    Args:
        resources: The declared resources.
        names: Names or addresses. Without any, the only `global` is meant if no venv is declared.

    Returns:
        The resource.

    Raises:
        UsageError: The arguments name others as well.

    """
    declared = [resource for resource in resources if resource.kind == "global"]
    venvs = present_venvs(resources)
    if not names:
        return declared[0] if len(declared) == 1 and not venvs else None
    of_venvs = {venv.name for venv in venvs}
    for resource in declared:
        if resource.address in names or resource.name in set(names) - of_venvs:
            if len(names) > 1:
                raise UsageError(
                    f"`{resource.address}` can't be combined with other names",
                    hint="run the command once for each `global`",
                )
            return resource
    return None


def roll_back(resource: Resource, arguments: Namespace) -> Rollback:
    """Restore the last removal, or the one that `--to` names, and hold it; or release the hold.

    Raises:
        ConvergeError: There is no removal, or a path is occupied. Nothing was changed.
        OSError: An entry can't be moved.

    """
    spec: Global = resource.spec
    handle = GlobalHandle(spec)
    layout = handle.view.layout
    if arguments.dry_run:
        return _plan(resource, layout, arguments)
    with hold_lock(handle.prepare_lock, arguments.lock_timeout, progress.step):
        recover_places(places_of(spec, layout))
        planned = _plan(resource, layout, arguments)
        if arguments.release:
            release_hold(main_store(layout))
        else:
            for place in places_of(spec, layout):
                if not place.user:
                    require_trusted_directory(place.site)
            restore_removal(spec, layout, planned.removal)
    return planned


def _plan(resource: Resource, layout: Layout, arguments: Namespace) -> Rollback:
    spec: Global = resource.spec
    if arguments.release:
        held = entry_exists(f"{main_store(layout).root}/held")
        return Rollback(resource.address, "", (), changed=held, held=False)
    removals = all_removals(spec, layout)
    if not removals:
        raise ConvergeError(
            "no removal to restore", hint=f"`converge history` lists those of {resource.address}"
        )
    target = removals[-1]
    if arguments.to is not None:
        hint = f"removals: {', '.join(removals)}"
        target = match_prefix(arguments.to, removals, hint=hint)
    occupied = [
        path
        for place in places_of(spec, layout)
        for path in stored_entries(PlaceStore(place.site).files(target))
        if entry_exists(path)
    ]
    if occupied:
        more = f", and {len(occupied) - _MAX_NAMED} more" if len(occupied) > _MAX_NAMED else ""
        raise ConvergeError(
            f"installed again since the removal: {', '.join(occupied[:_MAX_NAMED])}{more}",
            hint="nothing was changed; uninstall it, or run `converge apply`, which removes it",
        )
    restored = _record(spec, layout, target).removed
    return Rollback(resource.address, target, restored, changed=True, held=True)


def format_rollback(rollback: Rollback, arguments: Namespace) -> Iterator[Line]:
    """Yield the lines of text for a rollback."""
    if arguments.release:
        state = "no longer held" if rollback.changed else "wasn't held"
        yield [("", f"{rollback.address}: {state}; the next apply removes the packages")]
        return
    action = "would restore" if arguments.dry_run else "restored"
    yield [("", f"{rollback.address}: {action} removal {rollback.removal}")]
    for text in rollback.restored:
        yield [("+", f"    + {text}")]
    if not arguments.dry_run:
        yield [("", "  It is held until its declaration changes. To resume updates, run:")]
        command = command_line("rollback", arguments.files[0], rollback.address, "--release")
        yield [("", f"    {command}")]


def history_document(resource: Resource) -> dict[str, Any]:
    """Return the removals of an interpreter's packages, oldest first. Reads only."""
    view = GlobalHandle(resource.spec).view
    rows = []
    for identifier in all_removals(resource.spec, view.layout):
        record = _record(resource.spec, view.layout, identifier)
        rows.append(
            {"removal": identifier, "created": record.created, "removed": [*record.removed]}
        )
    return {"address": resource.address, "held": bool(view.held), "removals": rows}


def format_removals(document: dict[str, Any]) -> Iterator[Line]:
    """Yield the lines of text for a history, newest first."""
    for row in reversed(document["removals"]):
        yield [("bold", row["removal"]), ("", f"  {row['created']}")]
        for text in row["removed"]:
            yield [("-", f"    - {text}")]
    if document["held"]:
        yield [("warning", "held after a rollback")]
    if not document["removals"]:
        yield [("", f"nothing was removed for {document['address']}")]


def collect_removals(resource: Resource, *, arguments: Namespace, min_age_s: int) -> Garbage:
    """Delete old removals, or only list them in a dry run.

    Args:
        resource: The resource of the kind `global`.
        arguments: The parsed arguments of `gc`.
        min_age_s: Minimum age of a deleted removal, in seconds.

    Returns:
        The deleted removals, in the place of generations.

    """
    spec: Global = resource.spec
    handle = GlobalHandle(spec)
    layout = handle.view.layout
    keep = spec.keep if arguments.keep is None else arguments.keep
    candidates = all_removals(spec, layout)
    candidates = candidates[: max(0, len(candidates) - keep)]
    old = [c for c in candidates if _age_s(_record(spec, layout, c)) >= min_age_s]
    if not arguments.dry_run and (old or handle.view.unfinished):
        with (
            progress.task(resource.address),
            hold_lock(handle.prepare_lock, arguments.lock_timeout, progress.step),
        ):
            recover_places(places_of(spec, layout))
            delete_removals(spec, layout, old)
    unfinished = (name.partition(".")[2] for name in handle.view.unfinished)
    return Garbage(tuple(old), tuple(unfinished))


def _age_s(record: Record) -> float:
    return timestamps.seconds_since(record.created) if record.created else float("inf")


def _record(spec: Global, layout: Layout, identifier: str) -> Record:
    """Return the description of a removal, from the first store that has it.

    Args:
        spec: The spec.
        layout: The directories of the interpreter.
        identifier: The ID of a complete removal.

    Returns:
        The description.

    """
    stores = (PlaceStore(place.site) for place in places_of(spec, layout))
    return next(
        read_record(store, identifier) for store in stores if is_complete(store, identifier)
    )
