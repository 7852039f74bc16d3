"""The startup hook: a module that binds each process to the generation it was started from."""

from __future__ import annotations

_STARTUP_HOOK = '''\
"""Bind this process to the generation it was started from. Created by converge.

An interpreter that was started through the published symlink would import every module
through that symlink. After an update, it would import files of two generations. This
module replaces the symlink in all paths by the directory of the generation.

The open lease with its shared lock shows that a process runs from here. A forked process
inherits it, and it ends with the last process.

The interpreter doesn't write bytecode. All of it was compiled when this generation was
created, and the manifest doesn't list any other.
"""

import os
import sys


def _start():
    root = os.path.realpath(sys.prefix)
    if not os.path.realpath(__file__).startswith(root + os.sep):
        return None
    published = sys.prefix
    if published != root:
        for index, path in enumerate(sys.path):
            if path.startswith(published + os.sep):
                sys.path[index] = root + path[len(published):]
        if sys.executable and sys.executable.startswith(published + os.sep):
            sys.executable = root + sys.executable[len(published):]
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
"""Content by name in site-packages. Python processes `.pth` files in the order of their names.

The first file keeps Python from writing bytecode of modules that other `.pth` files import, which
it would do under `-O`. The last one replaces the symlink in the paths that other files add.
"""
