"""Run the command and kill it just before its K-th change to the system.

Usage: python kill_before_change.py K ARGUMENT...

Only changes made by Python itself are counted. A subprocess counts as one change. If there are
fewer than K changes, the command ends normally and the last line of its output is their number.
"""

from __future__ import annotations

import os
import sys

_CHANGES = {
    "os.mkdir", "os.rename", "os.symlink", "os.link", "os.remove", "os.rmdir",
    "os.chmod", "os.chown", "os.truncate", "os.utime", "subprocess.Popen",
}  # fmt: skip
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT
KILLED = 137


class Killer:
    """An audit hook that counts changes and ends the process before a given one."""

    def __init__(self, fatal_change: int) -> None:
        self.fatal_change = fatal_change
        self.changes = 0

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Count an audit event if it is a change."""
        opens_for_writing = (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITE_FLAGS
        )
        if not (event in _CHANGES or (opens_for_writing and arguments[0] != os.devnull)):
            return
        self.changes += 1
        if self.changes == self.fatal_change:
            os._exit(KILLED)


if __name__ == "__main__":
    from states.__main__ import main

    killer = Killer(int(sys.argv.pop(1)))
    sys.addaudithook(killer)
    code = main()
    killer.fatal_change = 0
    print(killer.changes)
    sys.exit(code)
