"""The versions that a plan selected, until an apply takes them.

Without this record, `apply` would resolve once more, and could select others than `plan` showed.
It is a file in the cache for each venv. An apply deletes it, whether it succeeds or fails: after
that, the generation records the versions, or their packages can't be installed.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.frozen import as_items
from engine.system.atomic_write import write_atomic
from engine.system.files import add_checksum, read_with_checksum, sha256
from states.installer.credentials import signed_urls
from states.system.scratch import writable_dir
from states.venv.integrity.receipt import Package
from states.venv.resolve.pylock import Resolution
from states.venv.resolve.references import is_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.settings import Settings
    from states.interpreter.discovery import Python
    from states.venv.spec import Venv

_DIRECTORY = "resolutions"
_FORMAT = 1


def request_digest(spec: Venv, python: Python, previous: str | None) -> str:
    """Return a digest of everything that a resolution depends on, except the indexes' content.

    Args:
        spec: The spec.
        python: The interpreter.
        previous: The lock of the live generation, if any.

    Returns:
        The digest.

    """
    request = [spec.inputs, python.executable, python.version, python.digest, previous]
    links = [[place, *_listing(place)] for place in spec.find_links if not is_url(place)]
    return sha256(json.dumps([_FORMAT, *request, links]).encode())


def recall(spec: Venv, request: str, settings: Settings) -> Resolution | None:
    """Return the resolution that a plan recorded for a request, if it can be installed.

    Its URLs have no signatures. It can't be installed if this process doesn't know each of them.

    Args:
        spec: The spec.
        request: The digest of the request.
        settings: The cache directory.

    Returns:
        The resolution, or None.

    """
    try:
        document = json.loads(read_with_checksum(_path(spec, settings)))
        if document.pop("request") != request:
            return None
        # Other signatures are in a requirement file behind a URL, which a resolution fetches.
        if set(document.pop("signed")) - set(signed_urls(document["lock"])):
            return None
        packages = tuple(Package(**package) for package in document.pop("packages"))
        changed_bounds, notices = (tuple(document[key]) for key in ("changed_bounds", "notices"))
        return Resolution(document["lock"], packages, changed_bounds, notices)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def record(spec: Venv, request: str, resolution: Resolution, settings: Settings) -> None:
    """Record a resolution in the cache, if it is writable.

    Args:
        spec: The spec.
        request: The digest of the request.
        resolution: Its result.
        settings: The cache directory.

    """
    document = dict(as_items(resolution))
    document["signed"] = signed_urls(resolution.lock)
    document["packages"] = [dict(as_items(package)) for package in resolution.packages]
    data = json.dumps({"request": request, **document}).encode()
    if writable_dir(os.path.join(settings.cache, _DIRECTORY)):
        with suppress(OSError):
            write_atomic(_path(spec, settings), add_checksum(data))


def delete_record(spec: Venv, settings: Settings) -> None:
    """Delete the record of a venv, if there is one."""
    with suppress(OSError):
        os.unlink(_path(spec, settings))


def _path(spec: Venv, settings: Settings) -> str:
    return os.path.join(settings.cache, _DIRECTORY, sha256(spec.path.encode())[:32])


def _listing(directory: str) -> Iterable[tuple[str, int, int]]:
    """Yield name, size, and mtime of each file, so that a new wheel counts at once."""
    # The installer reports a directory that it can't read.
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            status = entry.stat()
            yield entry.name, status.st_size, status.st_mtime_ns
