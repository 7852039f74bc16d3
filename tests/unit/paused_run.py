"""Run the widget command and pause before it writes the widget `wait`.

The run continues when the other side closes the pipe. If the pipe contains anything, the run
first waits for an interruption: Python handles a delivered signal slightly later, when the main
thread is scheduled.

Usage: python -m tests.unit.paused_run PIPE ARGUMENT...
"""

from __future__ import annotations

import sys
import time

from engine import progress
from engine.cli.main import main
from engine.system import signals
from tests.unit.widget_kind import Widget, widget_registry


def _pause(spec: Widget) -> None:
    if spec.path.endswith("wait"):
        with open(sys.argv[1], encoding="utf-8") as pipe:
            signalled = pipe.read()
        while signalled:
            signals.raise_if_interrupted()
            time.sleep(0.01)
        progress.step("waited")


if __name__ == "__main__":
    sys.exit(
        main(lambda _settings: widget_registry(before_apply=_pause, locked=True), argv=sys.argv[2:])
    )
