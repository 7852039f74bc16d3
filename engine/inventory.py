"""What each file declared when it was last applied, so that a vanished name is noticed.

Noted and flushed before anything of it is made: what a killed run made is known as well. What
is really there is observed all the same, and nothing is removed because it stands here.
Entries hold just what asks for removal, so no secret can get in.
"""

from __future__ import annotations

import json
import os
from functools import partial

from engine import progress
from engine.errors import ConvergeError
from engine.frozen import replace
from engine.resource import Resource, from_dict, to_dict
from engine.system.files import (
    add_checksum,
    make_private_dir,
    read_with_checksum,
    sha256,
    write_atomic,
)
from engine.system.lock import hold_lock
from engine.system.paths import absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence
    from typing import Any

    from engine.declaration.source_file import SourceFile
    from engine.registry import KindRegistry

    Entry = dict[str, Any]
    """A frozen resource that asks for removal; `vanished` if its file declares it no longer."""


def files_in_scope(
    names: Sequence[str], texts: tuple[SourceFile, ...], state: str
) -> tuple[str, ...]:
    """Return the files a run is about, with those that are gone from the folders it names."""
    here = [text.file for text in texts if text.is_regular]
    known = {_place(file, state) for file in here}
    missing = {file for name in names for file in deleted_files(name, state, known)}
    return (*here, *sorted(missing))


def deleted_files(name: str, state: str, known: Container[str] = ()) -> set[str]:
    """Return the files of a folder that are noted and gone; the `known` notes are not read."""
    if not os.path.isdir(name):
        return set()
    others = (one for one in _places(_beginning(absolute(name)), state) if one not in known)
    return {file for file in map(_file, others) if file and not os.path.lexists(file)}


class Inventory:
    """The notes about the files of one run, as they were when it began."""

    def __init__(
        self,
        files: tuple[str, ...],
        declared: tuple[Resource, ...],
        composition: KindRegistry,
        state: str,
        lock_timeout: float,
    ) -> None:
        self.files = files
        self.declared = declared
        self.kinds = composition.kinds
        self.composition = composition
        self.state = state
        self.lock_timeout = lock_timeout
        self.seen = {file: _entries(_place(file, state)) for file in files}

    def orphans(self) -> tuple[Resource, ...]:
        """Return, as resources to be absent, what these files once declared and no longer do.

        Only what is still there, and whose path nobody has claimed by now, here or elsewhere.
        An address that is taken, by what was declared elsewhere since or by another file's, is
        told apart by path.
        """
        taken = {one.address for one in self.declared}
        claimed = self._claimed_here()
        gone = []
        for noted, claims in self._noted(one for file in self.files for one in self.seen[file]):
            if claimed.isdisjoint(claims) and self._is_there(noted):
                name = f"{noted.name}@{claims[0]}" if noted.address in taken else noted.name
                gone.append(replace(noted, name=name))
                taken.add(gone[-1].address)
                claimed.update(claims)
        elsewhere = self._claimed_elsewhere() if gone else set()
        return tuple(one for one in gone if elsewhere.isdisjoint(self._claims(one)))

    def blocking_path(self, one: Resource) -> str:
        """Return a path within what has vanished where something declared is; empty for none."""
        around = tuple(f"{claim}/" for claim in self._claims(one))
        claimed = self._claimed_here() | self._claimed_elsewhere()
        within = sorted(claim for claim in claimed if claim.startswith(around))
        return next(filter(os.path.lexists, within), "")

    def record_intent(self) -> None:
        """Add what is declared now, before any of it is there; nothing is dropped yet."""
        for file in self.files:
            self._change(file, partial(_added, self._removals(file)))

    def commit(self, kept: tuple[Resource, ...]) -> None:
        """Leave what is declared now, and what vanished but was `kept`.

        What another run noted meanwhile, of another version of the file, is not ours to drop.
        """
        absent = (
            one for one in self.declared if self.kinds[one.kind].removal_spec(one.spec) is None
        )
        leaving = {claim for one in absent for claim in self._claims(one)}
        for file in self.files:
            removals = self._removals(file)
            stay = [*removals, *self._leaving(file, leaving)]
            stay += [{**to_dict(one), "vanished": True} for one in kept if one.file == file]
            self._change(file, partial(_replaced, [*self.seen[file], *removals], stay))

    def _change(self, file: str, change: Callable[[list[Entry]], list[Entry]]) -> None:
        """Write a note anew, each entry once and in one order; only if that differs."""
        place = _place(file, self.state)
        if _same(change(_entries(place)), _entries(place)):
            return
        with hold_lock(self._lock, self.lock_timeout, on_wait=progress.step):
            noted = _entries(place)
            entries = change(noted)
            if _same(entries, noted):
                return  # another run was first
            if entries:
                whole = {"file": file, "resources": list(map(json.loads, _texts(entries)))}
                write_atomic(place, add_checksum(json.dumps(whole).encode()), 0o600, durable=True)
            else:
                os.unlink(place)

    def _lock(self) -> str:
        make_private_dir(os.path.join(self.state, "inventory"))
        return os.path.join(self.state, "inventory.lock")

    def _removals(self, file: str) -> list[Entry]:
        """Return what asks for the removal of each resource that a file declares as present."""
        removals = []
        for one in (each for each in self.declared if each.file == file):
            removal = self.kinds[one.kind].removal_spec(one.spec)
            if removal is not None:
                bare = Resource(kind=one.kind, name=one.name, spec=removal, file=one.file)
                removals.append(to_dict(bare))
        return removals

    def _leaving(self, file: str, leaving: set[str]) -> Iterator[Entry]:
        """Yield what was noted, is declared absent by now, and is still there all the same."""
        for entry in self.seen[file]:
            for noted, claims in self._noted([entry]):
                if not leaving.isdisjoint(claims) and self._is_there(noted):
                    yield entry

    def _noted(self, entries: Iterable[Entry]) -> Iterator[tuple[Resource, tuple[str, ...]]]:
        """Yield what was noted, with what it claims; odd entries are passed over."""
        for entry in entries:
            try:
                one = replace(from_dict(entry, self.kinds), needs=())
                claims = self._claims(one)
                removal = self.kinds[one.kind].removal_spec(one.spec) is None
            except (KeyError, TypeError, AttributeError, ValueError):
                continue  # an entry of another version
            if removal and claims and all(map(_is_path, claims)):
                yield one, claims

    def _is_there(self, one: Resource) -> bool:
        """Tell whether something is there that its kind would remove: not what others made."""
        kind = self.kinds[one.kind]
        try:
            handle = kind.open(one.spec)
            return handle.observed is not None and handle.goal({}).desired is None
        except (OSError, ConvergeError):
            return False  # nothing of ours can be where one cannot even look

    def _claims(self, one: Resource) -> tuple[str, ...]:
        return tuple(self.kinds[one.kind].owned_paths(one.spec))

    def _claimed_here(self) -> set[str]:
        return {claim for one in self.declared for claim in self._claims(one)}

    def _claimed_elsewhere(self) -> set[str]:
        """Return what other files claim, which are still there: a table may have moved to one.

        A file by another name is no other file.
        """
        ours = set(map(os.path.realpath, self.files))
        claimed: set[str] = set()
        for place in _places("", self.state):
            file = _file(place)
            if os.path.exists(file) and os.path.realpath(file) not in ours:
                declared = (one for one in _entries(place) if not one.get("vanished"))
                claimed.update(claim for _, claims in self._noted(declared) for claim in claims)
        return claimed


def _added(entries: list[Entry], now: list[Entry]) -> list[Entry]:
    return [*now, *entries]


def _replaced(known: list[Entry], stay: list[Entry], now: list[Entry]) -> list[Entry]:
    dropped = set(map(_text, known))
    return [*stay, *(one for one in now if _text(one) not in dropped)]


def _same(entries: list[Entry], others: list[Entry]) -> bool:
    return _texts(entries) == _texts(others)


def _texts(entries: list[Entry]) -> list[str]:
    return sorted(set(map(_text, entries)))


def _text(entry: Entry) -> str:
    return json.dumps(entry, sort_keys=True)


def _is_path(claim: object) -> bool:
    return isinstance(claim, str) and os.path.isabs(claim) and "\0" not in claim


def _place(file: str, state: str) -> str:
    """Return where a file's note lies; those of one folder have one beginning."""
    return os.path.join(
        state, "inventory", f"{_beginning(os.path.dirname(file))}{_digest(file)}.json"
    )


def _places(beginning: str, state: str) -> list[str]:
    ledger = os.path.join(state, "inventory")
    try:
        names = sorted(os.listdir(ledger))
    except OSError:
        return []
    return [os.path.join(ledger, one) for one in names if one.startswith(beginning)]


def _beginning(folder: str) -> str:
    return f"{_digest(folder)}-"


def _digest(path: str) -> str:
    return sha256(os.fsencode(path))[:32]


def _file(place: str) -> str:
    """Return the file that a note is about; empty where it does not say."""
    file = _read(place).get("file")
    return file if isinstance(file, str) else ""


def _entries(place: str) -> list[Entry]:
    resources = _read(place).get("resources")
    return (
        [one for one in resources if isinstance(one, dict)] if isinstance(resources, list) else []
    )


def _read(place: str) -> dict[str, Any]:
    try:
        noted = json.loads(read_with_checksum(place))
    except (OSError, ValueError, RecursionError):
        return {}
    return noted if isinstance(noted, dict) else {}
