"""Read where an installer got a package from: `direct_url.json`, or an `.egg-link`.

Format: "Recording the direct URL origin", in the PyPA specifications. A package from an index has
no such file.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from engine.frozen import frozen
from engine.system.existence import exists, proves_no_file
from engine.system.files import read_regular_file
from states.installer.credentials import strip_credentials
from states.venv.adoption.git_clone import read_clone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_MAX_SIZE = 1 << 16
"""In bytes."""


@frozen
class Origin:
    """The place that a package came from, other than an index."""

    url: str = ""
    """The reference for a requirement `name @ URL`. Empty if the origin can't be declared."""
    content: str = ""
    """The commit, or `sha256:…` of the file, if it is recorded."""
    is_editable: bool = False
    clone: str = ""
    """The directory of its clone in the venv."""
    problem: str = ""
    """Why it can't be declared, or what else to consider. The subject is the package."""


def read_origin(root: str, dist_info: str) -> Origin | None:
    """Return the origin that a metadata directory records, or None for a package of an index.

    Args:
        root: The directory of the venv.
        dist_info: The metadata directory, relative to `root`.

    Returns:
        The origin. It has no URL if the file is unreadable.

    """
    try:
        content = read_regular_file(f"{root}/{dist_info}/direct_url.json", _MAX_SIZE)
    except OSError as error:
        is_missing = proves_no_file(error)
        return None if is_missing else Origin(problem=f"has an unreadable `{dist_info}` origin")
    try:
        return parse_origin(json.loads(content), root)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Origin(problem="has an invalid `direct_url.json`")


def parse_origin(document: Mapping[str, Any], root: str) -> Origin:
    """Return the origin in a `direct_url.json`.

    Args:
        document: The content of the file.
        root: The directory of the venv.

    Returns:
        The origin.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: The document is invalid.

    """
    recorded = str(document["url"])
    url = strip_credentials(recorded)
    problem = ""
    if url != recorded:
        problem = "was installed from a URL with a password; put the password into a `netrc` file"
    if "://" not in url or not url.isprintable() or set(url) & set(' "\\'):
        raise ValueError(url)
    subdirectory = document.get("subdirectory", "")
    parts = [f"subdirectory={quote(subdirectory)}"] if subdirectory else []
    if "vcs_info" in document:
        return _vcs(url, document["vcs_info"], parts, problem)
    if "dir_info" in document:
        is_editable = document["dir_info"].get("editable") is True
        return local_project(url, root, is_editable=is_editable)
    return _archive(url, document["archive_info"], parts, problem)


def _vcs(url: str, info: Mapping[str, Any], parts: list[str], problem: str) -> Origin:
    """Return the origin of a package that was installed from a repository.

    Args:
        url: The repository.
        info: The type and the commit.
        parts: The fragment of the URL.
        problem: A problem of the URL.

    Returns:
        The origin.

    Raises:
        ValueError, KeyError: The information is invalid.

    """
    if info["vcs"] != "git":
        return Origin(problem=f"came from a repository of `{info['vcs']}`; only Git is supported")
    commit = str(info["commit_id"])
    if not commit.isalnum():
        raise ValueError(commit)
    fragment = f"#{'&'.join(parts)}" if parts else ""
    return Origin(f"git+{url}@{commit}{fragment}", commit, problem=problem)


def _archive(url: str, info: Mapping[str, Any], parts: list[str], problem: str) -> Origin:
    """Return the origin of a package that was installed from a file.

    Args:
        url: The file.
        info: Its hashes.
        parts: The fragment of the URL.
        problem: A problem of the URL.

    Returns:
        The origin.

    Raises:
        ValueError: A hash is invalid.

    """
    legacy = dict([info["hash"].split("=", 1)]) if info.get("hash") else {}
    sha256 = str(info.get("hashes", legacy).get("sha256", ""))
    if sha256 and not sha256.isalnum():
        raise ValueError(sha256)
    if not _exists(url):
        return Origin(problem=f"came from the file `{url}`, which doesn't exist any more")
    parts = ([f"sha256={sha256}"] if sha256 else []) + parts
    fragment = f"#{'&'.join(parts)}" if parts else ""
    return Origin(f"{url}{fragment}", f"sha256:{sha256}" if sha256 else "", problem=problem)


def local_project(url: str, root: str, *, is_editable: bool) -> Origin:
    """Return the origin of a package that was installed from a directory.

    Args:
        url: The `file:` URL of the directory.
        root: The directory of the venv.
        is_editable: Whether the venv imports the directory itself.

    Returns:
        The origin. A clone in the venv becomes its remote repository, because it moves to the
        backup with the venv.

    """
    path = _path(url)
    if not _exists(url):
        problem = f"came from the project `{path}`, which doesn't exist any more"
        return Origin(is_editable=is_editable, problem=problem)
    if f"{path}/".startswith(f"{root}/"):
        clone = read_clone(path)
        if clone is None:
            problem = f"came from the project `{path}` in the venv; move it to another directory"
            return Origin(is_editable=is_editable, problem=problem)
        problem = f"came from the clone `{path}`; changes that aren't in its commit are lost"
        remote, commit = strip_credentials(clone[0]), clone[1]
        return Origin(
            f"git+{remote}@{commit}",
            commit,
            is_editable=is_editable,
            clone=path,
            problem=problem,
        )
    problem = ""
    if is_editable:
        problem = (
            "was installed in editable mode; converge installs a copy, and `apply` updates it "
            "when the project changes"
        )
    return Origin(url, is_editable=is_editable, problem=problem)


def _path(url: str) -> str:
    return os.path.normpath(unquote(urlsplit(url).path))


def _exists(url: str) -> bool:
    """Return whether a file may exist. Only a local one is looked up.

    A failing read isn't an absence: the package would be installed from an index instead.
    """
    if urlsplit(url).scheme != "file":
        return True
    path = _path(url)
    try:
        return os.path.isabs(path) and exists(path)
    except OSError:
        return True
    except ValueError:  # A NUL character.
        return False
