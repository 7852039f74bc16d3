"""`converge rollback`: switch back to previous generations, offline and without a build."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.cli.follow_up import command_line
from engine.cli.session import setup_progress
from engine.errors import UsageError
from engine.frozen import frozen
from engine.system.lock import hold_lock
from states.commands.host.removals import format_rollback, named_global, roll_back
from states.commands.per_venv import print_result, print_results, run_per_venv
from states.commands.text.rollback import format_steps
from states.commands.venv_arguments import (
    find_venvs,
    load_resources,
    match_prefix,
    present_venvs,
)
from states.venv.generations.access import lock_of
from states.venv.generations.store import list_adopted, list_generations
from states.venv.layout import store_of
from states.venv.rollback.steps import (
    Step,
    plan_last_run,
    plan_previous,
    plan_release,
    plan_switch,
    take,
)
from states.venv.rollback.target import describe_choices

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from engine.cli.command import BuildRegistry
    from engine.errors import ConvergeError
    from engine.resource import Resource


@frozen
class _Context:
    """Facts about the whole rollback."""

    run: str
    """The ID of the run that is rolled back, or an empty string."""
    watches: bool
    """Whether a declared command watches one of the changed venvs."""


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="?", metavar="FILE", help=options.FILE_HELP)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="Venvs to roll back, such as web or venv.web, or one global.NAME "
        "(default: the only declared venv)",
    )
    options.add_allow_empty_option(parser)
    parser.add_argument(
        "--last-run",
        action="store_true",
        help="Roll back every venv that the last run published",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--to",
        metavar="ID",
        help="Generation, adopted backup, or removal, or a unique prefix of its ID "
        "(default: the previous generation, or the last removal)",
    )
    group.add_argument(
        "--release",
        action="store_true",
        help="Stop holding the venvs, so that the next apply updates them",
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="Only report the changes")
    options.add_lock_timeout_option(parser)
    options.add_output_options(parser)


def _rollback(arguments: Namespace, build_registry: BuildRegistry) -> int:
    _check_arguments(arguments)
    setup_progress(arguments)
    progress.start()
    registry, resources = load_resources(arguments, build_registry)
    resource = None if arguments.last_run else named_global(resources, arguments.names)
    if resource is not None:
        return _roll_back_global(resource, arguments)
    declared = present_venvs(resources)
    run, venvs, plan = "", declared, _planner(arguments)
    if arguments.last_run:
        run, venvs, plan = plan_last_run(declared, release=arguments.release)
    else:
        choice = "; or select all that the last run published with `--last-run`"
        venvs = find_venvs(declared, arguments.names, choice)
    with _locked(venvs, arguments):
        steps, errors = run_per_venv(venvs, partial(_plan, plan))
        # INVARIANT: all steps are known to be possible before the first one changes anything.
        if not errors and not arguments.dry_run:
            steps, errors = run_per_venv(venvs, lambda venv: take(steps[venv.address]))
    if errors and len(venvs) == 1:
        raise _without_address(errors[venvs[0].address], venvs[0])
    changed = {address for address, step in steps.items() if step.changed}
    watches = any(
        registry.kinds[resource.kind].display.runs and changed.intersection(resource.needs)
        for resource in resources
    )
    return _print(arguments, steps, errors, _Context(run, watches))


def _roll_back_global(resource: Resource, arguments: Namespace) -> int:
    rollback = roll_back(resource, arguments)
    document = {**_empty_document(arguments), "removals": [rollback.row()]}
    print_result(document, format_rollback(rollback, arguments), arguments)
    return 0


def _plan(plan: Callable[[Resource], Step], venv: Resource) -> Step:
    """Decide about one venv. Progress belongs to it, such as a damaged generation."""
    with progress.task(venv.address):
        return plan(venv)


def _planner(arguments: Namespace) -> Callable[[Resource], Step]:
    """Return the function that decides about one venv."""
    if arguments.release:
        return plan_release
    if arguments.to is not None:
        return partial(_plan_to, prefix=arguments.to)
    # A repetition of an interrupted rollback must not take some venvs back twice.
    return partial(plan_previous, once=len(arguments.names) > 1)


def _plan_to(venv: Resource, *, prefix: str) -> Step:
    """Return the step to the generation or backup that a prefix names.

    Raises:
        UsageError: Nothing matches the prefix, or several entries do.
        ConvergeError: The target is damaged.

    """
    store = store_of(venv.spec.path)
    hint = describe_choices(store) or "no other generation exists"
    names = [*list_adopted(store), *list_generations(store)]
    return plan_switch(venv, match_prefix(prefix, names, hint=hint))


def _check_arguments(arguments: Namespace) -> None:
    """Check the options that several venvs exclude.

    Raises:
        UsageError: Two arguments contradict each other.

    """
    if arguments.last_run and arguments.names:
        raise UsageError(
            "`--last-run` can't be combined with NAME",
            hint="omit the names; `--last-run` selects the venvs",
        )
    if arguments.to is not None and (arguments.last_run or len(arguments.names) > 1):
        raise UsageError(
            "`--to` can't be combined with several venvs",
            hint="each venv has its own generations; run the command once for each venv",
        )


@contextmanager
def _locked(venvs: Sequence[Resource], arguments: Namespace) -> Iterator[None]:
    """Hold the locks of all stores, or of none. A dry run only reads, and takes none.

    They are taken in one order, so that two of these commands can't wait for each other. Other
    runs hold one lock at a time.

    Raises:
        LockTimeout: Another process held one of the locks for the rest of the timeout.

    """
    deadline = time.monotonic() + arguments.lock_timeout
    ordered = sorted(venvs, key=lambda venv: store_of(venv.spec.path).lock)
    with ExitStack() as stack:
        for venv in [] if arguments.dry_run else ordered:
            find_lock = partial(lock_of, store_of(venv.spec.path), venv.spec.path)
            left_s = max(0.0, deadline - time.monotonic())
            with progress.task(venv.address):
                stack.enter_context(hold_lock(find_lock, left_s, progress.step))
        yield


def _print(
    arguments: Namespace,
    steps: dict[str, Step],
    errors: dict[str, ConvergeError],
    context: _Context,
) -> int:
    """Print the result.

    Args:
        arguments: The parsed arguments.
        steps: The steps by address. If nothing could be changed, they weren't taken.
        errors: The errors by address.
        context: Facts about the whole rollback.

    Returns:
        The exit code.

    """
    taken = {} if errors and not any(step.taken for step in steps.values()) else steps
    rows = [step.row() for step in taken.values()]
    document = {
        # One venv has the keys of its row also here.
        **(rows[0] if len(rows) == 1 and not errors else {}),
        "venvs": rows,
        "run": context.run or None,
        "dry_run": arguments.dry_run,
    }
    lines = [*format_steps([*taken.values()], arguments, failed=len(errors))]
    if context.watches and not (errors or arguments.release or arguments.dry_run):
        follow_up = command_line("apply", *arguments.files)
        lines += [[("", f"Next: {follow_up}  (runs the commands that watch it)")]]
    if not errors:
        print_result(document, lines, arguments)
        return 0
    return print_results(document, lines, errors, arguments)


def _empty_document(arguments: Namespace) -> dict[str, Any]:
    return {"venvs": [], "run": None, "dry_run": getattr(arguments, "dry_run", False)}


def _without_address(error: ConvergeError, venv: Resource) -> ConvergeError:
    """Return the error of the only venv, which needs no address."""
    error.message = error.message.removeprefix(f"{venv.address}: ")
    return error


COMMAND = Command(
    "rollback",
    "Switch back to previous generations",
    _add_arguments,
    _rollback,
    group="Generations",
    description="""\
Works offline and on a full disk. A venv is then held: `converge apply` doesn't update it
until its declaration changes or you pass `--release`. If one of several venvs can't be rolled
back, none is.""",
    empty_document=_empty_document,
    examples=(
        "converge rollback site.toml web",
        "converge rollback site.toml web api --dry-run",
        "converge rollback site.toml --last-run",
        "converge rollback site.toml web --to 000004",
        "converge rollback site.toml web --release",
        "converge rollback site.toml global.system",
    ),
)
