"""Provide the wheel of each artifact: from the store, from its index, or by a build."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine import progress
from engine.frozen import replace
from states.interpreter.tags import accepted_tags
from states.system.scratch import scratch_dir_in
from states.system.timestamps import from_seconds
from states.venv.resolve.lines.sources import index_options
from states.wheelhouse.sources.build import Builder
from states.wheelhouse.sources.download import download_all
from states.wheelhouse.store.wheel_file import tags_of
from states.wheelhouse.store.wheels import NewWheel, add_wheel, drop_damaged, list_wheels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.settings import Settings
    from states.installer import IndexOptions
    from states.venv.layout import Store
    from states.wheelhouse.select.artifacts import Artifact
    from states.wheelhouse.spec import Wheelhouse
    from states.wheelhouse.store.wheels import Wheel


def find_wheel(artifact: Artifact, wheels: Iterable[Wheel]) -> Wheel | None:
    """Return the wheel of an artifact among those of a store, or None.

    Args:
        artifact: The artifact.
        wheels: The wheels.

    Returns:
        For a source, the wheel that was built from it and that its interpreter prefers.

    """
    if artifact.build is None:
        return next((wheel for wheel in wheels if wheel.sha256 == artifact.sha256), None)
    own = [wheel for wheel in wheels if wheel.source == artifact.identity]
    if not own:
        return None
    ranks = {tag: rank for rank, tag in enumerate(accepted_tags(artifact.build.python))}
    ranked = [
        (min(ranks[tag] for tag in tags), wheel.sha256, wheel)
        for wheel in own
        if (tags := tags_of(wheel.file) & ranks.keys())
    ]
    return min(ranked)[2] if ranked else None


def provide_wheels(
    spec: Wheelhouse,
    store: Store,
    artifacts: Mapping[str, Artifact],
    settings: Settings,
    messages: list[str],
) -> dict[str, Wheel]:
    """Return the wheel of each artifact by its attribute. The store contains all of them.

    The lock of the store must be held. Each wheel is durable as soon as it is complete.

    Args:
        spec: The wheelhouse.
        store: Its store.
        artifacts: The artifacts by attribute.
        settings: The cache directory.
        messages: Receives messages for the user.

    Returns:
        The wheels.

    Raises:
        ConvergeError, OSError: A wheel can't be fetched or built. Complete ones stay.

    """
    progress.step("checking wheels")
    wheels = list(list_wheels(store).values())
    candidates = [find_wheel(artifact, wheels) for artifact in artifacts.values()]
    drop_damaged(store, {wheel.sha256 for wheel in candidates if wheel})
    wheels = list(list_wheels(store).values())
    missing = [artifact for artifact in artifacts.values() if not find_wheel(artifact, wheels)]
    with scratch_dir_in(store.root) as scratch:
        wheels += _fetch(spec, store, missing, scratch)
        to_build = [artifact for artifact in missing if artifact.build]
        if to_build:
            builder = Builder(spec, settings, scratch)
            if builder.has_network:
                names = ", ".join(dict.fromkeys(artifact.project for artifact in to_build))
                messages.append(
                    f"builds of {names} could use the network: this host doesn't allow user "
                    "namespaces"
                )
            wheels += _build(builder, spec, store, to_build, scratch)
    provided = {}
    for name, artifact in artifacts.items():
        wheel = find_wheel(artifact, wheels)
        assert wheel is not None  # It was found, fetched, or built.
        provided[name] = wheel
    return provided


def _fetch(spec: Wheelhouse, store: Store, missing: list[Artifact], scratch: str) -> list[Wheel]:
    """Add the wheels among missing artifacts to the store.

    Args:
        spec: The wheelhouse.
        store: Its store.
        missing: The artifacts that the store lacks.
        scratch: A directory of the store for temporary files.

    Returns:
        The new wheels.

    """
    by_hash = {artifact.sha256: artifact for artifact in missing if artifact.build is None}
    if by_hash:
        progress.step(f"fetching {len(by_hash)} wheels")
    requests = [(artifact, _indexes(spec, artifact)) for artifact in by_hash.values()]
    return [
        add_wheel(store, _fetched(artifact, path), scratch)
        for artifact, path in download_all(requests, scratch)
    ]


def _build(
    builder: Builder, spec: Wheelhouse, store: Store, missing: list[Artifact], scratch: str
) -> list[Wheel]:
    """Build artifacts that the store lacks, and add the wheels to it.

    A wheel that several interpreters accept is built once.

    Args:
        builder: Builds.
        spec: The wheelhouse.
        store: Its store.
        missing: The artifacts.
        scratch: A directory of the store for temporary files.

    Returns:
        The new wheels.

    """
    archives = {artifact.sha256: artifact for artifact in missing if artifact.sha256}
    requests = [(artifact, _indexes(spec, artifact)) for artifact in archives.values()]
    paths = {
        artifact.sha256: (path, artifact.uploaded or _modified(path))
        for artifact, path in download_all(requests, scratch)
    }
    built: list[Wheel] = []
    for artifact in missing:
        if find_wheel(artifact, built) is None:
            path, uploaded = paths.get(artifact.sha256, ("", ""))
            new = builder.build(replace(artifact, uploaded=uploaded), path)
            built.append(add_wheel(store, new, scratch))
    return built


def _indexes(spec: Wheelhouse, artifact: Artifact) -> IndexOptions:
    return index_options(spec.sources[artifact.venv])


def _fetched(artifact: Artifact, path: str) -> NewWheel:
    uploaded = artifact.uploaded or _modified(path)
    return NewWheel(path, artifact.project, artifact.version, uploaded)


def _modified(path: str) -> str:
    return from_seconds(os.stat(path).st_mtime)
