"""PEP 751 locks, and the selection of exactly one file for each package.

With one file for each package, the installer has nothing left to choose. If it had a choice, uv
would prefer an index's sdist with a known hash to a wheel in a directory, for example.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

import tomli
import tomli_w
from packaging.pylock import (
    PackageSdist,
    PackageWheel,
    Pylock,
    PylockSelectError,
    PylockValidationError,
)

from engine.errors import ConvergeError, IntegrityError
from engine.frozen import frozen
from engine.system.background import background
from engine.system.files import sha256
from states.installer.credentials import strip_credentials
from states.interpreter import discovery
from states.interpreter.tags import accepted_tags
from states.venv.integrity.dist_info import normalize_name
from states.venv.integrity.receipt import Package
from states.venv.resolve.references import local_path
from states.venv.resolve.subset import DEFAULT_SUBSET, Offer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from packaging.markers import Environment

    from states.interpreter.discovery import Python
    from states.venv.resolve.subset import Subset
    from states.venv.spec import Venv

_SOURCE_KEYS = ("type", "url", "path", "requested-revision", "commit-id", "subdirectory", "name",
                "size", "upload-time", "hashes")  # fmt: skip
"""Keys of a source that the selected lock keeps."""


@frozen
class Lock:
    """A lock, parsed once. Use `parse_lock` or `format_lock` to create one."""

    text: str
    document: dict[str, Any]

    @property
    def packages(self) -> list[dict[str, Any]]:
        """The entries of the packages."""
        packages: list[dict[str, Any]] = self.document.get("packages", [])
        return packages

    @property
    def digest(self) -> str:
        """The SHA-256 of the text."""
        return sha256(self.text.encode())

    def projects(self, base: str) -> set[str]:
        """Return the local projects that it installs. `base` is the directory of the lockfile."""
        return {
            os.path.normpath(os.path.join(base, package["directory"]["path"]))
            for package in self.packages
            if "directory" in package
        }

    def offer(self, spec: Venv) -> Offer:
        """Return the extras and groups that it declares, as the lockfile of a table."""
        keys = ("extras", "dependency-groups")
        return Offer(spec.lock, *(tuple(self.document.get(key, ())) for key in keys))


@frozen
class Resolution:
    """One file for each package."""

    lock: str
    """The text of the lock that the installer gets."""
    packages: tuple[Package, ...]
    """The same packages, sorted by name."""
    changed_bounds: tuple[str, ...] = ()
    """Why the versions of the live generation were not kept."""
    notices: tuple[str, ...] = ()
    """Messages about the selected versions that require no action."""


def parse_lock(text: str) -> Lock:
    """Parse a lock. Raises `tomli.TOMLDecodeError`. Doesn't validate the document."""
    return Lock(text, tomli.loads(text))


def format_lock(document: dict[str, Any]) -> Lock:
    """Return the lock of a document."""
    return Lock(tomli_w.dumps(document), document)


def add_tool_table(lock: Lock, table: Mapping[str, Any]) -> Lock:
    """Return a lock with the table `[tool.converge]`, which the selection keeps."""
    tool = {"converge": table}
    # Appended, because the text of the installer is more compact than that of `tomli_w`.
    text = lock.text.rstrip("\n") + "\n\n" + tomli_w.dumps({"tool": tool})
    return Lock(text, {**lock.document, "tool": tool})


def select_artifacts(
    lock: Lock,
    python: Python,
    base: str,
    digest: Callable[[str], str],
    subset: Subset = DEFAULT_SUBSET,
) -> Resolution:
    """Select the one file of each package that an interpreter accepts.

    Args:
        lock: A lock, possibly for several platforms.
        python: The interpreter.
        base: The directory that paths in the lock are relative to.
        digest: Returns the digest of a local project.
        subset: The extras and groups to install, in addition to the default groups of the lock.

    Returns:
        The selected files.

    Raises:
        ConvergeError: The lock is invalid, or doesn't support the interpreter.
        IntegrityError: A selected file has no SHA-256 hash.

    """

    def ask_for_tags() -> None:
        accepted_tags(python)

    with background() as start:
        # Each starts the interpreter once per run, which takes a while.
        start(ask_for_tags)
        info = discovery.information(python)
    try:
        pylock = Pylock.from_dict(lock.document)
        environment = cast("Environment", dict(info.marker_environment))
        selected = list(
            pylock.select(
                environment=environment,
                tags=accepted_tags(python),
                extras=subset.extras,
                dependency_groups=subset.groups.union(pylock.default_groups or ()),
            )
        )
    except (PylockValidationError, PylockSelectError) as error:
        raise ConvergeError(
            f"the lockfile can't be used with Python {python.version}: {error}",
            hint="run `converge lock` to create one for this interpreter; for several versions of "
            "Python, add `--python`",
        ) from None
    # By identity: a lock for several platforms may name a package twice.
    positions = {id(package): position for position, package in enumerate(pylock.packages)}
    entries = [
        _strip(lock.packages[positions[id(package)]], artifact, base)
        for package, artifact in selected
    ]
    packages = sorted((package_of(entry, digest) for entry in entries), key=lambda item: item.name)
    document: dict[str, Any] = {"lock-version": "1.0", "created-by": "converge"}
    document["packages"] = entries
    if table := lock.document.get("tool", {}).get("converge"):
        document["tool"] = {"converge": table}
    return Resolution(lock=tomli_w.dumps(document), packages=tuple(packages))


def _strip(entry: Mapping[str, Any], artifact: object, base: str) -> dict[str, Any]:
    """Reduce an entry to the selected file.

    Args:
        entry: The entry of a package.
        artifact: The file that `packaging` selected.
        base: The directory that paths in the lock are relative to.

    Returns:
        The reduced entry.

    """
    stripped = {key: entry[key] for key in ("name", "version") if key in entry}
    if isinstance(artifact, PackageWheel):
        hashes = dict(artifact.hashes)
        wheel = next(wheel for wheel in entry["wheels"] if dict(wheel["hashes"]) == hashes)
        stripped["wheels"] = [_source(wheel, base)]
    elif isinstance(artifact, PackageSdist):
        stripped["sdist"] = _source(entry["sdist"], base)
    else:
        key = next(key for key in ("vcs", "directory", "archive") if key in entry)
        stripped[key] = _source(entry[key], base)
    return stripped


def _source(entry: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return a source without credentials, and with an absolute path if it is local."""
    source = {key: entry[key] for key in _SOURCE_KEYS if key in entry}
    if "url" in source:
        source["url"] = strip_credentials(source["url"])
    path = None if "commit-id" in source else local_path(source.get("url", ""))
    if path:
        # A path, so that the installer doesn't download a local file through its URL.
        del source["url"]
        source["path"] = path
    if "path" in source:
        source["path"] = os.path.normpath(os.path.join(base, source["path"]))
    return source


def package_of(entry: Mapping[str, Any], digest: Callable[[str], str]) -> Package:
    """Return the package that an entry with one source installs. `digest` is for local projects.

    Raises:
        IntegrityError: The file has no SHA-256 hash.

    """
    name, version = normalize_name(entry["name"]), str(entry.get("version", ""))
    if "vcs" in entry:
        vcs = entry["vcs"]
        url = vcs.get("url") or f"file://{vcs.get('path')}"
        origin = f"{vcs['type']}+{url}@{vcs['commit-id'][:12]}{_fragment(vcs)}"
        return Package(name=name, version=version, origin=origin, content=vcs["commit-id"])
    if "directory" in entry:
        path = entry["directory"]["path"]
        content = digest(path)
        version = version or _static_version(path)
        return Package(name=name, version=version, origin=f"file://{path}", content=content)
    file = entry.get("archive") or entry.get("sdist") or entry["wheels"][0]
    sha256_hash = file.get("hashes", {}).get("sha256")
    if not sha256_hash:
        raise IntegrityError(
            f"no SHA-256 hash for {name} {version} (weaker hashes aren't accepted)",
            hint="use an index that provides one, or provide the file through `find-links`, then "
            "create the lockfile again with `converge lock`",
        )
    origin, wheel = "", "wheels" in entry
    if "archive" in entry:
        url = file.get("url") or f"file://{file['path']}"
        origin, wheel = url + _fragment(file), url.endswith(".whl")
    content = f"sha256:{sha256_hash}"
    return Package(name=name, version=version, origin=origin, content=content, wheel=wheel)


def _fragment(source: Mapping[str, Any]) -> str:
    """Return the URL fragment that distinguishes projects in one source."""
    subdirectory = source.get("subdirectory")
    return f"#subdirectory={subdirectory}" if subdirectory else ""


def _static_version(path: str) -> str:
    """Return the version in a project's `pyproject.toml`, or an empty string."""
    try:
        with open(os.path.join(path, "pyproject.toml"), "rb") as stream:
            return str(tomli.load(stream).get("project", {}).get("version", ""))
    except (OSError, ValueError, AttributeError):
        return ""
