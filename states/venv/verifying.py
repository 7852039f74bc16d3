"""Verifying generations: nothing is trusted to memory, every byte is read.

Each deviation is told in the letters of `rpm -V`: S size, M mode, 5 content, U user,
G group, L target of a link, T kind of file; or `missing`, or `unexpected`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from states.venv import receipt as receipts
from states.venv import seal as seals
from states.venv.damage import deviations
from states.venv.inspection import is_bytecode
from states.venv.observation import wrong_notes
from states.venv.store import current, generations
from states.venv.wheels import dist_infos, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from engine.resource import Resource
    from states.venv.seal import Entry, Seal
    from states.venv.store import Store


def verify(resource: Resource, store: Store, jobs: int, *, every: bool) -> Iterator[dict[str, Any]]:
    """Yield a report on the published generation, or on every one of a store."""
    live = current(store)
    for identifier in generations(store):
        if every or identifier == live:
            found, count, error = _verify(store.generation(identifier), resource.spec.ignore, jobs)
            yield {
                "address": resource.address,
                "path": resource.spec.path,
                "generation": identifier,
                "published": identifier == live,
                "files": count,
                "damage": [{"path": path, "aspects": found[path]} for path in sorted(found)],
                "error": error,
            }


def _verify(root: str, ignore: tuple[str, ...], jobs: int) -> tuple[dict[str, str], int, str]:
    receipt = receipts.read(root)
    if receipt is None:
        return {}, 0, "its receipt is torn or missing: `converge apply` replaces it"
    if receipt.path != root:
        return {}, 0, f"it was made at `{receipt.path}`, and works only there"
    seal = seals.load(root, receipt.seal)
    if seal is None:
        return {}, 0, "its seal is not what its receipt says: `converge apply` replaces it"
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        # Reading and hashing release the interpreter's lock.
        changed, added = deviations(root, seal, ignore, {}, pool.map)
    found = {path: _aspects(seal[path], now) for path, now in changed.items()}
    found.update(dict.fromkeys(added, "unexpected"))
    if receipts.lock_text(root, receipt) is None:
        found[".converge/pylock.toml"] = "..5......"
    found.update(wrong_notes(root))
    found.update(_against_records(root, seal, found))
    return found, len(seal), ""


def _aspects(sealed: Entry, now: Entry | None) -> str:
    if now is None:
        return "missing"
    differs = {
        "S": sealed.kind == "f" and now.size != sealed.size,
        "M": sealed.kind != "l" and now.mode != sealed.mode,
        "5": sealed.kind == "f" and now.content != sealed.content,
        "L": sealed.kind == "l" and now.content != sealed.content,
        "U": now.uid != sealed.uid,
        "G": now.gid != sealed.gid,
        "T": now.kind != sealed.kind,
    }
    return "".join(letter if wrong else "." for letter, wrong in differs.items())


def _against_records(root: str, seal: Seal, found: dict[str, str]) -> dict[str, str]:
    """Compare the seal with each RECORD that is itself as sealed."""
    claims: dict[str, set[str]] = {}
    for dist_info in dist_infos(root):
        if f"{dist_info}/RECORD" in found:
            continue
        try:
            for path, digest in record(root, dist_info):
                if digest and not is_bytecode(path):
                    claims.setdefault(path, set()).add(digest)
        except (OSError, ValueError):
            found[f"{dist_info}/RECORD"] = "missing"
    return {
        path: "not as in RECORD"
        for path, digests in claims.items()
        if path not in found
        and path in seal
        and seal[path].kind == "f"
        and seal[path].content not in digests
    }
