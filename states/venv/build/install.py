"""Having uv install exactly what was locked into a fresh generation."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress

from engine import progress
from engine.errors import ConvergeError, IntegrityError
from engine.system.files import sha256
from states.installer import uv
from states.venv.integrity.dist_info import dist_infos
from states.venv.integrity.record_check import RecordMismatch
from states.venv.resolve.resolver import build_constraints

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
    lock = os.path.join(work, "pylock.toml")
    with open(lock, "w", encoding="utf-8") as stream:
        stream.write(chosen.lock)
    arguments = ["pip", "sync", lock, "--python", f"{root}/bin/python", "--link-mode", "copy"]
    arguments += ["--allow-empty-requirements", "--preview-features", "pylock"]
    arguments += build_constraints(spec, work)
    parts = [one.name for one in chosen.packages if one.name in missing and _is_part(one)]
    if parts:
        # uv's cache takes one project of an archive for another of the same name.
        uv.clear_cache(parts, work=work, cache=settings.cache)
    # uv takes a local project's build from its cache though a source file has changed.
    local = [one for one in chosen.packages if one.project()]
    for one in local:
        arguments += ["--refresh-package", one.name]
    arguments += uv.index_arguments(spec)
    # Of one name for each store, whose lock is held: what a killed run left is found again.
    name = f"converge-{sha256(os.path.dirname(root).encode())[:16]}"
    with _built_apart([one.project() for one in local], name, work):
        _call(arguments, root, spec, settings, work, cached=not local)
    lockfile = os.path.join(root, ".lock")
    if os.path.lexists(lockfile):
        os.unlink(lockfile)  # uv's own, of no more use, and writable for everybody


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


def _call(
    arguments: list[str],
    root: str,
    spec: Venv,
    settings: Settings,
    work: str,
    *,
    cached: bool,
) -> None:
    """Call uv, first without the network: what is pinned by hash is as good from its cache.

    Never a second time into a target in which the first has begun: uv takes a package for
    installed whose `dist-info` is there, whatever became of its files.
    """
    before = list(dist_infos(root))
    for more in [["--offline"], []] if cached else [[]]:
        try:
            uv.run_uv(
                [*arguments, *more],
                work=work,
                cache=settings.cache,
                doing="installing",
                spec=spec,
            )
            return
        except ConvergeError as error:
            if more and list(dist_infos(root)) == before:
                continue
            if isinstance(error, IntegrityError):
                # Of the others, too, nobody knows what the cache has made.
                raise RecordMismatch(error.message, [""], error.hint, error.output) from error
            raise


def _is_part(package: Package) -> bool:
    return "#subdirectory=" in package.origin and package.content.startswith("sha256:")


def assert_sources_unchanged(spec: Venv, chosen: Selection) -> None:
    """Raise if a local project was edited while it was being built."""
    from engine.declaration.inputs import tree_digest

    built = {one.project(): one.content for one in chosen.packages if one.project()}
    for path, digest in (built | spec.local_digests()).items():
        if tree_digest(path) != digest:
            raise IntegrityError(
                f"`{path}` was changed while it was being installed",
                hint="nothing was published; run it again",
            )
