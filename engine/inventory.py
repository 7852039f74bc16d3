"""A record of the resources that each file declares, so that a removed name is noticed.

The record is synced before the first resource is created, so the resources of a killed run are
known as well. It proves nothing: before a deletion, the resource is observed like any other.
An entry contains only what a deletion needs (`Kind.removal_spec`), so it contains no secret.
"""

from __future__ import annotations

import os
from functools import partial

from engine import progress
from engine.declaration.records import (
    add_entries,
    directory_prefix,
    is_absolute,
    list_records,
    read_entries,
    record_path,
    recorded_file,
    records_dir,
    replace_entries,
    serialize,
    write_entries,
)
from engine.errors import ConvergeError
from engine.frozen import replace
from engine.resource import Resource, from_dict, to_dict
from engine.system.existence import (
    entry_exists,
    exists,
    is_directory,
    proves_absence,
    resolve,
)
from engine.system.files import make_private_dir
from engine.system.paths import absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence

    from engine.declaration.records import Entry
    from engine.declaration.source_file import SourceFile
    from engine.registry import KindRegistry


def files_in_scope(
    arguments: Sequence[str], sources: tuple[SourceFile, ...], state_dir: str
) -> tuple[str, ...]:
    """Return the files of a run, with the recorded ones that were deleted from its directories.

    Args:
        arguments: The files and directories of the command line.
        sources: The files that were read.
        state_dir: The directory for state.

    Returns:
        Absolute paths.

    """
    files = [source.file for source in sources if source.is_regular]
    existing = {record_path(file, state_dir) for file in files}
    deleted = {
        file for argument in arguments for file in deleted_files(argument, state_dir, existing)
    }
    return (*files, *sorted(deleted))


def deleted_files(directory: str, state_dir: str, existing: Container[str] = ()) -> set[str]:
    """Return the recorded files of a directory that no longer exist.

    Args:
        directory: A directory. For any other path, the result is empty.
        state_dir: The directory for state.
        existing: Records of files that exist, and need not be read.

    Returns:
        Absolute paths.

    """
    if not is_directory(directory):
        return set()
    records = list_records(directory_prefix(absolute(directory)), state_dir)
    files = {recorded_file(record) for record in records if record not in existing}
    return {file for file in files if file and not entry_exists(file)}


class Inventory:
    """The records of the files of one run, as read at its beginning."""

    def __init__(
        self,
        files: tuple[str, ...],
        declared: tuple[Resource, ...],
        registry: KindRegistry,
        state_dir: str,
        lock_timeout_s: float,
    ) -> None:
        self.files = files
        self.declared = declared
        self.kinds = registry.kinds
        self.state_dir = state_dir
        self.lock_timeout_s = lock_timeout_s
        self.unreadable: PermissionError | None = None
        """Why the records can't be read. A user who only looks need not be able to."""
        self.initial: dict[str, list[Entry]] = {file: [] for file in files}
        try:
            self.initial = {file: read_entries(record_path(file, state_dir)) for file in files}
        except PermissionError as error:
            self.unreadable = error
        self.successors: dict[str, str] = {}
        """By the address of an orphan: its earlier address, if another resource has that now."""

    def orphans(self) -> tuple[Resource, ...]:
        """Return the resources that a file of this run declared earlier, but no longer does.

        Each has its removal spec. Resources are omitted if they don't exist, or if a declared
        resource of this run or of another file owns their path. If another resource has the
        address, the path is appended to the name.
        """
        declared = {resource.address for resource in self.declared}
        addresses = set(declared)
        owned = self._owned_here()
        orphans = []
        entries = (entry for file in self.files for entry in self.initial[file])
        for recorded, paths in self._parse(entries):
            if owned.isdisjoint(paths) and self._exists(recorded):
                is_taken = recorded.address in addresses
                name = f"{recorded.name}@{paths[0]}" if is_taken else recorded.name
                orphans.append(replace(recorded, name=name))
                if is_taken and recorded.address in declared:
                    self.successors[orphans[-1].address] = recorded.address
                addresses.add(orphans[-1].address)
                owned.update(paths)
        still_owned = self._all_owned() if orphans else set()
        return tuple(
            orphan for orphan in orphans if still_owned.isdisjoint(self._resolved_paths(orphan))
        )

    def blocking_path(self, orphan: Resource) -> str:
        """Return an existing path inside an orphan that is still declared, or an empty string."""
        prefixes = tuple(f"{path}/" for path in self._resolved_paths(orphan))
        inside = sorted(path for path in self._all_owned() if path.startswith(prefixes))
        return next(filter(entry_exists, inside), "")

    def check_intent(self) -> None:
        """Check that `record_intent` can write, if it has anything to write.

        Raises:
            PermissionDenied: The user can't write the record.
            OSError: The record can't be read, or a file is in its place.

        """
        for file in self.files:
            entries = read_entries(record_path(file, self.state_dir))
            if serialize(add_entries(self._removal_entries(file), entries)) != serialize(entries):
                # Imported here: a run without changes records nothing.
                from engine.system.permissions import require_writable

                require_writable(records_dir(self.state_dir))
                require_writable(self.state_dir)

    def record_intent(self) -> None:
        """Add the declared resources to the record before any of them is created.

        Raises:
            LockTimeout: Another process writes to the record.
            OSError: The record can't be written.

        """
        for file in self.files:
            self._update(file, partial(add_entries, self._removal_entries(file)))

    def commit(self, remaining: tuple[Resource, ...]) -> None:
        """Reduce the record to the declared resources and the remaining orphans.

        Entries that another run added meanwhile, for another version of the file, are kept.

        Raises:
            LockTimeout, OSError: As for `record_intent`.

        """
        absent = {
            path
            for resource in self.declared
            if self.kinds[resource.kind].removal_spec(resource.spec) is None
            for path in self._owned_paths(resource)
        }
        for file in self.files:
            declared = self._removal_entries(file)
            kept = [*declared, *self._undeleted(file, absent)]
            kept += [
                {**to_dict(orphan), "orphaned": True} for orphan in remaining if orphan.file == file
            ]
            self._update(file, partial(replace_entries, [*self.initial[file], *declared], kept))

    def _update(self, file: str, change: Callable[[list[Entry]], list[Entry]]) -> None:
        """Write the record of a file if the change makes a difference.

        Entries are unique and sorted. A record without entries is deleted.
        """
        record = record_path(file, self.state_dir)
        entries = read_entries(record)
        if serialize(change(entries)) == serialize(entries):
            return
        # Imported here: a no-op run takes no lock.
        from engine.system.lock import hold_lock

        with hold_lock(self._prepare_lock, self.lock_timeout_s, on_wait=progress.step):
            entries = read_entries(record)
            changed = serialize(change(entries))
            if changed == serialize(entries):
                return  # Another process made the same change.
            write_entries(record, file, changed)

    def _prepare_lock(self) -> str:
        make_private_dir(records_dir(self.state_dir))
        return f"{records_dir(self.state_dir)}.lock"

    def _removal_entries(self, file: str) -> list[Entry]:
        """Return an entry for each resource that a file declares and that can be removed."""
        return [
            to_dict(replace(resource, spec=spec, needs=()))
            for resource in self.declared
            if resource.file == file
            and (spec := self.kinds[resource.kind].removal_spec(resource.spec)) is not None
        ]

    def _undeleted(self, file: str, absent: set[str]) -> Iterator[Entry]:
        """Yield the entries of resources that are declared absent but still exist."""
        for entry in self.initial[file]:
            for recorded, paths in self._parse([entry]):
                if not absent.isdisjoint(paths) and self._exists(recorded):
                    yield entry

    def _parse(self, entries: Iterable[Entry]) -> Iterator[tuple[Resource, tuple[str, ...]]]:
        """Yield recorded resources and their paths. Entries of another version are skipped."""
        for entry in entries:
            try:
                recorded = replace(from_dict(entry, self.kinds), needs=())
                paths = self._owned_paths(recorded)
                is_removal = self.kinds[recorded.kind].removal_spec(recorded.spec) is None
            except (KeyError, TypeError, AttributeError, ValueError):
                continue
            if is_removal and paths and all(map(is_absolute, paths)):
                yield recorded, paths

    def _exists(self, recorded: Resource) -> bool:
        """Return whether the kind would delete the resource: it exists, and converge made it.

        Return True if a read fails, for example after an I/O error or without permission: a
        resource that was forgotten then would never be reported again.
        """
        try:
            handle = self.kinds[recorded.kind].open(recorded.spec)
            return handle.observed is not None and handle.goal({}).desired is None
        except ConvergeError:
            return False
        except OSError as error:
            return not proves_absence(error)

    def _owned_paths(self, resource: Resource) -> tuple[str, ...]:
        return tuple(self.kinds[resource.kind].owned_paths(resource.spec))

    def _resolved_paths(self, resource: Resource) -> list[str]:
        """Return the paths of a resource, or raise `OSError` if a symlink in them can't be read.

        A kind keeps such a symlink in the path, which then seems to be another one. That
        must not cause a deletion.
        """
        parts = map(os.path.split, self._owned_paths(resource))
        return [os.path.join(resolve(parent), name) for parent, name in parts]

    def _all_owned(self) -> set[str]:
        """Return the paths that this run or another existing file declares."""
        here = {path for resource in self.declared for path in self._resolved_paths(resource)}
        return here | self._owned_by_others()

    def _owned_here(self) -> set[str]:
        return {path for resource in self.declared for path in self._owned_paths(resource)}

    def _owned_by_others(self) -> set[str]:
        """Return the paths that other existing files declare: a table may have been moved there.

        A symlink to a file of this run isn't another file.
        """
        own_files = set(map(resolve, self.files))
        owned: set[str] = set()
        for record in list_records("", self.state_dir):
            file = recorded_file(record)
            if exists(file) and resolve(file) not in own_files:
                declared = (e for e in read_entries(record) if not e.get("orphaned"))
                owned.update(
                    path
                    for resource, _ in self._parse(declared)
                    for path in self._resolved_paths(resource)
                )
        return owned
