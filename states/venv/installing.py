"""Having uv install exactly what was locked into a fresh generation."""

from __future__ import annotations

import os

from engine import progress
from engine.errors import IntegrityError
from states import uv
from states.venv.resolving import build_constraints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.settings import Settings
    from states.venv.choice import Choice
    from states.venv.receipt import Package
    from states.venv.spec import Venv


def install(
    root: str, spec: Venv, chosen: Choice, missing: list[str], settings: Settings, work: str
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
    # uv takes a local project's build from its cache though a source file has changed.
    local = [one.name for one in chosen.packages if _is_project(one)]
    for name in local:
        arguments += ["--refresh-package", name]
    arguments += uv.index_arguments(spec)
    uv.call(
        arguments,
        work=work,
        cache=settings.cache,
        doing="installing",
        spec=spec,
        fetched=missing,
        pinned=not local,
    )
    lockfile = os.path.join(root, ".lock")
    if os.path.lexists(lockfile):
        os.unlink(lockfile)  # uv's own, of no more use, and writable for everybody


def _is_project(package: Package) -> bool:
    return package.origin.startswith("file://") and not package.content.startswith("sha256:")


def changed_meanwhile(spec: Venv) -> None:
    """Raise if a local project was edited while it was being built."""
    from engine.source import tree_digest

    for path, digest in (one.split("\0") for one in spec.origins):
        if tree_digest(path) != digest:
            raise IntegrityError(
                f"`{path}` was changed while it was being installed",
                hint="nothing was published; run it again",
            )
