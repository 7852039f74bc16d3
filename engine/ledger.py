"""What each file declared when it was last applied, so that a vanished name is noticed.

A hint, no more: what is really there is observed, and nothing is removed because it
stands here. Entries hold just what asks for removal, so no secret can get in.
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
    from typing import Any

    from engine.loading import Composition, Text


def vanished(
    texts: tuple[Text, ...],
    resources: tuple[Resource, ...],
    composition: Composition,
    state: str,
) -> tuple[Resource, ...]:
    """Return, as resources to be absent, what these files once declared and no longer do.

    Only what is still there, and whose path nobody has claimed by now. An address that is
    taken, by what was declared elsewhere since or by another file's, is told apart by path.
    """
    taken = {one.address for one in resources}
    claimed = {claim for one in resources for claim in composition.kinds[one.kind].claims(one.spec)}
    gone = []
    for text in texts:
        for entry in _entries(_place(text.file, state)):
            try:
                one = replace(thaw(entry, composition), needs=())
                kind = composition.kinds[one.kind]
                claims = tuple(kind.claims(one.spec))
                free = claims and claimed.isdisjoint(claims) and all(map(_is_path, claims))
                if free and kind.observe(one.spec) is not None:
                    if one.address in taken:
                        one = replace(one, name=f"{one.name}@{claims[0]}")
                    gone.append(one)
                    taken.add(one.address)
                    claimed.update(claims)
            except (KeyError, TypeError, AttributeError, ValueError):
                continue  # an entry of another version
            except (OSError, ConvergeError):
                continue  # nothing of ours can be where one cannot even look
    return tuple(gone)


def note(
    texts: tuple[Text, ...],
    resources: tuple[Resource, ...],
    kept: tuple[Resource, ...],
    composition: Composition,
    state: str,
) -> None:
    """Write down what is declared now, and what vanished but was `kept`; only if it differs."""
    for text in texts:
        if text.file == STDIN:
            continue
        entries = []
        for one in resources:
            removal = composition.kinds[one.kind].absent(one.spec)
            if one.file == text.file and removal is not None:
                bare = Resource(kind=one.kind, name=one.name, spec=removal, file=one.file)
                entries.append(freeze(bare))
        # These ask for removal already.
        entries += [freeze(one) for one in kept if one.file == text.file]
        place = _place(text.file, state)
        whole = json.dumps({"file": text.file, "resources": entries})
        if json.loads(whole)["resources"] != _entries(place):
            private_folder(os.path.dirname(place))
            write_durably(place, whole.encode(), 0o600)


def _is_path(claim: object) -> bool:
    return isinstance(claim, str) and os.path.isabs(claim) and "\0" not in claim


def _place(file: str, state: str) -> str:
    return os.path.join(state, "ledger", f"{sha256(os.fsencode(file))[:32]}.json")


def _entries(place: str) -> list[dict[str, Any]]:
    try:
        with open(place, encoding="utf-8") as stream:
            return list(json.load(stream)["resources"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
