"""The composition root: which kinds there are, handed to the engine's command line."""

from __future__ import annotations

import sys

from engine.cli import main as run
from engine.loading import Composition
from states.command import CommandKind
from states.interpreter import InterpreterKind
from states.link import LinkKind
from states.venv.kind import VenvKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.settings import Settings


def compose(settings: Settings) -> Composition:
    """Make the kinds for one run."""
    return Composition(
        kinds={
            "interpreter": InterpreterKind(settings),
            "venv": VenvKind(settings),
            "link": LinkKind(),
            "command": CommandKind(settings),
        },
        default="venv",
    )


def main() -> int:
    """Run the command."""
    return run(compose)


if __name__ == "__main__":
    sys.exit(main())
