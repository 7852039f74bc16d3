"""Where a venv lives: the published symlink, and the hidden store beside it.

PATH                      → .NAME/generations/ID, relative
.NAME/lock                held by the one engine that works here
.NAME/generations/ID/     a generation; counts for nothing without its receipt
.NAME/held, previous      notes: what is held, and what was live before what
.NAME/persistent/         folders that live on across generations
.NAME/adopted-…           what another tool had made, and was replaced
.NAME/trash-…, next-…     what is being removed, what is being put in place
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress

from engine.errors import PermissionDenied
from engine.system.files import entry_exists, fsync_dir, make_dirs, read_link, replace_symlink
from engine.system.permissions import require_trusted_path, untrusted_reason
from states.venv.layout import RECEIPT, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.generations.generation import Generation

_ID = re.compile(r"(\d{6,})-[0-9a-f]{8}")


def live_id(store: Store) -> str | None:
    """Return the id of the generation that is published; `None` for none of ours."""
    folder, identifier = os.path.split(read_link(store.published))
    ours = (os.path.relpath(store.generations, os.path.dirname(store.published)), store.generations)
    return identifier if folder in ours and _ID.fullmatch(identifier) else None


def list_generations(store: Store) -> list[str]:
    """Return the ids of all finished generations, oldest first."""
    return [name for name in generation_names(store) if is_finished(store, name)]


def list_adopted(store: Store) -> list[str]:
    """Return the names of what is kept of another tool's making: folders, seldom a file."""
    kept = [name for name in sorted_names(store.root) if name.startswith("adopted-")]
    return [name for name in kept if _is_content(f"{store.root}/{name}")]


def generation_names(store: Store) -> list[str]:
    """Return the names of all directories for generations, finished or not, oldest first."""
    return sorted(sorted_names(store.generations), key=lambda name: (len(name), name))


def is_finished(store: Store, identifier: str) -> bool:
    """Return whether a generation has a receipt, which may be torn."""
    return entry_exists(f"{store.generation(identifier)}/{RECEIPT}")


def sorted_names(directory: str) -> list[str]:
    """Return the sorted names in a directory, or none if it doesn't exist."""
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def new_id(store: Store) -> str:
    """Return an id that was never used and never will be again; ids sort by age.

    No clock: a number above all others, and chance, so that a path is not reused even
    when every generation has gone. Installers remember paths.
    """
    names = sorted_names(store.generations)
    numbers = [int(match[1]) for name in names if (match := _ID.fullmatch(name))]
    return f"{max(numbers, default=0) + 1:06d}-{_chance()}"


def lock_of(store: Store, path: str) -> str | None:
    """Return the file that is locked, for a venv declared to be at `path`; `None` for no store.

    Who locks changes or removes what is there: so it refuses what others lead elsewhere.
    """
    if not os.path.isdir(store.root):
        return None
    require_trusted_path(os.path.dirname(path))
    for folder in (store.root, store.generations):
        with suppress(FileNotFoundError):
            _refuse_strange(folder)
    return store.lock


def create_store(store: Store, path: str) -> None:
    """Make the store's folders, for a venv that is declared to be at `path`.

    Refuses what lets others replace what is in them.
    """
    parent = os.path.dirname(store.root)
    require_trusted_path(os.path.dirname(path))
    make_dirs(parent)
    for folder in (store.root, store.generations):
        try:
            os.mkdir(folder, 0o755)
            os.chmod(folder, 0o755)
        except FileExistsError:
            _refuse_strange(folder)
    fsync_dir(parent)


def publish(store: Store, generation: Generation) -> None:
    """Make a generation the live one: the only commit point, one rename."""
    parent = os.path.dirname(store.published)
    # It is only there if it is an empty folder, or was given to us: it is kept, under this name.
    foreign = _is_content(store.published)
    aside = f"{store.root}/{'adopted' if foreign else 'next'}-{_chance()}"
    target = os.path.relpath(generation.root, parent)
    try:
        replace_symlink(target, store.published, aside, exchange=foreign)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        # An image's folder cannot be renamed, and not all file systems can exchange two names.
        try:
            os.rmdir(store.published)  # that of nothing is no loss
        except OSError:
            raise error from None
        replace_symlink(target, store.published, aside)
    if foreign:
        with suppress(OSError):
            os.rmdir(aside)  # nothing was in it
    fsync_dir(parent)
    fsync_dir(store.root)


def restore_adopted(store: Store, name: str) -> None:
    """Put what is kept of another tool's making where it was: one rename."""
    # Imported here: a run with nothing to do swaps nothing.
    from engine.system.linux import exchange_names

    kept = f"{store.root}/{name}"
    if os.path.lexists(store.published):
        exchange_names(kept, store.published)
        if os.path.islink(kept):
            os.unlink(kept)
    else:
        os.rename(kept, store.published)
    fsync_dir(os.path.dirname(store.published))
    fsync_dir(store.root)


def write_record(store: Store, name: str, text: str) -> None:
    """Keep a short text as the target of a symlink, put there in one rename: it needs no room."""
    replace_symlink(text, f"{store.root}/{name}", f"{store.root}/next-{_chance()}")


def read_record(store: Store, name: str) -> str:
    """Return a text that was kept so; empty if there is none."""
    return read_link(f"{store.root}/{name}")


def unpublish(store: Store) -> None:
    """Take the published symlink away, if it is ours."""
    if live_id(store) is not None:
        os.unlink(store.published)
        fsync_dir(os.path.dirname(store.published))


def delete_store(store: Store) -> None:
    """Remove the store, the lock last: until then, whoever wants to make one waits for us."""
    _refuse_mounted(store.root)
    for name in os.listdir(store.root):
        if name != os.path.basename(store.lock):
            delete(f"{store.root}/{name}")
    os.unlink(store.lock)
    # Another engine that waited may have begun anew in the folder, which is then its own.
    with suppress(OSError):
        os.rmdir(store.root)
    fsync_dir(os.path.dirname(store.root))


def delete(path: str) -> None:
    """Remove something of the store for good, but for what is mounted in it (`OSError`)."""
    if _is_folder(path):
        _refuse_mounted(path)
        _remove_tree(path)
    else:
        os.unlink(path)


def _remove_tree(path: str) -> None:
    # Imported here: a run with nothing to do removes nothing.
    import shutil

    try:
        shutil.rmtree(path)
    except (RecursionError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EMFILE:
            raise
        # Whoever owns what is inside may have made it deeper than we can open folders in folders.
        from states.system import subprocesses

        subprocesses.run(
            ["rm", "-rf", "--", path], env=subprocesses.clean_environment("/"), cwd="/"
        )
        if os.path.lexists(path):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path) from None


def _refuse_mounted(directory: str) -> None:
    """Raise `OSError` if a file system is mounted inside: deleting would delete its content."""
    # Imported here: a no-op run deletes nothing.
    from engine.system.linux import mount_points

    prefix = os.fsencode(f"{os.path.realpath(directory)}/")
    for mount_point in mount_points():
        if mount_point.startswith(prefix):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), os.fsdecode(mount_point))


def _chance() -> str:
    return os.urandom(4).hex()


def _is_content(path: str) -> bool:
    """Tell whether something is there that a symlink in its place would not be."""
    return entry_exists(path) and not os.path.islink(path)


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _refuse_strange(folder: str) -> None:
    """Refuse a folder of the store that is none, or that others may write to."""
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        raise PermissionDenied(
            f"`{folder}` is in the way: it is not a folder",
            hint="move it away; converge keeps its generations there",
        )
    what = untrusted_reason(found)
    if what:
        raise PermissionDenied(
            f"unsafe directory `{folder}`: {what}, and published files could be replaced",
            hint=f"give it to who runs converge and `chmod go-w {folder}`, or move it away; "
            "converge keeps its generations there",
        )
