"""Read the remote and the commit of a Git clone from its files, without running Git.

Format: gitrepository-layout(5) and git-config(1).
"""

from __future__ import annotations

import re

from engine.system.files import read_regular_file

_MAX_SIZE = 1 << 22
"""In bytes, of one file."""
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_REF = re.compile(r"refs(/[A-Za-z0-9_][\w.+-]*)+")
_REMOTE = re.compile(r'^\s*\[remote "origin"\]\s*$(?P<section>[^\[]*)', re.MULTILINE)
_URL = re.compile(r"^\s*url\s*=\s*(?P<url>\S+)\s*$", re.MULTILINE)


def read_clone(directory: str) -> tuple[str, str] | None:
    """Return the URL of `origin` and the commit of a clone, or None if one isn't known."""
    try:
        config = _read(f"{directory}/.git/config")
        commit = _commit(f"{directory}/.git", _read(f"{directory}/.git/HEAD").strip())
    except (OSError, ValueError):
        return None
    remote = _REMOTE.search(config)
    url = _URL.search(remote["section"]) if remote else None
    if url is None or "://" not in url["url"] or not _COMMIT.fullmatch(commit):
        return None
    return url["url"], commit


def _commit(git: str, head: str) -> str:
    reference = head.removeprefix("ref: ")
    if reference == head or not _REF.fullmatch(reference):
        return head
    try:
        return _read(f"{git}/{reference}").strip()
    except OSError:
        lines = _read(f"{git}/packed-refs").splitlines()
        rows = (line.split(" ", 1) for line in lines if " " in line)
        return next((commit for commit, name in rows if name == reference), "")


def _read(path: str) -> str:
    return read_regular_file(path, _MAX_SIZE).decode()
