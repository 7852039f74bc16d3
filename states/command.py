"""The kind `command`: runs when what it watches has changed since it last succeeded.

Level-triggered: what is observed is the identity of what it last succeeded for. So a
kill between a switch and a restart cannot lose the restart, and a failed one is tried
again. The note of that identity may be deleted at any time; then the command runs.
"""

from __future__ import annotations

import json
import os

from engine import progress
from engine.display import Display, Group
from engine.errors import ConvergeError, PermissionDenied
from engine.frozen import computed, field, frozen, replace
from engine.system.files import make_private_dir, sha256, write_atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.diff import Change, State
    from engine.kind import Dependencies, Inputs
    from engine.settings import Settings

_A_YEAR = 365 * 86400
"""In seconds. What waits longer was not meant, and numbers have an end for the kernel."""


@frozen
class Command:
    """One command, as a list of words; no shell is involved."""

    argv: tuple[str, ...] = field("The program and its arguments.")
    on_change: tuple[str, ...] = field(
        "Run when any of these has changed since it last succeeded.", default=()
    )
    needs: tuple[str, ...] = field("Addresses of what must be there first.", default=())
    cwd: str = field("The folder to run it in.", default="/")
    timeout: int = field("Seconds it may take.", default=300)
    name: str = computed(default="")
    """Tells two equal commands apart: the declaring file and the table's name."""


class CommandKind:
    """Runs commands after what they watch."""

    spec = Command
    immutable: frozenset[str] = frozenset()
    display = Display(groups=(Group("trigger.", "changed"),), hidden=frozenset({"succeeded"}))
    declared: frozenset[str] = frozenset()

    def __init__(self, settings: Settings) -> None:
        self.directory = os.path.join(settings.state, "commands")

    def normalize(self, spec: Command, inputs: Inputs) -> Command:
        """Validate the arguments, and name the command after its table."""
        if not spec.argv or not spec.argv[0].strip():
            inputs.error(
                ("argv",), "an empty command", 'as in `argv = ["systemctl", "restart", "web"]`'
            )
        if not 1 <= spec.timeout <= _A_YEAR:
            inputs.error(("timeout",), "`timeout` must be 1 second at least, a year at most")
        for index, address in enumerate(spec.on_change):
            if address.startswith("command."):
                hint = "name what both watch, or put the other one into `needs`"
                inputs.error(("on-change", index), "a command cannot watch a command", hint)
        cwd = inputs.path(spec.cwd, ("cwd",))
        return replace(spec, cwd=cwd, name=f"{inputs.file}\0{inputs.table[-1]}")

    def owned_paths(self, spec: Command) -> Iterable[str]:
        """Yield nothing: a command owns no path."""
        return ()

    def implied_dependencies(self, spec: Command) -> Iterable[str]:
        """Yield the addresses that the command watches."""
        return spec.on_change

    def removal_spec(self, spec: Command) -> None:
        """Return None: a command leaves nothing to remove."""

    def open(self, spec: Command) -> CommandHandle:
        """Read the record of the last success."""
        arguments = json.dumps([spec.name, spec.argv, spec.on_change, spec.cwd])
        name = f"{sha256(arguments.encode())[:32]}.json"
        return CommandHandle(spec, os.path.join(self.directory, name))


class CommandHandle:
    """One command, and the identities that it last succeeded for."""

    requires_lookup = False

    def __init__(self, spec: Command, record: str) -> None:
        self.spec = spec
        self.record = record
        self.observed = _read_record(record)

    def goal(self, dependencies: Dependencies) -> CommandGoal:
        """Require a success for the current identity of each watched resource."""
        triggers = {
            f"trigger.{address}": _identity(dependencies[address])
            for address in self.spec.on_change
        }
        return CommandGoal(self.spec, self.record, {"succeeded": "yes", **triggers})

    def prepare_lock(self) -> str | None:
        """Return the lock beside the record, so that a command runs once at a time."""
        make_private_dir(os.path.dirname(self.record))
        return self.record.removesuffix(".json") + ".lock"

    def reobserve(self) -> CommandHandle:
        """Read the record again."""
        return CommandHandle(self.spec, self.record)

    def notices(self) -> Iterable[str]:
        """Yield nothing."""
        return ()


class CommandGoal:
    """A success of the command for the current state of what it watches."""

    def __init__(self, spec: Command, record: str, desired: State) -> None:
        self.spec = spec
        self.record = record
        self.desired = desired

    def explain(self, change: Change) -> str:
        """Name the watched resource that changed."""
        if change.attribute.startswith("trigger."):
            return f"{change.attribute.removeprefix('trigger.')} changed since it last succeeded"
        return "it never succeeded here"

    def apply(self) -> None:
        """Run the command, and record what it succeeded for."""
        import subprocess

        from states.system import subprocesses

        spec = self.spec
        progress.step(f"running {spec.argv[0]}")
        env = subprocesses.clean_environment(_home(), {"TMPDIR": "/tmp"})
        try:
            completed = subprocesses.run(
                spec.argv, env=env, cwd=spec.cwd, timeout=spec.timeout, locks=False
            )
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise _not_started(spec, error) from None
        except subprocess.TimeoutExpired:
            raise ConvergeError(
                f"`{spec.argv[0]}` did not end within {spec.timeout} s", hint="raise `timeout`"
            ) from None
        if completed.status != 0:
            raise ConvergeError(
                f"`{' '.join(spec.argv)}` {completed.describe_exit()}",
                hint="it is run again by the next apply",
                output=completed.last_lines(),
            )
        write_atomic(self.record, json.dumps(dict(self.desired)).encode(), 0o600, durable=True)

    def refresh_cache(self) -> None:
        """Do nothing: there is no cache."""


def _read_record(path: str) -> State | None:
    try:
        with open(path, encoding="utf-8") as stream:
            record = json.load(stream)
        return {str(name): str(value) for name, value in record.items()}
    except (OSError, ValueError, AttributeError):
        return None


def _home() -> str:
    """Return our home; `/` for a user whom nobody knows, as in a container."""
    home = os.path.expanduser("~")
    return home if os.path.isabs(home) else "/"


def _not_started(spec: Command, error: OSError) -> ConvergeError:
    """Say why a program could not be started: by itself, or by the folder it was to run in."""
    denied = isinstance(error, PermissionError)
    if error.filename == spec.cwd:
        hint = "`cwd` is to be a folder that is there, and that we may enter"
    elif denied:
        hint = "make it executable for us, or give another program"
    else:
        hint = "PATH is the system's own; give the absolute path of another program"
    words = f"cannot run `{spec.argv[0]}`: {error.strerror}: `{error.filename}`"
    return (PermissionDenied if denied else ConvergeError)(words, hint=hint)


def _identity(state: State | None) -> str:
    """Return a short digest of what something is; damage that was repaired is not part of it."""
    if state is None:
        return "absent"
    if "generation" in state:
        return state["generation"]
    return sha256(json.dumps(sorted(state.items())).encode())[:16]
