"""Write a generation of a wheelhouse: the index, the wheels, and the receipt."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine import __version__
from engine.frozen import frozen
from engine.system.files import iter_chunks, sha256_of_file
from engine.system.linux import syncing
from states.system import timestamps
from states.venv.generations.store import live_id, new_id
from states.venv.layout import METADATA_DIR
from states.wheelhouse.generations.index import FILES, file_path, pages
from states.wheelhouse.generations.locks import lockfiles
from states.wheelhouse.generations.receipt import Receipt, read_receipt, write_receipt
from states.wheelhouse.store.wheels import require_same_files, wheel_dir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from states.venv.layout import Store
    from states.wheelhouse.generations.receipt import FileStat
    from states.wheelhouse.select.plan import Plan
    from states.wheelhouse.spec import Wheelhouse
    from states.wheelhouse.store.wheels import Wheel


@frozen
class Content:
    """Everything that a generation contains."""

    spec: Wheelhouse
    plan: Plan
    provided: Mapping[str, Wheel]
    """The wheel of each artifact by its attribute."""

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        """Each wheel once. Several interpreters may use the same one."""
        return tuple({wheel.sha256: wheel for wheel in self.provided.values()}.values())


@frozen
class IndexGeneration:
    """A complete generation: synced, and with a receipt."""

    root: str

    @property
    def identifier(self) -> str:
        """The name of its directory in the store."""
        return os.path.basename(self.root)


def write_generation(store: Store, content: Content) -> IndexGeneration:
    """Write a generation from wheels of the store. Nothing is published.

    The lock of the store must be held. A kill leaves a directory without a receipt, which every
    reader ignores and recovery deletes.

    Args:
        store: The store. It contains each wheel.
        content: The content.

    Returns:
        The generation.

    Raises:
        IntegrityError: Two wheels have the same name.
        OSError: A file can't be written, or a write was lost.

    """
    require_same_files(content.wheels)
    root = store.generation(new_id(store))
    os.mkdir(root, 0o700)
    with syncing(root) as sync:
        os.mkdir(f"{root}/{METADATA_DIR}", 0o700)
        locks = lockfiles(content.plan, content.provided, content.spec.url)
        for path, text in (*pages(content.wheels), *locks):
            _write(root, path, text)
        for wheel in content.wheels:
            _link(store, root, wheel)
        retained = _retain(store, root, content.wheels)
        os.chmod(root, 0o755)
        receipt = Receipt(
            generation=os.path.basename(root),
            created=timestamps.now(),
            converge_version=__version__,
            declared=content.spec.declared,
            url=content.spec.url,
            attributes=content.plan.attributes,
            targets=tuple(versions.target for versions in content.plan.selected),
            wheels=content.wheels,
            files=_record_files(root),
            retained=tuple(f"{FILES}/{wheel.sha256}" for wheel in retained),
        )
        sync()
    write_receipt(root, receipt, content.plan.selected)
    return IndexGeneration(root)


def _write(root: str, path: str, text: str) -> None:
    """Write a published file. Its directories and the file can be read by every user.

    Args:
        root: The directory of the generation.
        path: The path of the file, relative to it.
        text: The content.

    """
    _make_dirs(root, os.path.dirname(path))
    with open(f"{root}/{path}", "x", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(text)


def _make_dirs(root: str, relative: str) -> None:
    """Create a directory below a root with mode 0755, independent of the umask."""
    path = root
    for name in relative.split("/"):
        path = f"{path}/{name}"
        try:
            os.mkdir(path, 0o755)
            os.chmod(path, 0o755)
        except FileExistsError:
            continue


def _link(store: Store, root: str, wheel: Wheel) -> None:
    """Create hard links to a wheel and its metadata. Neither is ever edited in place.

    Args:
        store: The store.
        root: The directory of the generation.
        wheel: The wheel.

    """
    path = file_path(wheel)
    _make_dirs(root, os.path.dirname(path))
    for suffix in ("", ".metadata"):
        os.link(f"{wheel_dir(store, wheel.sha256)}/{wheel.file}{suffix}", f"{root}/{path}{suffix}")


def _retain(store: Store, root: str, wheels: tuple[Wheel, ...]) -> list[Wheel]:
    """Keep the files of the live generation, for clients that have read a page of its index.

    Args:
        store: The store.
        root: The directory of the new generation.
        wheels: The wheels of the new generation.

    Returns:
        The wheels that only the live index lists.

    """
    live = live_id(store)
    receipt = read_receipt(store.generation(live)) if live else None
    own = {wheel.sha256 for wheel in wheels}
    retained = [wheel for wheel in receipt.wheels if wheel.sha256 not in own] if receipt else []
    kept = []
    for wheel in retained:
        try:
            _link(store, root, wheel)
            kept.append(wheel)
        except FileNotFoundError:
            continue  # It was damaged, and deleted.
    return kept


def _record_files(root: str) -> dict[str, FileStat]:
    """Return the hash and the metadata of each published file by its relative path."""
    files: dict[str, FileStat] = {}
    for parent, names, file_names in os.walk(root, onerror=_raise):
        if parent == root:
            names.remove(METADATA_DIR)
        for name in file_names:
            path = os.path.join(parent, name)
            status = os.stat(path)
            digest = sha256_of_file(iter_chunks(path, status.st_size))
            record = (digest, status.st_size, status.st_mtime_ns, status.st_ino)
            files[os.path.relpath(path, root)] = record
    return files


def _raise(error: OSError) -> None:
    raise error
