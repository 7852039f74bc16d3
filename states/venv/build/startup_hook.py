"""The startup hook: a module that binds each process to the generation it was started from."""

from __future__ import annotations

_STARTUP_HOOK = '''\
"""Bind this process to the generation it was started from. Created by converge.

An interpreter that was started through the published symlink would import every module
through that symlink. After an update, it would import files of two generations. `bind`
replaces the symlink in all import paths by the directory of the generation.

`sys.executable` keeps the published path. Programs write it to files, such as Git hooks, that
must work after an update. A program that is started with it runs the live generation.

The interpreter doesn't write bytecode. All of it was compiled when this generation was
created, and the manifest doesn't list any other.
"""

import os
import sys

sys.dont_write_bytecode = True

_generations = {}
"""The directory of each generation, by the prefix through which `sys.path` names it."""
_checked = set()
"""The entries of `sys.path` that don't have to be resolved again."""
_SPAWN = "multiprocessing.spawn"


def bind(known_paths=None):
    """Bind this process to each generation that `sys.path` names.

    Called before and after other `.pth` files, which can add entries to `sys.path`.

    Args:
        known_paths: The entries that the module `site` doesn't add again.

    """
    for entry in sys.path[:]:
        if isinstance(entry, str) and entry.endswith("/site-packages") and entry not in _checked:
            _checked.add(entry)
            prefix = entry.rsplit("/", 3)[0]
            root = os.path.realpath(entry).rsplit("/", 3)[0]
            if os.path.isdir(root + "/.converge"):
                _generations[prefix] = root
                _take_lease(root)
    _replace_paths(known_paths)
    _set_executable()
    if sys.prefix in _generations:
        sys.prefix = sys.exec_prefix = _generations[sys.prefix]
        prefixes = getattr(sys.modules.get("site"), "PREFIXES", [])
        prefixes[:] = [_generations.get(prefix, prefix) for prefix in prefixes]


def _replace_paths(known_paths):
    paths = []
    for entry in sys.path:
        path = _generation_path(entry)
        if not path:
            paths.append(entry)
        elif path not in paths:
            paths.append(path)
            if known_paths is not None:
                known_paths.add(path)
    if paths != sys.path:
        sys.path[:] = paths


def _generation_path(entry):
    """Return an entry of `sys.path` inside a generation, or None if it isn't in one."""
    for prefix, root in _generations.items():
        if isinstance(entry, str) and entry.startswith((prefix + "/", root + "/")):
            return entry if entry.startswith(root + "/") else root + entry[len(prefix):]
    return None


def _take_lease(root):
    """Show that this process runs from a generation, which converge then doesn't delete.

    The kernel keeps the shared lock until the last process that inherits the mapping ends or
    executes another program. A daemon can close all descriptors, but not a mapping.
    """
    leases = sys.__dict__.setdefault("_converge_leases", {})
    if root in leases:
        return
    try:
        import fcntl
        import mmap

        descriptor = os.open(root + "/.converge/lease", os.O_RDONLY | os.O_CLOEXEC)
    except (ImportError, OSError):
        return
    leases[root] = descriptor
    try:
        _lock(fcntl, descriptor)
        # From 3.13 on, the object doesn't keep a descriptor of its own.
        options = {"trackfd": False} if sys.version_info >= (3, 13) else {}
        mapping = mmap.mmap(descriptor, 1, mmap.MAP_PRIVATE, mmap.PROT_READ, **options)
    except (OSError, ValueError):
        return  # The file system doesn't support it. The open descriptor shows the use.
    leases[root] = mapping
    os.close(descriptor)
    if not options:
        _never_free(mapping)


def _lock(fcntl, descriptor):
    """Take the shared lock. converge can hold it for a moment to test for other holders."""
    for attempt in range(20):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            import time

            time.sleep(0.001)


def _never_free(mapping):
    """Keep a mapping until the process ends.

    When it is freed, `mmap` closes the number of its descriptor. If a daemon closed all
    descriptors, that number can belong to another file, which would lose buffered data.
    The garbage collector doesn't see references from code objects, so this cycle stays.
    """
    cycle = [mapping]
    cycle.append(_never_free.__code__.replace(co_consts=(cycle,)))


def _set_executable():
    """Name the interpreter by its published path, and start workers from this generation."""
    prefix, _, name = (sys.executable or "").rpartition("/bin/")
    root = _generations.get(prefix)
    if not root:
        return
    python = root + "/bin/" + name
    if prefix == root:
        # A script was started, whose first line names the generation.
        parent, store = os.path.split(os.path.dirname(os.path.dirname(root)))
        published = os.path.join(parent, store[1:])
        if os.path.realpath(published) != root:
            return
        _generations[published] = root
        sys.executable = published + "/bin/" + name
    if _SPAWN in sys.modules:
        sys.modules[_SPAWN].set_executable(python)
    elif not any(isinstance(finder, _SpawnFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _SpawnFinder(python))


class _SpawnFinder:
    """Let `multiprocessing` start its workers from the generation of their parent process."""

    def __init__(self, python):
        self.python = python

    def find_spec(self, name, path=None, target=None):
        if name != _SPAWN:
            return None
        sys.meta_path.remove(self)
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                module.set_executable(self.python)

            spec.loader.exec_module = exec_module
        return spec
'''
_PTH_LINE = "import _converge_startup; _converge_startup.bind(locals().get('known_paths'))\n"
STARTUP_HOOK_FILES = {
    "_converge_startup.py": _STARTUP_HOOK,
    "000_converge_startup.pth": f"import sys; sys.dont_write_bytecode = True\n{_PTH_LINE}",
    "zzz_converge_startup.pth": _PTH_LINE,
    "000_converge.start": "_converge_startup:bind\n",
}
"""Content by name in site-packages. Python processes `.pth` files in the order of their names.

The first file keeps Python from writing bytecode of modules that other `.pth` files import, which
it would do under `-O`, and binds the process before any of them is imported. The last one binds
the paths that other files add. Python 3.18 ignores imports in `.pth` files, and has `.start` files
instead (PEP 829). Such a file with the name of a `.pth` file would disable the imports in that.
"""
