"""The module that ties a process to the generation it was started from."""

from __future__ import annotations

_STARTUP_HOOK = '''\
"""Ties a process to the generation it was started from. Made by converge.

Reached through the published symlink, an interpreter would look modules up through it
for as long as it runs, and after a switch find those of another generation. Here all
paths are made to lead to this generation itself. The open file with its shared lock
tells that somebody runs from here; it survives a fork and ends with the last process.
Bytecode was compiled when this was made; more of it would be files nobody checked.
"""

import os
import sys


def _start():
    root = os.path.realpath(sys.prefix)
    if not os.path.realpath(__file__).startswith(root + os.sep):
        return None
    through = sys.prefix
    if through != root:
        for index, path in enumerate(sys.path):
            if path.startswith(through + os.sep):
                sys.path[index] = root + path[len(through):]
        if sys.executable and sys.executable.startswith(through + os.sep):
            sys.executable = root + sys.executable[len(through):]
        sys.prefix = sys.exec_prefix = root
    sys.dont_write_bytecode = True
    try:
        import fcntl

        lease = os.open(root + "/.converge/lease", os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(lease, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return None
    return lease


_lease = _start()
'''
STARTUP_HOOK_FILES = {
    "_converge_startup.py": _STARTUP_HOOK,
    "000_converge_startup.pth": "import sys; sys.dont_write_bytecode = True\n",
    "zzz_converge_startup.pth": "import _converge_startup\n",
}
"""Processed first and last of all `.pth` files: what these import is not written, as under
`-O` it would be, and what they add is pinned too."""
