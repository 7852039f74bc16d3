"""Having uv install exactly what was locked into a fresh generation."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress

from engine import progress
from engine.errors import IntegrityError
from engine.system.files import sha256
from states.installer import InstallRequest
from states.installer.uv import Uv
from states.venv.integrity.record_check import RecordMismatch
from states.venv.resolve.resolver import build_constraints, index_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.settings import Settings
    from states.venv.integrity.receipt import Package
    from states.venv.resolve.selection import Selection
    from states.venv.spec import Venv


def install(
    root: str, spec: Venv, chosen: Selection, missing: list[str], settings: Settings, work: str
) -> None:
    """Install what donors did not bring, into a target that was proved to be one."""
    if not missing:
        return
    progress.step(f"installing {len(missing)} of {len(chosen.packages)} packages")
    parts = [one.name for one in chosen.packages if one.name in missing and _is_part(one)]
    local = [one for one in chosen.packages if one.project()]
    request = InstallRequest(
        root=root,
        lock=chosen.lock,
        build_constraints=build_constraints(spec),
        projects=tuple(one.name for one in local),
        archive_parts=tuple(parts),
        indexes=index_options(spec),
    )
    # Of one name for each store, whose lock is held: what a killed run left is found again.
    name = f"converge-{sha256(os.path.dirname(root).encode())[:16]}"
    with _built_apart([one.project() for one in local], name, work):
        try:
            Uv(settings.cache, work).install(request)
        except IntegrityError as error:
            # No package: the cache may have damaged any of them.
            raise RecordMismatch(error.message, (), error.hint, error.output) from error


@contextmanager
def _built_apart(projects: list[str], name: str, work: str) -> Iterator[None]:
    """Have each local project built in `build/NAME`, which is gone afterwards.

    setuptools packs all that it finds where it builds: of an earlier build, also what has no
    source any more. It is told by the file for a user's preferences; `work` is their home.
    """
    if not projects:
        yield
        return
    with open(f"{work}/.pydistutils.cfg", "w", encoding="utf-8") as stream:
        stream.write(f"[build]\nbuild_base = build/{name}\n")
    above = {f"{one}/build": os.path.lexists(f"{one}/build") for one in projects}
    for folder in above:
        shutil.rmtree(f"{folder}/{name}", ignore_errors=True)
    try:
        yield
    finally:
        for folder, was_there in above.items():
            shutil.rmtree(f"{folder}/{name}", ignore_errors=True)
            with suppress(OSError):
                if not was_there:
                    os.rmdir(folder)


def _is_part(package: Package) -> bool:
    return "#subdirectory=" in package.origin and package.content.startswith("sha256:")


def assert_sources_unchanged(spec: Venv, chosen: Selection) -> None:
    """Raise if a local project was edited while it was being built."""
    from states.venv.resolve.source_tree import tree_digest

    built = {one.project(): one.content for one in chosen.packages if one.project()}
    for path, digest in (built | spec.local_digests()).items():
        if tree_digest(path) != digest:
            raise IntegrityError(
                f"`{path}` was changed while it was being installed",
                hint="nothing was published; run it again",
            )
