"""The extras and dependency groups that a table selects from a lockfile or a project."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from engine.frozen import frozen
from states.venv.integrity.dist_info import normalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.table import Inputs
    from states.venv.spec import Venv

_NOUNS = {"extras": "extra", "groups": "dependency group"}
_MAX_LISTED = 8


@frozen
class Subset:
    """Extras and dependency groups, by their normalized names."""

    extras: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


DEFAULT_SUBSET = Subset()


@frozen
class Offer:
    """The extras and dependency groups that a file declares, in its spelling."""

    file: str
    extras: tuple[str, ...]
    groups: tuple[str, ...]


def subset_of(spec: Venv) -> Subset:
    """Return the extras and groups that a table selects."""
    extras, groups = map(normalize_name, spec.extras), map(normalize_name, spec.groups)
    return Subset(frozenset(extras), frozenset(groups))


def check_subset(spec: Venv, offers: Sequence[Offer | None], inputs: Inputs) -> None:
    """Report each selected extra and group that no file declares.

    Args:
        spec: The table.
        offers: The files that the table selects from. None for an invalid one: that is the error.
        inputs: Collects errors.

    """
    valid = [offer for offer in offers if offer is not None]
    if len(valid) < len(offers):
        return
    for key, noun in _NOUNS.items():
        selected: tuple[str, ...] = getattr(spec, key)
        if selected and not offers:
            hint = "set `lock`, or name a `pyproject.toml` in `requirements`"
            if key == "extras":
                hint = 'for a package, write `packages = ["name[extra]"]`; else ' + hint
            inputs.error((key,), f"`{key}` has no file to select from", hint)
            continue
        declared = [name for offer in valid for name in getattr(offer, key)]
        names = set(map(normalize_name, declared))
        for index, name in enumerate(selected):
            if normalize_name(name) not in names:
                files = ", ".join(f"`{offer.file}`" for offer in valid)
                inputs.error((key, index), f"no {noun} `{name}` in {files}", _hint(name, declared))


def _hint(name: str, declared: Iterable[str]) -> str:
    names = sorted(set(declared))
    if not names:
        return "remove it; the file declares none"
    similar = difflib.get_close_matches(normalize_name(name), names, n=1, cutoff=0.7)
    if similar:
        return f"did you mean `{similar[0]}`?"
    more = ", …" if len(names) > _MAX_LISTED else ""
    return "choose from: " + ", ".join(f"`{name}`" for name in names[:_MAX_LISTED]) + more
