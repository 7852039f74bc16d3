"""The composition root: which kinds there are, handed to the engine's command line."""

from __future__ import annotations

import gc
import os
import sys

from engine.cli.commands import COMMANDS
from engine.cli.main import main as run
from engine.registry import KindRegistry
from states.command import CommandKind
from states.commands import commands
from states.interpreter.kind import InterpreterKind
from states.link import LinkKind
from states.venv.kind import VenvKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.settings import Settings


def build_registry(settings: Settings) -> KindRegistry:
    """Make the kinds for one run."""
    return KindRegistry(
        kinds={
            "interpreter": InterpreterKind(settings),
            "venv": VenvKind(settings),
            "link": LinkKind(),
            "command": CommandKind(settings),
        },
        defaults_kind="venv",
    )


def _in_utf8() -> None:
    """Start anew where the locale has other bytes for the names of files: one path is one path.

    What people read stays as their locale has it.
    """
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8":
        os.environ.setdefault("PYTHONIOENCODING", encoding)
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def main() -> int:
    """Run the command."""
    _in_utf8()
    # By default all that was imported is walked again and again: a tenth of a small apply.
    gc.set_threshold(100_000)
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    # The verbs of a run with nothing to do are the engine's: others are not imported for it.
    extra = () if any(word == verb.name for verb in COMMANDS) else commands(word)
    return run(build_registry, extra)


if __name__ == "__main__":
    sys.exit(main())
