"""``python killed.py K WORD…``: the command, killed just before it changes anything for the K-th time.

Counted are the changes that Python itself makes; what it starts counts as one. Where there
are fewer than K of them, it ends as it would have, and their number is the last line.
"""

from __future__ import annotations

import os
import sys

_CHANGES = {
    "os.mkdir", "os.rename", "os.symlink", "os.link", "os.remove", "os.rmdir",
    "os.chmod", "os.chown", "os.truncate", "os.utime", "subprocess.Popen",
}  # fmt: skip
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
KILLED = 137


class Killer:
    """An audit hook that counts, and ends the process when its turn has come."""

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.seen = 0

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Look at one event."""
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
        if not (event in _CHANGES or (opened and arguments[0] != os.devnull)):
            return
        self.seen += 1
        if self.seen == self.turn:
            os._exit(KILLED)


if __name__ == "__main__":
    from states.__main__ import main

    killer = Killer(int(sys.argv.pop(1)))
    sys.addaudithook(killer)
    code = main()
    killer.turn = 0
    print(killer.seen)
    sys.exit(code)
