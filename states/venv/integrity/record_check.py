"""Comparing an installed generation with what the wheels' RECORDs say, byte by byte.

An installer's success is no proof: a cache may be poisoned, a disk full, a wheel hostile.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field

from engine.errors import IntegrityError
from engine.frozen import replace
from engine.system.files import sha256
from states.venv.integrity.dist_info import dist_infos, metadata_name, read_record
from states.venv.integrity.manifest import file_digest, stat_entry, walk
from states.venv.layout import METADATA_DIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from states.venv.integrity.receipt import Package

_VOLATILE = (
    "/RECORD",
    "/INSTALLER",
    "/REQUESTED",
    "/direct_url.json",
    "/uv_cache.json",
    "/uv_build.json",
)
"""What the installer itself writes into a dist-info folder."""
_SIGNATURES = ("/RECORD.jws", "/RECORD.p7s")
_UNHASHED = ("/RECORD", *_SIGNATURES)
"""What a RECORD cannot hold the digest of: itself, and its signatures."""
_ANCHOR = "any:"
"""Begins what is kept of a RECORD, in the form that is the same under any version of Python."""
_VERSIONED = ("lib", "lib64", "include/site")
"""The folders in which each version of Python has one of its own."""
_INTERPRETER = re.compile(r"bin/(?:python|pypy)[\d.]*t?")


class RecordMismatch(IntegrityError):
    """Packages were not installed as their RECORDs say.

    `packages` are their names; it is empty where it may be any of them.
    """

    def __init__(
        self, message: str, packages: Iterable[str], hint: str | None, output: str = ""
    ) -> None:
        super().__init__(message, hint=hint, output=output)
        names = sorted(set(packages))
        self.packages = [] if "" in names else names


@dataclass(slots=True)
class Inspection:
    """What was found: which package each path belongs to, and each file's SHA-256."""

    owners: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    packages: tuple[Package, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)
    """Python sources that have no bytecode yet, with their digests."""


def check_records(
    root: str,
    wanted: tuple[Package, ...],
    bare: Mapping[str, str],
    digests: Mapping[str, str],
    anchors: Mapping[str, str],
) -> Inspection:
    """Check a generation before it is sealed, and remove bytecode that a wheel brought.

    `bare` has the digest of each file of the empty environment, `digests` those of files
    that were hashed while they were copied, `anchors` the RECORD digests of packages, by
    content, as they were first installed. Raises `Damaged`.
    """
    found = Inspection(digests=dict(digests))
    problems: list[tuple[str, str]] = []
    records: dict[str, str] = {}
    versions: dict[str, str] = {}
    claims: dict[str, list[tuple[str, str]]] = {}
    for dist_info in dist_infos(root):
        name, version = metadata_name(os.path.join(root, dist_info, "METADATA"))
        versions[name] = version
        try:
            rows = read_record(root, dist_info)
        except (OSError, ValueError) as error:
            problems.append((name, f"{dist_info}: no usable RECORD: {error}"))
            continue
        records[name] = _record_digest(rows, dist_info.split("/")[1])
        for path, digest in rows:
            if _is_reserved(path, bare):
                problems.append((name, f"{name} would replace `{path}`"))
            if is_bytecode(path):
                continue
            claims.setdefault(path, []).append((name, digest))
    _check_claims(root, claims, found, problems)
    _check_versions(wanted, versions, problems)
    _check_rest(root, bare, found, problems)
    _check_anchors(wanted, records, anchors, problems)
    if problems:
        raise RecordMismatch(
            f"what was installed is not what was locked: {problems[0][1]}"
            + (f", and {len(problems) - 1} more" if len(problems) > 1 else ""),
            [name for name, _ in problems],
            "nothing was published; if it happens again, the wheel itself is broken or hostile",
        )
    found.packages = tuple(
        replace(one, version=versions[one.name], record=records[one.name]) for one in wanted
    )
    return found


def baseline_digests(root: str) -> dict[str, str]:
    """Return the digest (or link target) of each file of an environment nobody installed into."""
    return {
        path: stat_entry(root, path).content
        for path, one in walk(root)
        if not one.is_dir(follow_symlinks=False)
    }


def _is_reserved(path: str, bare: Mapping[str, str]) -> bool:
    """Tell whether a path is outside, ours, or of the empty environment."""
    return (
        path in bare
        or path.startswith(("../", "/"))
        or path.partition("/")[0] == METADATA_DIR
        or _INTERPRETER.fullmatch(path) is not None
    )


def _check_claims(
    root: str,
    claims: Mapping[str, list[tuple[str, str]]],
    found: Inspection,
    problems: list[tuple[str, str]],
) -> None:
    """Compare each file that a RECORD lists; where two list it, one of them must be right."""
    for path, claimants in claims.items():
        whole = os.path.join(root, path)
        # What was hashed while it was copied may since have been replaced by another claimant.
        digest = found.digests.get(path) if len(claimants) == 1 else None
        try:
            if digest is None:
                now = os.lstat(whole)
                if not stat.S_ISREG(now.st_mode):
                    problems.append((claimants[0][0], f"`{path}` is not a plain file"))
                    continue
                digest = found.digests[path] = file_digest(whole, now.st_size)
        except OSError:
            problems.append((claimants[0][0], f"`{path}` is missing"))
            continue
        right = [name for name, wanted in claimants if wanted == digest]
        if not right and path.endswith(_UNHASHED):
            right = [name for name, wanted in claimants if not wanted]
        if right:
            found.owners[path] = right[0]
        elif any(wanted for _, wanted in claimants):
            problems.append((claimants[0][0], f"`{path}` differs from its RECORD"))
        else:
            problems.append((claimants[0][0], f"`{path}` has no digest in its RECORD"))


def _check_versions(
    wanted: tuple[Package, ...], versions: Mapping[str, str], problems: list[tuple[str, str]]
) -> None:
    from packaging.version import InvalidVersion, Version

    for one in wanted:
        have = versions.get(one.name)
        try:
            same = not one.version or have is None or Version(have) == Version(one.version)
        except InvalidVersion:
            same = have == one.version
        if have is None:
            problems.append((one.name, f"{one.name} was not installed"))
        elif not same:
            problems.append((one.name, f"{one.name} is {have}, locked was {one.version}"))
    names = {one.name for one in wanted}
    problems += [(name, f"{name} was not asked for") for name in versions if name not in names]


def _check_rest(
    root: str, bare: Mapping[str, str], found: Inspection, problems: list[tuple[str, str]]
) -> None:
    """Nothing may be there that nobody brought, and nothing of the environment may be changed."""
    seen = set()
    for path in [path for path, one in walk(root) if not one.is_dir(follow_symlinks=False)]:
        seen.add(path)
        if path in bare:
            if stat_entry(root, path).content != bare[path]:
                problems.append(("", f"`{path}` was replaced by a package"))
            found.digests[path] = bare[path]
        elif is_bytecode(path):
            if path not in found.digests:
                os.unlink(f"{root}/{path}")
            found.owners.setdefault(path, found.owners.get(source_of(path), ""))
        elif path.endswith(_SIGNATURES) and f"{os.path.dirname(path)}/RECORD" in found.owners:
            # Made after the RECORD, which therefore need not list it.
            found.owners[path] = found.owners[f"{os.path.dirname(path)}/RECORD"]
        elif path not in found.owners:
            problems.append(("", f"`{path}` is in no RECORD"))
        if path.endswith(".py") and pyc_path(path, root) not in found.digests:
            found.sources[path] = found.digests.get(path, "")
    problems += [("", f"`{path}` of the environment is gone") for path in bare if path not in seen]


def _check_anchors(
    wanted: tuple[Package, ...],
    records: Mapping[str, str],
    anchors: Mapping[str, str],
    problems: list[tuple[str, str]],
) -> None:
    """The same wheel brings the same RECORD: else somebody has been at the unpacked one."""
    for one in wanted:
        known = anchors.get(f"{one.name} {one.content}", "")
        if known.startswith(_ANCHOR) and one.name in records and known != records[one.name]:
            problems.append((one.name, f"{one.name} is not what it was when first installed"))


def _record_digest(rows: list[tuple[str, str]], version: str) -> str:
    """Return the digest of what a wheel brings; `version` is the folder of its Python."""
    inside = (
        f"{_under_any(path, version)} {digest}"
        for path, digest in rows
        if not path.startswith("bin/")
        and not path.endswith(_VOLATILE)
        and not path.endswith(".pyc")
    )
    return _ANCHOR + sha256("\n".join(sorted(inside)).encode())


def _under_any(path: str, version: str) -> str:
    """Return a path as it is under any version: `lib/site-packages/a.py`."""
    before, _, after = path.partition(f"/{version}/")
    return f"{before}/{after}" if before in _VERSIONED else path


def is_bytecode(path: str) -> bool:
    """Tell whether a file is bytecode of a source that lies beside its folder."""
    return path.endswith(".pyc") and path.rpartition("/")[0].endswith("__pycache__")


def source_of(path: str) -> str:
    """Return the source of a bytecode file: `a/__pycache__/b.cpython-311.pyc` has `a/b.py`."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.dirname(folder), name.split(".")[0] + ".py")


def pyc_path(path: str, root: str) -> str:
    """Return where the bytecode of a source lies, for this environment's interpreter."""
    folder, name = os.path.split(path)
    return os.path.join(folder, "__pycache__", f"{name[:-3]}.{_tag(root)}.pyc")


_tags: dict[str, str] = {}


def _tag(root: str) -> str:
    if root not in _tags:
        site = [one for one in os.listdir(f"{root}/lib") if one.startswith("python3.")]
        _tags[root] = "cpython-" + site[0].removeprefix("python").replace(".", "") if site else ""
    return _tags[root]
