"""A run over notes that waits, while it writes the note `wait`, until a pipe is closed.

If anything came out of the pipe, it waits as well until it was asked to stop: a signal that
was delivered is handled a moment later, when the main thread has its turn.

python -m tests.unit.stopping PIPE WORD…
"""

from __future__ import annotations

import sys
import time

from engine import progress, stop
from engine.cli import main
from tests.unit.toy import Note, composition


def _wait(spec: Note) -> None:
    if spec.path.endswith("wait"):
        with open(sys.argv[1], encoding="utf-8") as pipe:
            signalled = pipe.read()
        while signalled and not stop.asked():
            time.sleep(0.01)
        progress.step("waited")


if __name__ == "__main__":
    sys.exit(main(lambda _settings: composition(trouble=_wait, locked=True), argv=sys.argv[2:]))
