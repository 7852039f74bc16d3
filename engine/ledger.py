"""What each file declared when it was last applied, so that a vanished name is noticed.

Noted and flushed before anything of it is made: what a killed run made is known as well. What
is really there is observed all the same, and nothing is removed because it stands here.
Entries hold just what asks for removal, so no secret can get in.
"""

from __future__ import annotations

import json
import os

from engine.errors import ConvergeError
from engine.files import private_folder, sha256, write_durably
from engine.loading import STDIN, freeze, thaw
from engine.resource import Resource
from engine.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from engine.loading import Composition, Text


def files(names: Sequence[str], texts: tuple[Text, ...], state: str) -> tuple[str, ...]:
    """Return the files a run is about, with those that are gone from the folders it names."""
    here = [text.file for text in texts if text.file != STDIN]
    known = {_place(file, state) for file in here}
    gone: set[str] = set()
    for folder in (os.path.abspath(name) for name in names if os.path.isdir(name)):
        others = (one for one in _places(_beginning(folder), state) if one not in known)
        gone.update(file for file in map(_file, others) if not os.path.lexists(file))
    return (*here, *sorted(gone - {""}))


def vanished(
    files: tuple[str, ...],
    resources: tuple[Resource, ...],
    composition: Composition,
    state: str,
) -> tuple[Resource, ...]:
    """Return, as resources to be absent, what these files once declared and no longer do.

    Only what is still there, and whose path nobody has claimed by now, here or elsewhere.
    An address that is taken, by what was declared elsewhere since or by another file's, is
    told apart by path.
    """
    taken = {one.address for one in resources}
    claimed = {claim for one in resources for claim in composition.kinds[one.kind].claims(one.spec)}
    gone = []
    for noted, claims in _noted([_place(file, state) for file in files], composition):
        if claimed.isdisjoint(claims) and _is_there(noted, composition):
            name = f"{noted.name}@{claims[0]}" if noted.address in taken else noted.name
            gone.append(replace(noted, name=name))
            taken.add(gone[-1].address)
            claimed.update(claims)
    if not gone:
        return ()
    elsewhere = _claimed_elsewhere(files, composition, state)
    return tuple(
        one for one in gone if elsewhere.isdisjoint(composition.kinds[one.kind].claims(one.spec))
    )


def _noted(
    places: list[str], composition: Composition
) -> Iterator[tuple[Resource, tuple[str, ...]]]:
    """Yield what was noted in these places, with what it claims; odd entries are passed over."""
    for entry in (entry for place in places for entry in _entries(place)):
        try:
            one = replace(thaw(entry, composition), needs=())
            claims = tuple(composition.kinds[one.kind].claims(one.spec))
        except (KeyError, TypeError, AttributeError, ValueError):
            continue  # an entry of another version
        if claims and all(map(_is_path, claims)):
            yield one, claims


def _is_there(one: Resource, composition: Composition) -> bool:
    try:
        return composition.kinds[one.kind].observe(one.spec) is not None
    except (OSError, ConvergeError):
        return False  # nothing of ours can be where one cannot even look


def _claimed_elsewhere(files: tuple[str, ...], composition: Composition, state: str) -> set[str]:
    """Return what other files claim, which are still there: a table may have moved to one.

    A file by another name is no other file.
    """
    ours = set(map(os.path.realpath, files))
    others = [
        place
        for place in _places("", state)
        if os.path.exists(_file(place)) and os.path.realpath(_file(place)) not in ours
    ]
    return {claim for _, claims in _noted(others, composition) for claim in claims}


def announce(
    files: tuple[str, ...], resources: tuple[Resource, ...], composition: Composition, state: str
) -> None:
    """Add what is declared now, before any of it is there; nothing is dropped yet."""
    for file in files:
        place = _place(file, state)
        _write(place, file, [*_entries(place), *_removals(file, resources, composition)])


def settle(
    files: tuple[str, ...],
    resources: tuple[Resource, ...],
    kept: tuple[Resource, ...],
    composition: Composition,
    state: str,
) -> None:
    """Leave what is declared now, and what vanished but was `kept`."""
    for file in files:
        # What was kept asks for removal already.
        stay = [freeze(one) for one in kept if one.file == file]
        entries = [*_removals(file, resources, composition), *stay]
        _write(_place(file, state), file, entries)


def _removals(
    file: str, resources: tuple[Resource, ...], composition: Composition
) -> Iterator[dict[str, Any]]:
    """Yield what asks for the removal of each resource that a file declares as present."""
    for one in resources:
        removal = composition.kinds[one.kind].absent(one.spec)
        if one.file == file and removal is not None:
            yield freeze(Resource(kind=one.kind, name=one.name, spec=removal, file=one.file))


def _write(place: str, file: str, entries: list[dict[str, Any]]) -> None:
    """Write a note, each entry once and in one order; only if that is not what it says."""
    texts = sorted({json.dumps(one) for one in entries})
    whole = f'{{"file": {json.dumps(file)}, "resources": [{", ".join(texts)}]}}'
    if json.loads(whole)["resources"] == _entries(place):
        return
    if entries:
        private_folder(os.path.dirname(place))
        write_durably(place, whole.encode(), 0o600)
    else:
        os.unlink(place)


def _is_path(claim: object) -> bool:
    return isinstance(claim, str) and os.path.isabs(claim) and "\0" not in claim


def _place(file: str, state: str) -> str:
    """Return where a file's note lies; those of one folder have one beginning."""
    return os.path.join(state, "ledger", f"{_beginning(os.path.dirname(file))}{_digest(file)}.json")


def _places(beginning: str, state: str) -> list[str]:
    ledger = os.path.join(state, "ledger")
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


def _entries(place: str) -> list[dict[str, Any]]:
    resources = _read(place).get("resources")
    return resources if isinstance(resources, list) else []


def _read(place: str) -> dict[str, Any]:
    try:
        with open(place, encoding="utf-8") as stream:
            noted = json.load(stream)
    except (OSError, ValueError, RecursionError):
        return {}
    return noted if isinstance(noted, dict) else {}
