"""Exact versions with hashes: asked of uv, read from a lock, reduced to what is installed.

The form is PEP 751's `pylock.toml`. What is kept names one file for each package, so an
installer has nothing left to choose: given a choice, uv would for instance prefer an
index's sdist, whose hash it knows, to a wheel in a folder.
"""

from __future__ import annotations

import os

from engine.errors import ConvergeError, IntegrityError
from engine.frozen import frozen
from states.installer.credentials import strip_credentials
from states.interpreter import discovery as pythons
from states.venv.integrity.dist_info import normalize_name
from states.venv.integrity.receipt import Package
from states.venv.resolve.requirements import local_path
from states.venv.resolve.source_tree import tree_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from packaging.markers import Environment
    from packaging.tags import Tag
    from python_discovery import PythonInfo

    from states.interpreter.discovery import Python


@frozen
class Resolution:
    """What is to be installed: the lock that says so, and its packages by name."""

    lock: str
    packages: tuple[Package, ...]


def select_artifacts(
    text: str, python: Python, base: str, origins: Mapping[str, str]
) -> Resolution:
    """Reduce a lock to the one file of each package that this interpreter takes.

    `base` is the folder that relative paths in the lock are relative to; `origins` has
    the digest of each local project. Raises `ConvergeError` for a lock that cannot be
    used, and `IntegrityError` for a file without a SHA-256.
    """
    from typing import cast

    import tomli
    import tomli_w
    from packaging.pylock import Pylock, PylockSelectError, PylockValidationError

    document = tomli.loads(text)
    info = pythons.information(python)
    try:
        lock = Pylock.from_dict(document)
        surroundings = cast("Environment", dict(info.marker_environment))
        chosen = list(lock.select(environment=surroundings, tags=tags(info)))
    except (PylockValidationError, PylockSelectError) as error:
        raise ConvergeError(
            f"the lock cannot be used with Python {python.version}: {error}",
            hint="`converge lock` makes one for this interpreter",
        ) from None
    # Found by place: a lock for many platforms may name a package twice.
    places = {id(package): place for place, package in enumerate(lock.packages)}
    kept, packages = [], []
    for package, artifact in chosen:
        entry = _strip(document["packages"][places[id(package)]], artifact, base)
        kept.append(entry)
        packages.append(_package(entry, origins))
    whole = {"lock-version": "1.0", "created-by": "converge", "packages": kept}
    ordered = tuple(sorted(packages, key=lambda one: one.name))
    return Resolution(lock=tomli_w.dumps(whole), packages=ordered)


def tags(info: PythonInfo) -> list[Tag]:
    """Return the wheel tags that an interpreter takes, best first."""
    from packaging.tags import compatible_tags, cpython_tags, platform_tags, sys_tags

    if info.implementation != "CPython":
        return list(sys_tags())
    version = (info.version_info.major, info.version_info.minor)
    plain = f"cp{version[0]}{version[1]}"
    abi = plain + ("t" if info.free_threaded else "")
    platforms = list(platform_tags())
    own = cpython_tags(version, abis=[abi], platforms=platforms)
    return [*own, *compatible_tags(version, interpreter=plain, platforms=platforms)]


def _strip(entry: Mapping[str, Any], artifact: object, base: str) -> dict[str, Any]:
    """Return a lock's entry with nothing but what tells the chosen file."""
    from packaging.pylock import PackageSdist, PackageWheel

    kept = {key: entry[key] for key in ("name", "version") if key in entry}
    if isinstance(artifact, PackageWheel):
        wanted = dict(artifact.hashes)
        wheel = next(one for one in entry["wheels"] if dict(one["hashes"]) == wanted)
        kept["wheels"] = [_file(wheel, base)]
    elif isinstance(artifact, PackageSdist):
        kept["sdist"] = _file(entry["sdist"], base)
    else:
        key = next(key for key in ("vcs", "directory", "archive") if key in entry)
        kept[key] = _file(entry[key], base)
    return kept


def _file(entry: Mapping[str, Any], base: str) -> dict[str, Any]:
    wanted = ("type", "url", "path", "requested-revision", "commit-id", "subdirectory", "name",
              "size", "hashes")  # fmt: skip
    kept = {key: entry[key] for key in wanted if key in entry}
    if "url" in kept:
        kept["url"] = strip_credentials(kept["url"])
    here = None if "commit-id" in kept else local_path(kept.get("url", ""))
    if here:
        del kept["url"]  # so pip names an archive that lies here, and uv opens none by URL
        kept["path"] = here
    if "path" in kept:
        kept["path"] = os.path.normpath(os.path.join(base, kept["path"]))
    return kept


def _package(entry: Mapping[str, Any], origins: Mapping[str, str]) -> Package:
    name, version = normalize_name(entry["name"]), str(entry.get("version", ""))
    if "vcs" in entry:
        vcs = entry["vcs"]
        place = vcs.get("url") or f"file://{vcs.get('path')}"
        origin = f"{vcs['type']}+{place}@{vcs['commit-id'][:12]}{_within(vcs)}"
        return Package(name=name, version=version, origin=origin, content=vcs["commit-id"])
    if "directory" in entry:
        path = entry["directory"]["path"]
        # One that only another project requires is in no declaration.
        content = origins.get(path) or tree_digest(path)
        return Package(
            name=name,
            version=version or _static_version(path),
            origin=f"file://{path}",
            content=content,
        )
    file = entry.get("archive") or entry.get("sdist") or entry["wheels"][0]
    digest = file.get("hashes", {}).get("sha256")
    if not digest:
        raise IntegrityError(
            f"there is no SHA-256 for {name} {version}; md5 and the like do not count",
            hint="name an index that gives one, or offer the file by `find-links`, where it is "
            "read; a lock is then made anew by `converge lock`",
        )
    origin, wheel = "", "wheels" in entry
    if "archive" in entry:
        place = file.get("url") or f"file://{file['path']}"
        origin, wheel = place + _within(file), place.endswith(".whl")
    return Package(
        name=name, version=version, origin=origin, content=f"sha256:{digest}", wheel=wheel
    )


def _within(source: Mapping[str, Any]) -> str:
    """Return what tells one of several projects in a source, as its URL does."""
    folder = source.get("subdirectory")
    return f"#subdirectory={folder}" if folder else ""


def _static_version(path: str) -> str:
    """Return the version that a project declares without being built; empty if it does not."""
    import tomli

    try:
        with open(os.path.join(path, "pyproject.toml"), "rb") as stream:
            return str(tomli.load(stream).get("project", {}).get("version", ""))
    except (OSError, ValueError, AttributeError):
        return ""
