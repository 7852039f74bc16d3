"""Build a generation in a new directory, stage by stage."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from engine import progress
from engine.frozen import replace
from engine.system.files import fsync_dir
from engine.system.linux import sync_filesystem, syncing
from states.venv.build.base_env import assert_isolated, create_base
from states.venv.build.bytecode.compile import compiling
from states.venv.build.declared_files import (
    place_files,
    placed_paths,
    privileged_paths,
    require_link_targets,
    set_metadata,
)
from states.venv.build.metadata import write_metadata
from states.venv.build.overlaps import settle_overlaps
from states.venv.build.ownership import (
    KEEP_OWNER,
    chmod_tree,
    chown_tree,
    resolve_ids,
    set_root_mode,
)
from states.venv.build.persistent.link import link_persistent
from states.venv.build.projects.settle import assert_sources_unchanged, install_packages
from states.venv.build.reuse.reusable import copy_reusable, unmodified
from states.venv.build.smoke import run_smoke_tests
from states.venv.build.stages import Draft, Populated, Sealed, Verified
from states.venv.build.system_packages import link_system_packages
from states.venv.generations.generation import Generation
from states.venv.generations.in_use import end_processes
from states.venv.generations.recovery import remove_unfinished
from states.venv.generations.store import new_id
from states.venv.integrity.dist_info import normalize_name
from states.venv.integrity.inspection import Expected
from states.venv.integrity.mismatches import RecordMismatch
from states.venv.integrity.receipt import is_protected, write_receipt
from states.venv.integrity.wheels.record_check import baseline_digests, check_records
from states.venv.integrity.wheels.records import read_records
from states.venv.layout import METADATA_DIR
from states.venv.refresh import update_stat_cache

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from states.venv.build.stages import BuildContext
    from states.venv.integrity.receipt import Package
    from states.venv.sources.project import BuiltProject


def build_generation(context: BuildContext) -> Generation:
    """Build a generation. If files don't match their hashes, download their packages again.

    The lock of the store must be held. A kill leaves a directory without a receipt, or a
    finished generation that isn't live. The next run deletes or reuses it.

    Raises:
        ConvergeError, OSError: The build failed, and its directory was deleted.

    """
    try:
        return _build_and_repair(context)
    except BaseException:
        # A failed build must not keep a full disk full.
        remove_unfinished(context.store)
        raise


def _build_and_repair(context: BuildContext) -> Generation:
    """Build a generation, and clear damaged packages from the cache after up to two failures.

    The cache serves all venvs, so packages of other venvs are kept. The packages of this venv
    are cleared once one package after another turns out to be damaged.

    Raises:
        RecordMismatch: A package that was downloaded again doesn't match either.
        ConvergeError, OSError: The build failed for another reason.

    """
    selected = {package.name for package in context.selection.packages}
    try:
        return _build(context)
    except RecordMismatch as mismatch:
        cleared = set(mismatch.packages) or selected
        _clear_packages(context, mismatch, cleared)
    # No other generation is trusted the second time: copies may be the cause.
    context = replace(context, observations=())
    try:
        return _build(context)
    except RecordMismatch as mismatch:
        suspects = set(mismatch.packages) or selected
        if suspects <= cleared:
            raise
        # uv stops at the first damaged package, so the error doesn't name the others.
        _clear_packages(context, mismatch, suspects | selected)
    return _build(context)


def _clear_packages(context: BuildContext, mismatch: RecordMismatch, names: set[str]) -> None:
    """Clear packages from the cache, and delete the failed build.

    Args:
        context: The context of the build.
        mismatch: The error of the build, for the progress output.
        names: The names of the packages.

    """
    progress.step(f"{mismatch.message}; downloading again")
    if names:  # Without names, the whole cache would be cleared.
        context.installer.clear_cache(sorted(names))
    remove_unfinished(context.store)


def _build(context: BuildContext) -> Generation:
    with create(context) as draft:
        return finish(seal(verify(populate(draft))))


@contextmanager
def create(context: BuildContext) -> Iterator[Draft]:
    """Create the directory of a new generation, and open it for the sync in `finish`.

    Raises:
        ConvergeError: The declared owner or group doesn't exist, or can't use the venv.

    """
    ids = resolve_ids(context.spec)  # First: an unknown user must fail before the build.
    identifier = new_id(context.store)
    root = context.store.generation(identifier)
    progress.step(f"creating generation {identifier}")
    # A concurrent run may have deleted the parent just before this one took the lock.
    os.makedirs(root, 0o700)
    # INVARIANT: open before the first write. The kernel reports a lost write only to files
    # that were open at that time.
    with syncing(root) as sync:
        yield Draft(root, context, ids, sync)


def populate(draft: Draft) -> Populated:
    """Create the environment, and install every package.

    Raises:
        RecordMismatch: The content of a download doesn't match its hash.
        ConvergeError: virtualenv or uv failed.

    """
    create_base(draft)
    # INVARIANT: check the target before the installer runs. An installer that is given a
    # broken environment installs into the base interpreter.
    assert_isolated(draft)
    baseline = baseline_digests(draft.root)
    copied, projects = _install_packages(draft, baseline)
    _write_back(draft)
    return Populated(draft, baseline, copied, projects)


def verify(populated: Populated) -> Verified:
    """Compare every file with the RECORD of its wheel, add declared files, and compile sources.

    Raises:
        RecordMismatch: A file differs from its wheel's RECORD.
        IntegrityError: A local project changed while it was built, or a source since it was read.
        ConvergeError: A declared file can't be placed.

    """
    draft, context = populated.draft, populated.draft.context
    progress.step("verifying files")
    expected = Expected(
        _with_content(populated),
        populated.baseline,
        _known_records(context),
        frozenset(map(normalize_name, context.spec.accept_record_mismatch)),
    )
    records = read_records(draft.root, populated.baseline, populated.copied)
    with compiling(draft) as compilation:
        inspection = check_records(records, expected, compilation.hash_and_compile(records))
        assert_sources_unchanged(draft, populated.projects)
        if context.spec.files:
            place_files(populated, inspection)
        # INVARIANT: after the check, because it caches bytecode, and before the manifest, which
        # lists the bytecode.
        inspection.digests.update(compilation.finish(inspection))
    _write_back(draft)
    return Verified(draft, inspection, populated.projects)


def seal(verified: Verified) -> Sealed:
    """Complete the directory, record every file in the manifest, and run the smoke tests.

    Raises:
        ConvergeError: A smoke test failed, or a system package doesn't exist. Or a declared file
            can't get its capabilities, or links to nothing.

    """
    draft, context = verified.draft, verified.draft.context
    link_system_packages(draft)
    link_persistent(draft)
    # INVARIANT: modes before the manifest, which records them.
    # INVARIANT: a declared file is never more accessible than declared. The user of an interpreter
    # that belongs to another user can already enter the directory.
    chmod_tree(draft.root, placed_paths(draft))
    set_metadata(draft)
    require_link_targets(draft)
    set_root_mode(draft)
    receipt, manifest = write_metadata(verified)
    # INVARIANT: smoke tests before the receipt, so that a failed generation is never reused.
    # And before chown: a smoke test runs as the owner, and must not change what is published.
    try:
        run_smoke_tests(draft)
    finally:
        end_processes(draft.root)
    if draft.ids != KEEP_OWNER:
        chown_tree(draft.root, draft.ids, privileged_paths(draft))
        # chown(2) changes the ctime of each file.
        update_stat_cache(draft.root, manifest, receipt.partly_ignored, context.spec.ignore)
    return Sealed(draft, receipt)


def finish(sealed: Sealed) -> Generation:
    """Sync the directory, then write the receipt and sync that.

    Raises:
        OSError: A write was lost, or the disk is full.

    """
    root = sealed.draft.root
    # INVARIANT: everything else must be on disk before the receipt, which declares it complete.
    sealed.draft.sync()
    write_receipt(sealed.receipt, root)
    # INVARIANT: the receipt and the directory's name must be on disk before `publish`.
    fsync_dir(root)
    fsync_dir(os.path.dirname(root))
    return Generation(root, sealed.receipt)


def _write_back(draft: Draft) -> None:
    """Let the disk write while the build goes on, so that the sync in `finish` takes less time."""
    draft.context.start(partial(sync_filesystem, draft.root))


def _install_packages(
    draft: Draft, baseline: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, BuiltProject]]:
    """Copy or install the packages.

    Args:
        draft: The directory.
        baseline: The digests of the empty environment.

    Returns:
        The SHA-256 of each intact copy by path, and each local project by its directory.

    """
    reused, copies = copy_reusable(draft)
    _write_back(draft)
    packages = draft.context.selection.packages
    missing = [package.name for package in packages if package.name not in reused]
    placeholder = f"{draft.root}/{METADATA_DIR}"
    # INVARIANT: a regular file occupies the name while the installer runs, so that no package
    # can install a forged receipt there.
    with open(placeholder, "xb"):
        pass
    projects = install_packages(draft, missing, baseline)
    if missing:
        settle_overlaps(draft, baseline)
    os.unlink(placeholder)
    return unmodified(draft.root, copies), projects


def _with_content(populated: Populated) -> tuple[Package, ...]:
    """Return the selected packages. A build has shown which files of a project are its source."""
    projects = populated.projects
    return tuple(
        replace(package, content=projects[package.project()].content)
        if package.project()
        else package
        for package in populated.draft.context.selection.packages
    )


def _known_records(context: BuildContext) -> dict[str, str]:
    """Return the digests of the RECORD files of wheels in earlier generations."""
    return {
        f"{package.name} {package.content}": package.record
        for observation in context.observations
        if observation.receipt is not None and is_protected(observation.root)
        for package in observation.receipt.packages
        if package.wheel
    }
