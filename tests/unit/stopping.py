"""A run over notes that waits, while it writes the note `wait`, until a pipe is closed.

python -m tests.unit.stopping PIPE WORD…
"""

from __future__ import annotations

import sys

from engine import progress
from engine.cli import main
from tests.unit.toy import Note, composition


def _wait(spec: Note) -> None:
    if spec.path.endswith("wait"):
        with open(sys.argv[1], encoding="utf-8") as pipe:
            pipe.read()
        progress.step("waited")


if __name__ == "__main__":
    sys.exit(main(lambda _settings: composition(trouble=_wait, locked=True), argv=sys.argv[2:]))
