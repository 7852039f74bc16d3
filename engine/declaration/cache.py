"""The cache of parsed declarations.

Reading a declaration is a pure function of the files that it reads. The sorted resources are
cached under the digest of the declaring files, with the digests of all other inputs. A cache file
is JSON with a checksum. A missing, torn, or outdated file is a cache miss.

Only a cache miss imports the libraries that validate and sort: they take several times as long
to import as a no-op run takes (docs/adr/0007-parsed-declaration-cache.md).
"""

from __future__ import annotations

import json
import os

from engine import __version__
from engine.declaration.inputs import is_unchanged
from engine.frozen import fields
from engine.redaction import find_credentials, find_query_secrets
from engine.resource import from_dict, to_dict
from engine.system.files import add_checksum, make_private_dir, read_with_checksum, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.declaration.inputs import InputLog
    from engine.declaration.source_file import SourceFile
    from engine.registry import KindRegistry
    from engine.resource import Resource


class CacheEntry:
    """The cached resources of one declaration.

    Args:
        cache_dir: The cache directory. It might not exist.
        sources: The declaring files.
        registry: The kinds.

    """

    def __init__(
        self, cache_dir: str, sources: tuple[SourceFile, ...], registry: KindRegistry
    ) -> None:
        self.path = os.path.join(cache_dir, "declarations", f"{_key(sources, registry)}.json")
        self.registry = registry

    def load(self) -> tuple[Resource, ...] | None:
        """Return the resources in topological order, or None on a cache miss. Never writes."""
        try:
            entry = json.loads(read_with_checksum(self.path))
            functions = self.registry.digest_functions
            if not is_unchanged(entry["files"], entry["digests"], functions):
                return None
            if entry["fields"] != self._fields(entry["fields"]):
                return None
            resources = tuple(from_dict(body, self.registry.kinds) for body in entry["resources"])
            # The target of a symlink may have changed, so that two paths now overlap.
            return resources if self._owned_paths(resources) == entry["owned-paths"] else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None  # missing, torn, or in the format of another version

    def store(self, resources: tuple[Resource, ...], log: InputLog) -> None:
        """Write the entry, unless a spec contains credentials, or an input a signature.

        A kind registers the signatures in its inputs when it reads them, so that an installer can
        use them. On a cache hit, it reads none.

        The write is atomic, but not durable. A failure isn't reported: the next run is slower.
        """
        # Imported here: a no-op run writes nothing.
        from engine.system.atomic_write import write_atomic

        entry = {
            "files": log.files,
            "digests": log.digests,
            "owned-paths": self._owned_paths(resources),
            "fields": self._fields(resource.kind for resource in resources),
            "resources": [to_dict(resource) for resource in resources],
        }
        content = json.dumps(entry)
        if find_credentials(content) or find_query_secrets(content) or log.contains_signature():
            return
        try:
            make_private_dir(os.path.dirname(self.path), durable=False)
            write_atomic(self.path, add_checksum(content.encode()), 0o600)
        except OSError:
            return

    def _owned_paths(self, resources: tuple[Resource, ...]) -> list[list[str]]:
        kinds = self.registry.kinds
        return [list(kinds[resource.kind].owned_paths(resource.spec)) for resource in resources]

    def _fields(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Return the fields of the specs of some kinds. Another version may have others."""
        return {name: list(fields(self.registry.kinds[name].spec)) for name in names}


def _key(sources: tuple[SourceFile, ...], registry: KindRegistry) -> str:
    """Return the digest of the declaring files and of the program that reads them."""
    # A version that was reinstalled in place may read a declaration differently.
    package_dir = os.path.dirname(os.path.dirname(__file__))
    installed_ns = os.stat(package_dir).st_mtime_ns
    contents = [(source.file, source.directory, source.content) for source in sources]
    document = json.dumps([__version__, installed_ns, list(registry.kinds), contents])
    return sha256(document.encode("utf-8", "surrogatepass"))
