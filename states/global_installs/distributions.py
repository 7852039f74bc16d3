"""Read the packages in a site directory, in all the forms in which installers leave them.

| entry | written by |
| --- | --- |
| `NAME.dist-info/` | pip, uv, and other installers of wheels |
| `NAME.egg-info/` | `setup.py install` by an old pip, and packages of a distribution |
| `NAME.egg-info`, a file | `setup.py install` of distutils |
| `NAME.egg`, a directory or an archive | easy_install |
| `NAME.egg-link` | `setup.py develop`, and `pip install -e` of an old pip |

Another user may have written the directory. Nothing is executed, and sizes are limited.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING

from engine.frozen import frozen
from engine.system.existence import is_directory, is_file, listdir_or_empty, proves_no_file, resolve
from engine.system.files import open_regular_file, read_regular_file
from states.global_installs.recorded_files import listed_files, listed_modules, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_SUFFIXES = (".dist-info", ".egg-info", ".egg", ".egg-link")
_MAX_SIZE = 1 << 22
"""In bytes, of one file with metadata. The description of a package can be long."""
_MAX_NAME = 256


@frozen
class Distribution:
    """One package in a site directory. Paths are absolute."""

    name: str
    """Normalized as in PEP 503."""
    version: str
    """Empty if the metadata doesn't contain it."""
    site: str
    metadata: str
    """The entry of the site directory with the metadata."""
    installer: str
    """The program that installed it, such as `pip`, or an empty string."""
    project: str
    """The directory of an editable install, or an empty string."""
    origin: str
    """The direct reference that it was installed from (PEP 508), or an empty string."""
    requested: bool
    """Whether an installer recorded that the user named it."""
    requires: tuple[str, ...]
    """The requirements (PEP 508)."""
    files: tuple[str, ...]
    """The recorded files inside and outside the site directory, without compiled bytecode."""
    modules: tuple[str, ...]
    """The names of its top-level modules and packages."""


def find_metadata(site: str) -> list[str]:
    """Return the names of the entries of a site directory that describe a package.

    Raises:
        OSError: The directory can't be listed.

    """
    names = sorted(listdir_or_empty(site))
    # pip renames a package that it is deleting, and leaves `~ame` behind if it is killed.
    return [name for name in names if name.endswith(_SUFFIXES) and not name.startswith("~")]


def read_distribution(site: str, entry: str) -> Distribution:
    """Read the metadata of one package.

    Args:
        site: The site directory.
        entry: The name of its entry with the metadata.

    Raises:
        OSError: A file can't be read.

    """
    path = f"{site}/{entry}"
    directory = _metadata_directory(path)
    headers = BytesHeaderParser().parsebytes(_headers(path, directory))
    stem = entry.rpartition(".")[0].split("-")
    name = str(headers["Name"] or stem[0]).strip()[:_MAX_NAME]
    version = str(headers["Version"] or (stem[1] if len(stem) > 1 else "")).strip()[:_MAX_NAME]
    direct = _direct_url(_text(f"{directory}/direct_url.json"))
    project = os.path.dirname(directory) if entry.endswith(".egg-link") else _project(direct)
    files = tuple(listed_files(site, path, directory))
    return Distribution(
        name=_normalize(name),
        version=version,
        site=site,
        metadata=path,
        installer=_installer(path, directory),
        project=project,
        origin="" if project else _origin(direct),
        requested=is_file(f"{directory}/REQUESTED"),
        requires=tuple(map(str, headers.get_all("Requires-Dist", ()))),
        files=files,
        modules=tuple(sorted({*_modules(site, files), *listed_modules(directory)})),
    )


def _metadata_directory(path: str) -> str:
    """Return the directory with the metadata of an entry."""
    if path.endswith(".egg"):
        return f"{path}/EGG-INFO"
    if path.endswith(".egg-link"):
        project = "".join(read_lines(path)[:1]).strip()
        names = sorted(listdir_or_empty(project)) if os.path.isabs(project) else []
        info = next((name for name in names if name.endswith(".egg-info")), "egg-info")
        return f"{project}/{info}"
    return path


def _headers(path: str, directory: str) -> bytes:
    """Return the headers with the name and the version, or nothing."""
    if path.endswith(".egg") and not is_directory(path):
        return _archived_headers(path)
    if path.endswith(".egg-info") and not is_directory(path):
        return _text(path).encode(errors="surrogateescape")
    name = "METADATA" if path.endswith(".dist-info") else "PKG-INFO"
    return _text(f"{directory}/{name}").encode(errors="surrogateescape")


def _archived_headers(path: str) -> bytes:
    try:
        with (
            open(open_regular_file(resolve(path)), "rb") as egg,
            zipfile.ZipFile(egg) as archive,
            archive.open("EGG-INFO/PKG-INFO") as file,
        ):
            return file.read(_MAX_SIZE)
    except (EOFError, KeyError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error):
        return b""


def _text(path: str) -> str:
    """Return the content of a file with metadata, or an empty string if it doesn't exist.

    Raises:
        OSError: The file can't be read, or is larger than any such file.

    """
    try:
        return read_regular_file(path, _MAX_SIZE).decode("utf-8", "surrogateescape")
    except OSError as error:
        if proves_no_file(error):
            return ""
        raise


def _installer(path: str, directory: str) -> str:
    if path.endswith(".egg"):
        return "easy_install"
    recorded = "".join(_text(f"{directory}/INSTALLER").split()[:1])
    return recorded or ("setup.py" if path.endswith((".egg-info", ".egg-link")) else "")


def _direct_url(text: str) -> dict[str, Any]:
    """Return the content of `direct_url.json`, or nothing if it is missing or malformed."""
    try:
        content = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    is_valid = isinstance(content, dict) and isinstance(content.get("url"), str)
    return content if is_valid else {}


def _project(direct: dict[str, Any]) -> str:
    """Return the directory of an editable install."""
    details = direct.get("dir_info")
    is_editable = isinstance(details, dict) and details.get("editable") is True
    return _local_path(direct["url"]) if is_editable else ""


def _local_path(url: str) -> str:
    # Imported here: only local projects need it.
    from urllib.parse import unquote

    return unquote(url.removeprefix("file://"))


def _origin(direct: dict[str, Any]) -> str:
    """Return the direct reference, with the commit of a repository."""
    url = direct.get("url", "")
    details = direct.get("vcs_info")
    if isinstance(details, dict) and details.get("vcs") and details.get("commit_id"):
        return f"{details['vcs']}+{url}@{details['commit_id']}"
    return str(url)


def _modules(site: str, files: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of the top-level modules and packages among some files."""
    for path in files:
        if path.startswith(f"{site}/"):
            name, _, inside = path.removeprefix(f"{site}/").partition("/")
            module, dot, _ = name.partition(".")
            is_module = name.endswith((".py", ".so")) if dot else bool(inside)
            if is_module and module.isidentifier():
                yield module


def _normalize(name: str) -> str:
    # Imported here: a host without such packages doesn't need it.
    from states.venv.integrity.dist_info import normalize_name

    return normalize_name(name)
