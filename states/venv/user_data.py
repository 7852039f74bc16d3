"""Data in a store that no installation can restore: persistent directories and backups."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.system.existence import is_directory, listdir_or_empty
from states.venv.generations.store import list_adopted, list_generations
from states.venv.integrity.manifest import load_manifest
from states.venv.integrity.receipt import read_receipt
from states.venv.layout import store_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from states.venv.layout import Store
    from states.venv.spec import Venv

DATA_PREFIXES = ("persistent.", "backup.")
"""Prefixes of the attributes for such data. Only a deletion has them."""


def data_attributes(store: Store) -> dict[str, str]:
    """Return an attribute for each persistent directory and each adopted backup.

    The values are constant, because a service may write to its data at any time.
    """
    names = [name for name in _linked(store) if is_directory(f"{store.persistent}/{name}")]
    others = unused_data(store, names)
    return {
        **{f"persistent.{name}": "data" for name in (*names, *others)},
        **{f"backup.{name}": "data" for name in list_adopted(store)},
    }


def paths_with_data(spec: Venv, paths: Iterable[str]) -> tuple[str, ...]:
    """Return the paths of venvs with data for a persistent directory that a new venv lacks.

    Args:
        spec: The new venv.
        paths: The paths of the other venvs.

    """
    if spec.state == "absent":
        return ()
    store = store_of(spec.path)
    lacking = [name for name in spec.persistent if not is_directory(f"{store.persistent}/{name}")]
    return tuple(
        path
        for path in paths
        if any(is_directory(f"{store_of(path).persistent}/{name}") for name in lacking)
    )


def describe_data(store: Store, attribute: str) -> str:
    """Return the number and the size of the files behind an attribute."""
    kind, _, name = attribute.partition(".")
    top = f"{store.persistent if kind == 'persistent' else store.root}/{name}"
    count = size = 0
    for directory, _, files in os.walk(top):
        for file in files:
            try:
                size += os.lstat(f"{directory}/{file}").st_size
            except FileNotFoundError:
                continue
            count += 1
    noun = "file" if count == 1 else "files"
    return f"{count} {noun}, {_format_size(size)}; converge can't restore it"


def unused_data(store: Store, declared: Iterable[str]) -> list[str]:
    """Return the entries of the persistent directory that no declared directory covers."""
    names = set(declared)
    parents = {name[:index] for name in names for index, sign in enumerate(name) if sign == "/"}

    def find(prefix: str) -> Iterator[str]:
        for name in sorted(listdir_or_empty(f"{store.persistent}/{prefix}")):
            path = prefix + name
            if path in parents:
                yield from find(f"{path}/")
            elif path not in names:
                yield path

    return list(find(""))


def _linked(store: Store) -> list[str]:
    """Return the persistent directories that a generation links to."""
    linked = set()
    for identifier in list_generations(store):
        root = store.generation(identifier)
        receipt = read_receipt(root)
        manifest = (load_manifest(root, receipt.manifest) if receipt else None) or {}
        for path, entry in manifest.items():
            target = os.path.join(root, os.path.dirname(path), entry.content)
            if entry.kind == "l" and os.path.normpath(target) == f"{store.persistent}/{path}":
                linked.add(path)
    return sorted(linked)


def _format_size(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
