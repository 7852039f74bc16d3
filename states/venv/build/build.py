"""Build a generation in a new directory, stage by stage."""

from __future__ import annotations

import os
from contextlib import contextmanager

from engine import progress
from engine.system.files import fsync_dir
from engine.system.linux import syncing
from states.installer.uv import Uv
from states.venv import refresh
from states.venv.build import bytecode, reuse
from states.venv.build.base_env import assert_isolated, create_base
from states.venv.build.install import assert_sources_unchanged, install
from states.venv.build.metadata import write_metadata
from states.venv.build.ownership import (
    KEEP_OWNER,
    chmod_tree,
    chown_tree,
    resolve_ids,
    set_root_mode,
)
from states.venv.build.persistent import link_persistent
from states.venv.build.smoke import smoke
from states.venv.build.stages import Draft, Populated, Sealed, Verified
from states.venv.build.system_packages import link_system_packages
from states.venv.generations.generation import Generation
from states.venv.generations.recovery import remove_unfinished
from states.venv.generations.store import new_id
from states.venv.integrity import receipt as receipts
from states.venv.integrity.record_check import RecordMismatch, baseline_digests, check_records
from states.venv.layout import METADATA_DIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.venv.build.stages import Job
    from states.venv.observe import Observation


def build_generation(job: Job, views: tuple[Observation, ...]) -> Generation:
    """Build a generation. If content doesn't match its hash, download it again once.

    The lock of the store must be held.

    Args:
        job: What to build, and where.
        views: Observations of venvs that packages are copied from if they are intact.

    Raises:
        ConvergeError, OSError: The build failed. Nothing of it is left.

    """
    try:
        try:
            return _build(job, views)
        except RecordMismatch as mismatch:
            progress.step(f"{mismatch.message}; downloading again")
            suspects = mismatch.packages or [package.name for package in job.selection.packages]
            if suspects:
                Uv(job.settings.cache, job.scratch).clear_cache(suspects)
            remove_unfinished(job.store)
            return _build(job, ())
    except BaseException:
        # A failed build must not keep a full disk full.
        remove_unfinished(job.store)
        raise


def _build(job: Job, views: tuple[Observation, ...]) -> Generation:
    with create(job) as draft:
        return finish(seal(verify(populate(draft, views), views)))


@contextmanager
def create(job: Job) -> Iterator[Draft]:
    """Create the directory of a new generation.

    Raises:
        ConvergeError: The declared owner or group doesn't exist.

    """
    ids = resolve_ids(job.spec)  # First: an unknown user must fail before the build.
    identifier = new_id(job.store)
    root = job.store.generation(identifier)
    progress.step(f"creating generation {identifier}")
    # A concurrent run may have deleted the parent just before this one took the lock.
    os.makedirs(root, 0o700)
    with syncing(root) as sync:
        yield Draft(root, job, ids, sync)


def populate(draft: Draft, views: tuple[Observation, ...]) -> Populated:
    """Create the environment, and install every package.

    Args:
        draft: The empty directory.
        views: Observations of venvs that packages are copied from if they are intact.

    Raises:
        RecordMismatch: The content of a download doesn't match its hash.

    """
    root, job = draft.root, draft.job
    create_base(
        root,
        job.selection.python,
        os.path.basename(job.store.published),
        job.settings.cache,
        job.scratch,
        system_site_packages=job.spec.system_site_packages,
    )
    # INVARIANT: prove the target before the installer runs. An installer that is given a
    # broken environment installs into the base interpreter.
    assert_isolated(root, job.selection.python, job.scratch)
    baseline = baseline_digests(root)
    return Populated(draft, baseline, _install_packages(draft, views))


def verify(env: Populated, views: tuple[Observation, ...]) -> Verified:
    """Compare every file with the RECORD of its wheel, and compile every source.

    Args:
        env: The populated directory.
        views: Observations of venvs whose receipts tell which RECORD a wheel had before.

    Raises:
        RecordMismatch: A file differs from its wheel's RECORD.
        IntegrityError: A local project changed while it was built.

    """
    draft, job = env.draft, env.draft.job
    progress.step("verifying files")
    inspection = check_records(
        draft.root, job.selection.packages, env.baseline, env.copied, _known_records(views)
    )
    assert_sources_unchanged(job.spec, job.selection)
    compiled = bytecode.compile_all(
        draft.root, inspection, job.selection.python, job.settings, job.scratch
    )
    inspection.digests.update(compiled)
    return Verified(draft, inspection)


def seal(env: Verified) -> Sealed:
    """Complete the directory, record every file in the manifest, and run the smoke tests.

    Raises:
        ConvergeError: A smoke test failed, or a system package doesn't exist.

    """
    draft, job = env.draft, env.draft.job
    link_system_packages(draft.root, job.spec, job.selection.python, job.scratch)
    link_persistent(draft.root, job.spec, job.store, draft.ids)
    chmod_tree(draft.root)
    set_root_mode(draft.root, job.spec, draft.ids)
    receipt, manifest = write_metadata(env)
    # INVARIANT: before the receipt, so that a failed generation is never reused, and before
    # the owner gets the files, because the owner could replace what runs here.
    smoke(draft.root, job.spec, job.scratch)
    if draft.ids != KEEP_OWNER:
        chown_tree(draft.root, draft.ids)
        refresh.update_stat_cache(draft.root, manifest, receipt.loose, job.spec.ignore)
    return Sealed(draft, receipt)


def finish(env: Sealed) -> Generation:
    """Sync the directory, then write the receipt.

    # INVARIANT: everything else must be on disk before the receipt, which vouches for it.

    Raises:
        OSError: A write was lost, or the disk is full.

    """
    root = env.draft.root
    env.draft.sync()
    receipts.write(env.receipt, root)
    fsync_dir(root)
    fsync_dir(os.path.dirname(root))
    return Generation(root, env.receipt)


def _install_packages(draft: Draft, views: tuple[Observation, ...]) -> dict[str, str]:
    """Copy or install the packages; return the SHA-256 of each file that was hashed on the way."""
    root, job = draft.root, draft.job
    packages = job.selection.packages
    reused, digests = reuse.copy_reusable(root, packages, job.selection.python, views)
    missing = [package.name for package in packages if package.name not in reused]
    before = reuse.looks(root, digests)
    placeholder = f"{root}/{METADATA_DIR}"
    # A regular file, so that no package can install a forged receipt there.
    with open(placeholder, "xb"):
        pass
    install(root, job.spec, job.selection, missing, job.settings, job.scratch)
    os.unlink(placeholder)
    return reuse.unmodified(root, digests, before)


def _known_records(views: tuple[Observation, ...]) -> dict[str, str]:
    """Return the digests of the RECORD files of wheels in earlier generations."""
    return {
        f"{package.name} {package.content}": package.record
        for view in views
        if view.receipt is not None and receipts.is_protected(view.root)
        for package in view.receipt.packages
        if package.wheel
    }
