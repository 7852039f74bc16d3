"""Generate valid and malicious wheels, reproducibly."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import stat
import warnings
import zipfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.metadata import Extras, core_metadata, entry_points, module_name
from tests.support.projects import (
    GitProject,
    make_git_project,
    make_project,
    make_sdist,
)

__all__ = [
    "GitProject",
    "Raw",
    "make_git_project",
    "make_project",
    "make_sdist",
    "make_wheel",
    "record_row",
]

Content = str | bytes
_EPOCH = (2020, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw:
    """One member to write verbatim to the archive, even if it's unsafe to unpack."""

    name: str
    """The member's path, such as `../../x`, a duplicate, or a name with a newline."""
    content: Content = b""
    mode: int = 0o644
    """Permission bits, or a complete `st_mode` (`stat.S_IFLNK | 0o777` for a symlink)."""
    recorded: bool = True
    """Whether RECORD lists the member, with its real hash and size."""


def make_wheel(
    directory: Path,
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    extras: Extras | None = None,
    requires_python: str | None = None,
    files: Mapping[str, Content] | None = None,
    module: bool = True,
    console_scripts: Mapping[str, str] | None = None,
    scripts: Mapping[str, Content] | None = None,
    data: Mapping[str, Content] | None = None,
    pth: Content | None = None,
    tag: str = "py3-none-any",
    build: str | None = None,
    record_lies: Mapping[str, str | None] | None = None,
    record: str | None = None,
    without: Collection[str] = (),
    raw: Iterable[Raw] = (),
) -> Path:
    """Write `directory`/NAME-VERSION-TAG.whl, and return its path.

    Args:
        directory: The directory of the wheel.
        name: The name of the distribution.
        version: The version of the distribution.
        requires: The requirements.
        extras: The requirements of each extra.
        requires_python: The supported Python versions.
        files: Contents by path in site-packages. They replace the generated module if the path is
            the same.
        module: Whether the wheel contains a package with the name of the distribution, and its
            version as `__version__`.
        console_scripts: Targets ("module:function") by command.
        scripts: Contents by name in `bin/`.
        data: Contents by path, whose first part is the install scheme ("data/etc/x.conf").
        pth: The content of NAME.pth.
        tag: The compatibility tag.
        build: The build tag.
        record_lies: RECORD entries by path that replace the real ones ("sha256=…,12"). None omits
            the path.
        record: The complete content of RECORD.
        without: Members to omit from the archive, but not from RECORD: paths, or names in
            the .dist-info directory ("RECORD", "METADATA").
        raw: Members to append verbatim.

    """
    prefix = f"{module_name(name)}-{version}"
    info = f"{prefix}.dist-info"
    members: dict[str, Raw] = {}

    def add(path: str, content: Content, mode: int = 0o644) -> None:
        members[path] = Raw(name=path, content=content, mode=mode)

    if module:
        add(f"{module_name(name)}/__init__.py", f'__version__ = "{version}"\n')
    for path, content in (files or {}).items():
        add(path, content)
    if pth is not None:
        add(f"{module_name(name)}.pth", pth)
    for path, content in (scripts or {}).items():
        add(f"{prefix}.data/scripts/{path}", content, 0o755)
    for path, content in (data or {}).items():
        add(f"{prefix}.data/{path}", content)
    metadata = core_metadata(
        name, version, requires=requires, extras=extras, requires_python=requires_python
    )
    add(f"{info}/METADATA", metadata)
    add(f"{info}/WHEEL", _wheel_file(tag, build))
    if console_scripts:
        add(f"{info}/entry_points.txt", entry_points(console_scripts))

    archived = [*members.values(), *raw]
    listing = record if record is not None else _record(archived, info, record_lies or {})
    archived.append(Raw(name=f"{info}/RECORD", content=listing))
    omitted = set(without) | {f"{info}/{member}" for member in without}
    stem = "-".join(part for part in (prefix, build, tag) if part)
    return _write(
        directory / f"{stem}.whl", [member for member in archived if member.name not in omitted]
    )


def record_row(content: Content) -> str:
    """Return the RECORD entry of a file with this content: `sha256=HASH,SIZE`."""
    blob = _bytes(content)
    digest = base64.urlsafe_b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(blob)}"


def _record(members: Iterable[Raw], info: str, lies: Mapping[str, str | None]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for member in members:
        entry = lies.get(member.name, record_row(member.content))
        if member.recorded and entry is not None:
            digest, _, size = entry.partition(",")
            writer.writerow([member.name, digest, size])
    writer.writerow([f"{info}/RECORD", "", ""])
    return out.getvalue()


def _wheel_file(tag: str, build: str | None) -> str:
    """Return the WHEEL file, with a compressed tag set (`py2.py3-none-any`) expanded."""
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    tags = [f"Tag: {p}-{a}-{platform}" for p in pythons for a in abis for platform in platforms]
    lines = ["Wheel-Version: 1.0", "Generator: tests", "Root-Is-Purelib: true", *tags]
    return "\n".join([*lines, *([f"Build: {build}"] if build else [])]) + "\n"


def _write(path: Path, members: Iterable[Raw]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Stored, not deflated, so that the bytes don't depend on the version of zlib.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name")
        for member in members:
            entry = zipfile.ZipInfo(member.name, _EPOCH)
            entry.create_system = 3  # Unix, so that the mode below is read as one
            mode = member.mode if member.mode > 0o7777 else stat.S_IFREG | member.mode
            entry.external_attr = mode << 16
            archive.writestr(entry, _bytes(member.content))
    return path


def _bytes(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content
