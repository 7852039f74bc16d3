"""From the files that were named to resources in order, remembered while nothing changed.

Reading a declaration is pure, so its outcome is kept under the digests of all that was
read. The note is JSON below a checksum; anything odd about it means computing afresh. A
miss is the only door to the libraries that parse, check and order, which cost more to
import than a run with nothing to do takes.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys

from engine import __version__
from engine.declaration.inputs import is_unchanged
from engine.declaration.source_file import STDIN, SourceFile
from engine.errors import NoInput, PermissionDenied
from engine.frozen import fields
from engine.redaction import find_credentials
from engine.resource import from_dict, to_dict
from engine.system.files import (
    add_checksum,
    make_private_dir,
    read_with_checksum,
    sha256,
    write_atomic,
)
from engine.system.paths import absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.declaration.inputs import InputLog
    from engine.registry import KindRegistry
    from engine.resource import Resource

_DECLARATION = re.compile(r"(?!\.|(.+\.)?pylock\.([^.]+\.)?toml$).+\.toml", re.DOTALL)
"""What a folder's declarations are named: not as lock files are (PEP 751), and not hidden."""


def read_sources(
    names: Sequence[str], may_be_empty: Callable[[str], bool] = lambda _folder: False
) -> tuple[SourceFile, ...]:
    """Read what the command line names: files, folders, or `-`.

    Of a folder every `*.toml`, sorted, but lock files and what is hidden. One without any is
    refused, unless it `may_be_empty`.
    """
    texts: dict[str, SourceFile] = {}
    for name in names:
        for path in _expand_directory(name, may_be_empty):
            text = _read(path)
            texts.setdefault(text.file, text)
    return tuple(texts.values())


def load_declaration(
    texts: tuple[SourceFile, ...], composition: KindRegistry, cache: str | None
) -> tuple[Resource, ...]:
    """Return the declared resources in the order in which they can be brought about.

    Without a `cache` nothing is remembered. Raises `DeclarationError` with every problem
    at once.
    """
    if cache is None:
        return _fresh(texts, composition)[0]
    note = os.path.join(cache, "declarations", f"{_key(texts, composition)}.json")
    resources = _read_cache(note, composition)
    if resources is not None:
        return resources
    order, notes = _fresh(texts, composition)
    _write_cache(note, order, composition, notes)
    return order


def _fresh(
    texts: tuple[SourceFile, ...], composition: KindRegistry
) -> tuple[tuple[Resource, ...], InputLog]:
    from engine.declaration.build import build_declaration
    from engine.declaration.graph import sort_resources

    declared = build_declaration(texts, composition)
    return sort_resources(declared, composition.kinds), declared.notes


def _expand_directory(name: str, may_be_empty: Callable[[str], bool]) -> list[str]:
    if name == "-" or not os.path.isdir(name):
        return [name]
    found = sorted(one for one in os.listdir(name) if _DECLARATION.fullmatch(one))
    found = [one for one in found if not os.path.isdir(os.path.join(name, one))]
    if not found and not may_be_empty(name):
        raise NoInput(
            f"no `*.toml` in the folder `{name}`", hint="`converge init` writes a first one"
        )
    return [os.path.join(name, one) for one in found]


def _read(path: str) -> SourceFile:
    if path == "-":
        # The bytes, since how text would be decoded depends on who calls.
        content = sys.stdin.buffer.read().decode("utf-8-sig", "surrogateescape")
        return SourceFile(file=STDIN, directory=_here(), content=content, is_regular=False)
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            found = os.fstat(stream.fileno())
            _refuse_unsafe(path, found)
            content = stream.read()
    except (FileNotFoundError, NotADirectoryError):
        raise NoInput(
            f"no such file: `{path}`", hint="`converge init` writes a first declaration"
        ) from None
    if not stat.S_ISREG(found.st_mode):
        return SourceFile(
            file=os.path.abspath(path), directory=_here(), content=content, is_regular=False
        )
    folder = absolute(os.path.dirname(path))  # the file's own name is kept
    return SourceFile(
        file=os.path.join(folder, os.path.basename(path)), directory=folder, content=content
    )


def _here() -> str:
    """Return the folder of who calls, which the paths of a pipe are relative to."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        hint = "change into one that is there: relative paths start from it"
        raise NoInput("the folder in which converge was called is gone", hint=hint) from None


def _refuse_unsafe(path: str, found: os.stat_result) -> None:
    """Refuse, as root, a declaration by which anybody could have root run a command."""
    if os.geteuid() == 0 and stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IWOTH:
        raise PermissionDenied(
            f"unsafe: anybody can write `{path}`, which says what root installs and runs",
            hint=f"`chmod o-w {path}`, once you have seen what it says",
        )


def _key(texts: tuple[SourceFile, ...], composition: KindRegistry) -> str:
    shape = {name: list(fields(kind.spec)) for name, kind in composition.kinds.items()}
    # Reinstalled in place, the same version may read a declaration another way.
    installed = os.stat(os.path.dirname(os.path.dirname(__file__))).st_mtime_ns
    contents = [(one.file, one.directory, one.content) for one in texts]
    whole = json.dumps([__version__, installed, shape, contents])
    return sha256(whole.encode("utf-8", "surrogatepass"))


def _read_cache(note: str, composition: KindRegistry) -> tuple[Resource, ...] | None:
    try:
        kept = json.loads(read_with_checksum(note))
        if not is_unchanged(kept["files"], kept["trees"]):
            return None
        order = tuple(from_dict(one, composition) for one in kept["resources"])
        # Where a path leads may have changed, and two that were apart may now be one.
        return order if _claims(order, composition) == kept["claims"] else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # A note may be missing, or of another shape: then it is as if there were none.
        return None


def _write_cache(
    note: str, order: tuple[Resource, ...], composition: KindRegistry, notes: InputLog
) -> None:
    resources = [to_dict(one) for one in order]
    claims = _claims(order, composition)
    kept = {"files": notes.files, "trees": notes.trees, "claims": claims, "resources": resources}
    text = json.dumps(kept)
    if find_credentials(text):
        return
    try:
        make_private_dir(os.path.dirname(note), durable=False)
        write_atomic(note, add_checksum(text.encode()), 0o600)
    except OSError:
        return  # only speed is lost


def _claims(order: tuple[Resource, ...], composition: KindRegistry) -> list[list[str]]:
    return [list(composition.kinds[one.kind].owned_paths(one.spec)) for one in order]
