"""Bytecode for all sources of a generation, made by its own interpreter, or remembered.

Compiling is what building a venv costs most. Since bytecode here follows from the source,
its path inside the venv and the interpreter alone (`compiler.py`), what was compiled once
is kept in the cache under the digest of these. A cache may be shared, copied and restored,
and what it holds runs: so each entry is signed (RFC 2104) with a key from the state folder,
and one that is torn, forged or another host's counts as none.
"""

from __future__ import annotations

import contextvars
import hmac
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from engine import progress
from engine.errors import CannotCreate, ConvergeError
from engine.files import sha256, write_durably
from states import child
from states.venv.inspection import cached
from states.workplace import writable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.settings import Settings
    from states.python import Python

_SIZE = 32
"""Of a key and of a signature, in bytes: those of SHA-256."""


class Bytecode:
    """What is remembered for one interpreter."""

    def __init__(self, settings: Settings, python: Python) -> None:
        self.folder = os.path.join(settings.cache, "bytecode", python.digest[:32])
        self._key = hmac.digest(_key(settings.state), python.digest.encode(), "sha256")

    def recall(self, root: str, source: str, digest: str) -> str | None:
        """Put the bytecode of a source in place; return its SHA-256, or `None` for unknown."""
        name = _name(source, digest)
        try:
            with open(self._place(name), "rb") as stream:
                kept = stream.read()
        except OSError:
            return None
        signature, content = kept[:_SIZE], kept[_SIZE:]
        if not hmac.compare_digest(signature, self._sign(name, content)):
            return None
        target = f"{root}/{cached(source, root)}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "xb") as stream:
            stream.write(content)
        return sha256(content)

    def keep(self, root: str, source: str, digest: str) -> None:
        """Remember the bytecode of a source that was just compiled; losing it costs only time."""
        name = _name(source, digest)
        place = self._place(name)
        with suppress(OSError):
            with open(f"{root}/{cached(source, root)}", "rb") as stream:
                content = stream.read()
            os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
            with open(place, "wb") as stream:
                stream.write(self._sign(name, content) + content)

    def _place(self, name: str) -> str:
        return os.path.join(self.folder, name[:2], name[2:])

    def _sign(self, name: str, content: bytes) -> bytes:
        """Sign bytecode together with its name, so that no entry can stand in for another."""
        return hmac.digest(self._key, name.encode() + content, "sha256")


def _name(source: str, digest: str) -> str:
    return sha256(f"{digest} {source}".encode("utf-8", "surrogateescape"))


def _key(state: str) -> bytes:
    """Return the key of this host and user, made when first needed; losing it costs only time."""
    place = os.path.join(state, "bytecode.key")
    with suppress(OSError):
        with open(place, "rb") as stream:
            key = stream.read()
        if len(key) == _SIZE:
            return key
    key = os.urandom(_SIZE)
    with suppress(OSError):
        os.makedirs(state, mode=0o700, exist_ok=True)
        write_durably(place, key, 0o600)
    return key


def compile_all(
    root: str, sources: Mapping[str, str], python: Python, settings: Settings, work: str
) -> dict[str, str]:
    """Compile sources, given with their digests; return digests of bytecode where known."""
    known: dict[str, str] = {}
    memory = Bytecode(settings, python)
    for source, digest in sources.items():
        found = memory.recall(root, source, digest)
        if found is not None:
            known[cached(source, root)] = found
    rest = [one for one in sorted(sources) if cached(one, root) not in known and "\n" not in one]
    if rest:
        progress.step(f"compiling {len(rest)} files")
        _compile_side_by_side(root, rest, work)
        if writable(memory.folder):
            for source in rest:
                memory.keep(root, source, sources[source])
    return known


def _compile_side_by_side(root: str, sources: list[str], work: str) -> None:
    """Compile on all processors, each with an interpreter of its own."""
    count = min(os.cpu_count() or 1, 1 + len(sources) // 50)
    with ThreadPoolExecutor(max_workers=count) as pool:
        jobs = [
            pool.submit(
                contextvars.copy_context().run, _compile, root, sources[index::count], work, index
            )
            for index in range(count)
        ]
        for job in jobs:
            job.result()


def _compile(root: str, share: list[str], work: str, index: int) -> None:
    listing = os.path.join(work, f"sources-{index}")
    with open(listing, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.writelines(f"{path}\n" for path in share)
    compiler = os.path.join(os.path.dirname(__file__), "compiler.py")
    ended = child.run(
        [f"{root}/bin/python", "-I", "-S", compiler, root, listing],
        env=child.environment(work),
        cwd=work,
    )
    if ended.status != 0:
        kind = CannotCreate if "No space left" in ended.output else ConvergeError
        raise kind("the sources could not be compiled", output=ended.last_lines())
