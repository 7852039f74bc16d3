"""The digest of everything that versions are selected from, except the interpreter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine.redaction import redact, redact_all, strip_signed_queries
from engine.system.files import sha256

if TYPE_CHECKING:
    from collections.abc import Iterable

    from states.venv.resolve.lines.line import Line
    from states.venv.resolve.projects.uv_lock import UvLock
    from states.venv.resolve.pylock import Lock
    from states.venv.spec import Venv


def input_digest(
    spec: Venv,
    lines: Iterable[Line],
    build_lines: Iterable[Line],
    origins: tuple[str, ...],
    lock: Lock | UvLock | None,
) -> str:
    """Hash everything that versions depend on, except the interpreter.

    Args:
        spec: The normalized spec.
        lines: The lines of requirement and constraint files.
        build_lines: The lines of files with build constraints.
        origins: The digests of local projects.
        lock: The lock, if the table names one.

    Returns:
        The digest.

    """
    # Only if it is set, so that receipts of earlier versions still match.
    settings = {"build": spec.build_settings} if spec.build_settings else {}
    if lock is not None:
        # The requirements behind a lock may differ between hosts, so they don't count.
        keys = ("extras", "groups", "workspace_member", "no_install_project")
        selected = {key: getattr(spec, key) for key in keys if getattr(spec, key)}
        return _hash({"lock": lock.digest, "origins": origins, **selected, **settings})
    of_packages = [f"{name} {url}" for name, url in sorted(spec.package_index_url.items())]
    indexes = (spec.index_url, *spec.extra_index_url, *of_packages)
    return _hash(
        {
            "packages": sorted(spec.packages),
            "overrides": sorted(spec.overrides),
            "lines": [[line.constraint, line.text] for line in lines],
            "build-constraints": [line.text for line in build_lines],
            "indexes": [redact(url) for url in indexes],
            "find-links": spec.find_links,
            "no-index": spec.no_index,
            "exclude-newer": spec.exclude_newer,
            "origins": origins,
            **settings,
            **({"no-deps": True} if spec.no_deps else {}),
        }
    )


def _hash(values: dict[str, object]) -> str:
    # The content behind a URL counts, not the signature that gives access to it.
    return sha256(json.dumps(redact_all(values, strip_signed_queries), sort_keys=True).encode())
