"""Which interpreter, and which versions: remembered in the generation, or chosen anew."""

from __future__ import annotations

import json
import os

from engine.frozen import frozen
from engine.system.files import sha256
from states.interpreter import discovery as pythons
from states.venv.generations.store import list_generations
from states.venv.integrity.receipt import lock_text, read_receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.settings import Settings
    from states.interpreter.discovery import Python
    from states.venv.integrity.receipt import Package, Receipt
    from states.venv.observe import Observation
    from states.venv.spec import Venv


@frozen
class Selection:
    """What a venv is to be made of."""

    request: str
    """What the interpreter was asked by."""
    python: Python
    lock: str
    packages: tuple[Package, ...]


def is_current(spec: Venv, view: Observation, upgrade: frozenset[str] | None) -> bool:
    """Tell whether what is there answers every question: no index and no search are needed."""
    receipt = view.receipt
    if receipt is None or upgrade is not None or receipt.inputs != spec.inputs:
        return False
    if receipt.python.drift() or lock_text(view.root, receipt) is None:
        return False
    if local_projects_changed(spec, receipt):
        return False
    declared = spec.python.startswith("interpreter.")
    return declared or interpreter_matches(spec.python, receipt)


def select(spec: Venv, request: str, view: Observation, settings: Settings) -> Selection:
    """Choose an interpreter and versions; asks an index only where memory has no answer."""
    receipt = view.receipt
    if receipt is not None and not receipt.python.drift() and interpreter_matches(request, receipt):
        python = receipt.python
    else:
        python = pythons.find(request)
    if settings.upgrade is None:
        for known in _known(view):
            same = known.inputs == spec.inputs and known.python.alike(python)
            if same and not local_projects_changed(spec, known):
                lock = lock_text(known.path, known)
                if lock is not None:
                    return Selection(
                        request=request, python=python, lock=lock, packages=known.packages
                    )
    from states.venv.resolve.pylock import select_artifacts
    from states.venv.resolve.resolver import resolve

    if spec.lock:
        with open(spec.lock, encoding="utf-8-sig") as stream:
            folder = os.path.dirname(spec.lock)
            made = select_artifacts(stream.read(), python, folder, spec.local_digests())
    else:
        previous = lock_text(view.root, receipt) if receipt else None
        made = resolve(spec, python, previous, settings)
    return Selection(request=request, python=python, lock=made.lock, packages=made.packages)


def local_projects_changed(spec: Venv, receipt: Receipt) -> bool:
    """Tell whether a project was edited that nobody declared, but a declared one requires."""
    declared = spec.local_digests()
    beyond = [one for one in receipt.packages if one.project() and one.project() not in declared]
    if not beyond:
        return False
    from states.venv.resolve.source_tree import tree_digest

    return any(tree_digest(one.project()) != one.content for one in beyond)


def settings_digest(spec: Venv) -> str:
    """Return a short digest of what shapes the content besides packages and interpreter."""
    shape = [spec.persistent, spec.ignore, spec.system_packages]
    return sha256(json.dumps(shape).encode())[:16]


def matches_settings(spec: Venv, receipt: Receipt) -> bool:
    """Tell whether a generation was made as a spec asks for, whatever its interpreter."""
    return (
        receipt.inputs == spec.inputs
        and receipt.system_site_packages == spec.system_site_packages
        and receipt.settings == settings_digest(spec)
        and (receipt.owner, receipt.group, receipt.mode) == (spec.owner, spec.group, spec.mode)
    )


def _known(view: Observation) -> Iterator[Receipt]:
    """Yield the receipts that may remember, the likeliest first."""
    if view.receipt is not None:
        yield view.receipt
    for identifier in reversed(list_generations(view.store)):
        one = read_receipt(view.store.generation(identifier))
        if one is not None:
            yield one


def interpreter_matches(request: str, receipt: Receipt) -> bool:
    """Tell whether the interpreter of a generation is one that is asked for."""
    if request == receipt.request and not pythons.resolves_elsewhere(receipt.python, request):
        return True
    return pythons.satisfies(receipt.python, request)
