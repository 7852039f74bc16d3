"""Wheels made on the spot, honest or evil, the same bytes every time."""

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
_LONG_AGO = (2020, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw:
    """One member put into the archive exactly as said, whatever it does to whoever unpacks it."""

    name: str
    """The member's path: `../../x`, two that differ in case, one with a newline, one twice."""
    content: Content = b""
    mode: int = 0o644
    """Permission bits, or a whole `st_mode` (`stat.S_IFLNK | 0o777` makes a symlink)."""
    recorded: bool = True
    """Whether RECORD lists it, with its true hash and size."""


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
    """Write `directory`/NAME-VERSION-TAG.whl and return its path.

    The wheel holds a package called like the distribution, whose `__version__` is the version
    (`module=False` leaves it out), and `files` beside it ({path: content}, the same path wins).
    `console_scripts` is {command: "module:function"}; `scripts` {name: content} lands in `bin/`;
    `data` {"data/etc/x.conf": content} lands in the scheme its first folder names; `pth` is the
    content of NAME.pth.

    For lies: `record_lies` {path: "sha256=…,12"} replaces what RECORD says of a path, None leaves
    the path out; `record` replaces the whole of RECORD; `without` leaves members out of the
    archive, by path or by their name in the .dist-info ("RECORD", "METADATA"), though RECORD
    still lists them; `raw` members are added last, as they are.
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

    everything = [*members.values(), *raw]
    listing = record if record is not None else _record(everything, info, record_lies or {})
    everything.append(Raw(name=f"{info}/RECORD", content=listing))
    left_out = set(without) | {f"{info}/{member}" for member in without}
    stem = "-".join(part for part in (prefix, build, tag) if part)
    return _write(
        directory / f"{stem}.whl", [one for one in everything if one.name not in left_out]
    )


def record_row(content: Content) -> str:
    """Return what RECORD says of a file with this content: `sha256=HASH,SIZE`."""
    blob = _bytes(content)
    digest = base64.urlsafe_b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(blob)}"


def _record(members: Iterable[Raw], info: str, lies: Mapping[str, str | None]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for member in members:
        said = lies.get(member.name, record_row(member.content))
        if member.recorded and said is not None:
            digest, _, size = said.partition(",")
            writer.writerow([member.name, digest, size])
    writer.writerow([f"{info}/RECORD", "", ""])
    return out.getvalue()


def _wheel_file(tag: str, build: str | None) -> str:
    """Return the WHEEL file, a compressed tag set (`py2.py3-none-any`) written out."""
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    tags = [f"Tag: {p}-{a}-{where}" for p in pythons for a in abis for where in platforms]
    lines = ["Wheel-Version: 1.0", "Generator: tests", "Root-Is-Purelib: true", *tags]
    return "\n".join([*lines, *([f"Build: {build}"] if build else [])]) + "\n"


def _write(path: Path, members: Iterable[Raw]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Stored, not deflated: the bytes then depend on no version of zlib.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name")
        for member in members:
            entry = zipfile.ZipInfo(member.name, _LONG_AGO)
            entry.create_system = 3  # Unix, so that the mode below is read as one
            mode = member.mode if member.mode > 0o7777 else stat.S_IFREG | member.mode
            entry.external_attr = mode << 16
            archive.writestr(entry, _bytes(member.content))
    return path


def _bytes(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content
