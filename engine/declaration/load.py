"""Read the files that the command line names, and return the resources they declare."""

from __future__ import annotations

import os
import stat
import sys

from engine.declaration.cache import CacheEntry
from engine.declaration.source_file import STDIN, SourceFile
from engine.errors import NoInput, PermissionDenied
from engine.system.paths import absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.declaration.build import Declaration
    from engine.declaration.diagnostics import EmptyDeclaration
    from engine.registry import KindRegistry
    from engine.resource import Resource


def read_sources(
    names: Sequence[str],
    registry: KindRegistry,
    may_be_empty: Callable[[str], bool] = lambda _directory: False,
) -> tuple[SourceFile, ...]:
    """Read declaring files.

    Args:
        names: Files, directories, or `-` for standard input. A directory stands for each file in
            it for which `registry.is_declaration` is true, in sorted order.
        registry: The kinds.
        may_be_empty: Whether a directory may contain no declarations.

    Returns:
        Each file once, in the given order.

    Raises:
        NoInput: A file doesn't exist, or a directory has no declarations.
        PermissionDenied: The current user is root, and other users can write a file.
        OSError: A file can't be read.

    """
    sources: dict[str, SourceFile] = {}
    for name in names:
        for path in _expand_directory(name, registry, may_be_empty):
            source = _read_stdin() if path == "-" else _read_file(path)
            sources.setdefault(source.file, source)
    return tuple(sources.values())


def load_declaration(
    sources: tuple[SourceFile, ...],
    registry: KindRegistry,
    cache_dir: str | None,
    *,
    allow_empty: bool = False,
) -> tuple[Resource, ...]:
    """Load a declaration, or take it from the cache.

    Args:
        sources: The declaring files.
        registry: The kinds.
        cache_dir: The cache directory. None disables the cache.
        allow_empty: Whether the declaration, or one of several files, may declare nothing.

    Returns:
        The declared resources in topological order.

    Raises:
        DeclarationError: The declaration is invalid. The error lists every diagnostic.
        EmptyDeclaration: The declaration, or one of several files, declares nothing.
        OSError: An input can't be read.

    """
    resources = _load(sources, registry, cache_dir)
    if not allow_empty:
        require_content(sources, resources)
    return resources


def require_content(sources: tuple[SourceFile, ...], resources: tuple[Resource, ...]) -> None:
    """Check that every file declares something.

    Raises:
        EmptyDeclaration: The declaration, or one of several files, declares nothing.

    """
    empty = [source for source in sources if not resources or _is_blank(source.content)]
    if empty or not sources:
        raise _empty_error(empty)


def _load(
    sources: tuple[SourceFile, ...], registry: KindRegistry, cache_dir: str | None
) -> tuple[Resource, ...]:
    if cache_dir is None:
        return build_uncached(sources, registry)[0]
    entry = CacheEntry(cache_dir, sources, registry)
    cached = entry.load()
    if cached is not None:
        return cached
    resources, declaration = build_uncached(sources, registry)
    entry.store(resources, declaration.log)
    return resources


def _is_blank(content: str) -> bool:
    """Return whether a file contains nothing but comments, or an empty JSON object."""
    if content.strip() == "{}":
        return True
    return all(not line or line.startswith("#") for line in map(str.strip, content.splitlines()))


def _empty_error(sources: list[SourceFile]) -> EmptyDeclaration:
    # Imported here: a no-op run reports no error.
    from engine.declaration.diagnostics import EmptyDeclaration

    names = ", ".join(f"`{os.path.basename(source.file)}`" for source in sources)
    return EmptyDeclaration(
        f"{names or 'the directory'} declares nothing",
        hint="check the template or program that wrote it, or pass `--allow-empty`",
    )


def build_uncached(
    sources: tuple[SourceFile, ...], registry: KindRegistry
) -> tuple[tuple[Resource, ...], Declaration]:
    """Return the resources in topological order, and the declaration with the place of each value.

    Args:
        sources: The declaring files.
        registry: The kinds.

    Returns:
        The resources, and the declaration.

    Raises:
        DeclarationError: The declaration is invalid.
        OSError: An input can't be read.

    """
    # Imported here: a cache hit must not import the libraries that validate and sort.
    from engine.declaration.build import build_declaration
    from engine.declaration.graph import sort_resources

    declaration = build_declaration(sources, registry)
    return sort_resources(declaration, registry.kinds), declaration


def _expand_directory(
    name: str, registry: KindRegistry, may_be_empty: Callable[[str], bool]
) -> list[str]:
    """Expand an argument of the command.

    Args:
        name: A file, a directory, or `-`.
        registry: The kinds.
        may_be_empty: Whether a directory may contain no declarations.

    Returns:
        The argument itself, or the declarations in the directory.

    Raises:
        NoInput: A directory has no declarations.

    """
    if name == "-" or not os.path.isdir(name):
        return [name]
    filenames = sorted(filter(registry.is_declaration, os.listdir(name)))
    paths = [os.path.join(name, filename) for filename in filenames]
    paths = [path for path in paths if not os.path.isdir(path)]
    if not paths and not may_be_empty(name):
        raise NoInput(
            f"no `*.toml` files in the directory `{name}`",
            hint="to create a first declaration, run `converge init`",
        )
    return paths


def _read_stdin() -> SourceFile:
    # Bytes: the text layer of `sys.stdin` decodes with the caller's locale.
    content = sys.stdin.buffer.read().decode("utf-8-sig", "surrogateescape")
    return SourceFile(file=STDIN, directory=_working_directory(), content=content, is_regular=False)


def _read_file(path: str) -> SourceFile:
    if not os.path.isabs(path):
        _working_directory()  # A path such as `..` is found even from a deleted one.
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            status = os.fstat(stream.fileno())
            _require_trusted(path, status)
            content = stream.read()
    except (FileNotFoundError, NotADirectoryError):
        raise NoInput(
            f"no such file: `{path}`", hint="to create a first declaration, run `converge init`"
        ) from None
    if not stat.S_ISREG(status.st_mode):
        return SourceFile(
            file=os.path.abspath(path),
            directory=_working_directory(),
            content=content,
            is_regular=False,
        )
    # The name of the file is kept, even if it is a symlink to another directory.
    directory = absolute(os.path.dirname(path))
    return SourceFile(
        file=os.path.join(directory, os.path.basename(path)), directory=directory, content=content
    )


def _working_directory() -> str:
    """Return the current directory: relative paths in a pipe are relative to it.

    Raises:
        NoInput: It was deleted.

    """
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise NoInput(
            "the current directory no longer exists", hint="change to a directory that exists"
        ) from None


def _require_trusted(path: str, status: os.stat_result) -> None:
    """Check that no other user can make root run a command.

    Raises:
        PermissionDenied: The current user is root, and the file is world-writable.

    """
    if os.geteuid() == 0 and stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IWOTH:
        raise PermissionDenied(
            f"unsafe declaration `{path}`: world-writable, and root would run its commands",
            hint=f"review it, then run `chmod o-w {path}`",
        )
