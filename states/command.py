"""The kind `command`: runs if a watched resource has changed since the command last succeeded.

The kind is level-triggered. Its observed state contains the identity that each watched resource
had at the last success. A kill between a switch and a restart therefore can't lose the restart,
and a failed command runs again. If the record of the last success is deleted, the command runs.
"""

from __future__ import annotations

import json
import os

from engine import progress
from engine.display import Display, Group
from engine.errors import ConvergeError
from engine.frozen import computed, field, frozen, replace
from engine.result import state_digest
from engine.system.existence import proves_no_file
from engine.system.files import make_private_dir, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from engine.diff import Change, State
    from engine.kind import Dependencies, MayCreate
    from engine.settings import Settings
    from engine.table import Inputs
    from states.venv.run.shared import PathUses

_MAX_TIMEOUT_S = 365 * 86400
"""One year. A longer timeout is a mistake, and the kernel limits the range."""


_MAX_LINES = 200
"""Lines of the output that a report contains, from its end."""


@frozen
class Command:
    """One command. It runs without a shell."""

    argv: tuple[str, ...] = field("Program and its arguments.")
    on_change: tuple[str, ...] = field(
        "Run if any of these resources has changed since the command last succeeded.", default=()
    )
    needs: tuple[str, ...] = field("Addresses of resources to apply first.", default=())
    cwd: str = field("Working directory.", default="/")
    timeout: int = field("Timeout in seconds.", default=300)
    environment: dict[str, str] = field("Environment variables to add.", default={})
    name: tuple[str, ...] = computed(default=())
    """The declaring file and the name of the table, which distinguish two equal commands."""
    variables: tuple[tuple[str, str], ...] = computed(default=())
    """The names and values of `environment`, sorted. A normalized spec has no tables."""


def _describe(spec: Command) -> str:
    # Imported here: a no-op run describes no command.
    from states.command_line import describe

    return describe(spec.argv)


def _expand(spec: Command) -> dict[str, Any]:
    # Imported here: only `converge show` prints all values.
    from states.command_line import masked_arguments, masked_variables

    return {
        "argv": masked_arguments(spec.argv),
        "environment": masked_variables(spec.variables),
    }


class CommandKind:
    """Runs commands after the resources that they watch."""

    spec = Command
    immutable: frozenset[str] = frozenset()
    display = Display(
        groups=(Group("trigger.", "changed"),),
        hidden=frozenset({"succeeded"}),
        describe=_describe,
        expand=_expand,
        shape="hexagon",
        runs=True,
    )
    declared: frozenset[str] = frozenset()

    def __init__(self, settings: Settings, uses: PathUses) -> None:
        self._uses = uses
        self.directory = os.path.join(settings.state, "commands")

    def normalize(self, spec: Command, inputs: Inputs) -> Command:
        """Validate the arguments and the timeout, and set the name."""
        # Imported here: a cached declaration is normalized already.
        from states.command_environment import normalize_variables

        if not spec.argv or not spec.argv[0].strip():
            inputs.error(
                ("argv",),
                "empty command",
                'for example: `argv = ["systemctl", "restart", "web"]`',
            )
        if not 1 <= spec.timeout <= _MAX_TIMEOUT_S:
            inputs.error(("timeout",), "`timeout` must be between 1 second and 1 year")
        for index, address in enumerate(spec.on_change):
            if address.startswith("command."):
                hint = "watch the resources that it watches, or add it to `needs`"
                inputs.error(("on-change", index), f"can't watch a command: `{address}`", hint)
        return replace(
            spec,
            cwd=inputs.path(spec.cwd, ("cwd",)),
            name=(inputs.file, str(inputs.table[-1])),
            environment=(),
            variables=normalize_variables(dict(spec.environment), inputs),
        )

    def resolve_references(self, spec: Command, inputs: Inputs) -> Command:
        """Return the spec: it refers to no other table."""
        return spec

    def owned_paths(self, spec: Command) -> Iterable[str]:
        """Yield nothing: a command owns no path."""
        return ()

    def implied_dependencies(self, spec: Command) -> Iterable[str]:
        """Yield the addresses of the watched resources."""
        return spec.on_change

    def required_paths(self, spec: Command) -> Iterable[str]:
        """Yield the working directory, and the program if it is a path."""
        program = spec.argv[0] if spec.argv else ""
        return (spec.cwd, *((os.path.join(spec.cwd, program),) if "/" in program else ()))

    def may_create(self, spec: Command, path: str) -> bool:
        """Return True: a command may create any path."""
        return True

    def removal_spec(self, spec: Command) -> None:
        """Return None: a command leaves nothing to remove."""

    def succeed(self, spec: Command, predecessors: tuple[Command, ...]) -> Command:
        """Return the spec: nothing is taken over."""
        return spec

    def opener(self, specs: Sequence[Command], jobs: int) -> Callable[[Command], CommandHandle]:
        """Record the programs that are in venvs, and return `open`."""
        for spec in specs:
            if "/" in spec.argv[0]:
                self._uses.add(os.path.join(spec.cwd, spec.argv[0]), f"`command.{spec.name[-1]}`")
        return self.open

    def open(self, spec: Command) -> CommandHandle:
        """Read the record of the last success."""
        identity = [spec.name, spec.argv, spec.on_change, spec.cwd]
        arguments = json.dumps([*identity, spec.variables] if spec.variables else identity)
        name = f"{sha256(arguments.encode())[:32]}.json"
        return CommandHandle(spec, os.path.join(self.directory, name))


class CommandHandle:
    """One command, and the identity of each watched resource at its last success."""

    requires_lookup = False

    def __init__(self, spec: Command, record: str) -> None:
        self.spec = spec
        self.record = record
        self.observed = _read_record(record)

    def goal(self, dependencies: Dependencies) -> CommandGoal:
        """Require a success with the current identity of each watched resource."""
        triggers = {
            f"trigger.{address}": dependencies[address][1] for address in self.spec.on_change
        }
        return CommandGoal(self.spec, self.record, {"succeeded": "yes", **triggers})

    def prepare_lock(self) -> str | None:
        """Return the lock next to the record. It prevents concurrent runs of one command."""
        make_private_dir(os.path.dirname(self.record))
        return self.record.removesuffix(".json") + ".lock"

    def reobserve(self) -> CommandHandle:
        """Read the record again."""
        return CommandHandle(self.spec, self.record)

    def notices(self) -> Iterable[str]:
        """Yield nothing."""
        return ()


class CommandGoal:
    """A success of the command with the current state of the watched resources."""

    def __init__(self, spec: Command, record: str, desired: State) -> None:
        self.spec = spec
        self.record = record
        self.desired = desired

    @property
    def identity(self) -> str:
        """A digest of the triggers. No resource can watch a command."""
        return state_digest(self.desired)

    def explain(self, change: Change) -> str:
        """Name the watched resource that changed."""
        if change.attribute.startswith("trigger."):
            return f"{change.attribute.removeprefix('trigger.')} changed since the last success"
        return "no success is recorded"

    def check_preconditions(self, may_create: MayCreate) -> None:
        """Check that the program can start, and that its success can be recorded.

        Raises:
            ConvergeError: The program, the directory, or a secret doesn't exist.
            PermissionDenied: The user can't run the program, or can't write the record.

        """
        # Imported here: a no-op run runs no command.
        from engine.system.permissions import require_writable
        from states.command_environment import secret_files
        from states.command_program import user_of_program

        spec = self.spec
        require_writable(os.path.dirname(self.record))
        if not any(map(may_create, secret_files(spec.variables))):
            user_of_program(spec.argv[0], spec.cwd, spec.variables, may_create)

    def apply(self) -> str:
        """Run the command, record the identities of the watched resources, and return its output.

        If the process is killed after the success and before the record is written, the command
        runs again.

        Raises:
            ConvergeError: The program wasn't found, timed out, or failed.
            PermissionDenied: The program isn't executable, or the directory isn't accessible.
            OSError: The record can't be written.

        """
        # Imported here: a no-op run runs no command and writes nothing.
        import shlex
        import subprocess

        from engine.system.atomic_write import write_atomic
        from states.command_environment import environment
        from states.command_program import not_started, user_of_program
        from states.system import subprocesses

        spec = self.spec
        user = user_of_program(spec.argv[0], spec.cwd, spec.variables)
        progress.step(f"running {spec.argv[0]}" + (f" as {user.name}" if user else ""))
        env = environment(spec.variables, user)
        inherit = subprocesses.Inherited(locks=False, user=user)
        try:
            completed = subprocesses.run(
                spec.argv, env=env, cwd=spec.cwd, timeout=spec.timeout, inherit=inherit
            )
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise not_started(spec.argv[0], spec.cwd, error) from None
        except subprocess.TimeoutExpired:
            raise ConvergeError(
                f"`{spec.argv[0]}` timed out after {spec.timeout} s",
                hint="increase `timeout`, which is in seconds",
            ) from None
        if completed.status != 0:
            raise ConvergeError(
                f"`{shlex.join(spec.argv)}` {completed.describe_exit()}",
                hint="the next apply retries it",
                output=completed.last_lines(),
            )
        write_atomic(self.record, json.dumps(dict(self.desired)).encode(), 0o600, durable=True)
        return completed.last_lines(_MAX_LINES)

    def refresh_cache(self) -> None:
        """Do nothing: there is no cache."""


def _read_record(path: str) -> State | None:
    """Return the state at the last success, or None if no valid record exists.

    Raises:
        OSError: The record can't be read. The command must not run again because of that.

    """
    try:
        with open(path, encoding="utf-8") as stream:
            record = json.load(stream)
        return {str(name): str(value) for name, value in record.items()}
    except (ValueError, AttributeError):
        return None
    except OSError as error:
        if proves_no_file(error):
            return None
        raise
