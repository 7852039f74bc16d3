"""The kind `command`: runs when what it watches has changed since it last succeeded.

Level-triggered: what is observed is the identity of what it last succeeded for. So a
kill between a switch and a restart cannot lose the restart, and a failed one is tried
again. The note of that identity may be deleted at any time; then the command runs.
"""

from __future__ import annotations

import json
import os

from engine import progress
from engine.errors import ConvergeError, PermissionDenied
from engine.frozen import computed, field, frozen, replace
from engine.system.files import make_private_dir, sha256, write_durable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.declaration.inputs import TableInputs
    from engine.diff import Change, Diff
    from engine.kind import State
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
    fixed: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()

    def __init__(self, settings: Settings) -> None:
        self.folder = os.path.join(settings.state, "commands")

    def complete(self, spec: Command, source: TableInputs) -> Command:
        """Check the words."""
        if not spec.argv or not spec.argv[0].strip():
            source.problem(
                ("argv",), "an empty command", 'as in `argv = ["systemctl", "restart", "web"]`'
            )
        if not 1 <= spec.timeout <= _A_YEAR:
            source.problem(("timeout",), "`timeout` must be 1 second at least, a year at most")
        for index, one in enumerate(spec.on_change):
            if one.startswith("command."):
                hint = "name what both watch, or put the other one into `needs`"
                source.problem(("on-change", index), "a command cannot watch a command", hint)
        cwd = source.path(spec.cwd, ("cwd",))
        return replace(spec, cwd=cwd, name=f"{source.file}\0{source.table[-1]}")

    def claims(self, spec: Command) -> Iterable[str]:
        """A command owns no path."""
        return ()

    def needs(self, spec: Command) -> Iterable[str]:
        """It comes after what it watches."""
        return spec.on_change

    def absent(self, spec: Command) -> None:
        """A command leaves nothing that could be removed."""

    def observe(self, spec: Command) -> State | None:
        """Read what it last succeeded for."""
        try:
            with open(self._note(spec), encoding="utf-8") as stream:
                noted = json.load(stream)
            return {str(name): str(value) for name, value in noted.items()}
        except (OSError, ValueError, AttributeError):
            return None

    def asks(self, spec: Command, observed: State | None) -> bool:
        """Everything is on the disk."""
        return False

    def desire(
        self, spec: Command, observed: State | None, needed: Mapping[str, State | None]
    ) -> State | None:
        """Say what it should have succeeded for: each watched thing as it is."""
        return {
            "ran": "yes",
            **{f"for.{address}": _identity(needed[address]) for address in spec.on_change},
        }

    def explain(self, spec: Command, change: Change) -> str:
        """Say why it runs."""
        if change.attribute.startswith("for."):
            return f"{change.attribute.removeprefix('for.')} changed since it last succeeded"
        return "it never succeeded here"

    def lock(self, spec: Command) -> str | None:
        """One run at a time."""
        make_private_dir(self.folder)
        return self._note(spec).removesuffix(".json") + ".lock"

    def apply(self, spec: Command, diff: Diff) -> None:
        """Run it; note what it succeeded for."""
        import subprocess

        from states.system import subprocesses

        progress.step(f"running {spec.argv[0]}")
        env = subprocesses.clean_environment(_home(), {"TMPDIR": "/tmp"})
        try:
            ended = subprocesses.run(
                spec.argv, env=env, cwd=spec.cwd, timeout=spec.timeout, locks=False
            )
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise _not_started(spec, error) from None
        except subprocess.TimeoutExpired:
            raise ConvergeError(
                f"`{spec.argv[0]}` did not end within {spec.timeout} s", hint="raise `timeout`"
            ) from None
        if ended.status != 0:
            raise ConvergeError(
                f"`{' '.join(spec.argv)}` {ended.how()}",
                hint="it is run again by the next apply",
                output=ended.last_lines(),
            )
        write_durable(self._note(spec), json.dumps(dict(diff.desired or {})).encode(), 0o600)

    def remarks(self, spec: Command) -> Iterable[str]:
        """There is nothing to say."""
        return ()

    def remember(self, spec: Command) -> None:
        """There is nothing to remember."""

    def _note(self, spec: Command) -> str:
        words = json.dumps([spec.name, spec.argv, spec.on_change, spec.cwd])
        return os.path.join(self.folder, f"{sha256(words.encode())[:32]}.json")


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
