"""The seam between converge and the tool that resolves, builds, and installs packages.

converge decides what a venv must contain, and proves the target before a call and the result
after it. An installer turns requirements into a lock, and a lock into installed files. uv is the
only implementation. Each of its quirks is handled in this package, marked `# UV-QUIRK`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from engine.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence


@frozen
class IndexOptions:
    """The sources of distributions. Paths are absolute."""

    index_url: str
    """The default index: a URL, `env:NAME`, or `file:PATH`. Empty for the installer's default."""
    extra_index_url: tuple[str, ...]
    """Further indexes, searched first, in the same forms."""
    netrc: str
    """A netrc file with credentials, or empty."""
    find_links: tuple[str, ...]
    no_index: bool
    exclude_newer: str
    """Ignore distributions that were uploaded after this date (RFC 3339), if set."""
    timeout_s: int = 30
    """Seconds to wait for a connection, and for each part of a response."""
    retries: int = 2
    """Number of further attempts to download a file."""
    package_indexes: tuple[tuple[str, str], ...] = ()
    """The only index of a package, by its normalized name. In the forms of `index_url`."""
    ignore_error_codes: tuple[int, ...] = ()
    """HTTP status codes with which a further index reports that it doesn't have a package."""
    insecure_hosts: tuple[str, ...] = ()
    """Hosts whose certificates aren't verified, possibly with a port."""


@frozen
class BuildOptions:
    """How packages are built from source. Names of packages are normalized."""

    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables of every build, with their values."""
    package_variables: tuple[tuple[str, dict[str, str]], ...] = ()
    """The variables of the builds of one package."""
    settings: tuple[tuple[str, str | list[str]], ...] = ()
    """Settings for the build backend of every package (PEP 517)."""
    package_settings: tuple[tuple[str, dict[str, str | list[str]]], ...] = ()
    """The settings of one package. They take precedence."""
    dependencies: tuple[tuple[str, list[str]], ...] = ()
    """Further requirements (PEP 508) of the builds of one package."""


DEFAULT_BUILD = BuildOptions()


@frozen
class ResolveRequest:
    """Requirements to resolve. Each item is one line in the form of a requirement file."""

    python: str
    """The executable of the interpreter."""
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    overrides: tuple[str, ...]
    build_constraints: tuple[str, ...]
    previous: str | None
    """A lock whose versions are kept where they still satisfy the requirements."""
    upgrade: frozenset[str]
    """Names of packages whose previous versions don't count."""
    projects: frozenset[str] | None
    """Names of local projects whose metadata must be read again. None for all packages."""
    allow_prereleases: bool
    indexes: IndexOptions
    environments: tuple[str, ...] = ()
    """Markers of the environments that the lock must support. Without any, only that of the
    interpreter."""
    minimum_python: str = ""
    """The oldest version in these environments."""
    binary_options: tuple[tuple[str, str], ...] = ()
    """`--no-binary` or `--only-binary`, and the name of a package or `:all:`."""
    no_deps: bool = False
    """Whether the lock contains only the listed packages, without their dependencies."""
    build: BuildOptions = DEFAULT_BUILD
    projects_by_url: tuple[tuple[str, str], ...] = ()
    """The URL of each local project as in the requirements, and its directory."""


@frozen
class InstallRequest:
    """A lock to install into an environment that converge has proved to be isolated."""

    root: str
    """The environment's directory."""
    python: str
    """The executable of its base interpreter."""
    lock: str
    """A lock with exactly one file for each package."""
    build_constraints: tuple[str, ...]
    projects: tuple[str, ...]
    """Names of local projects, which must be built from their current source."""
    archive_parts: tuple[str, ...]
    """Names of packages that are subdirectories of a source archive."""
    indexes: IndexOptions
    build: BuildOptions = DEFAULT_BUILD


@frozen
class ExportRequest:
    """The part of a project's own lockfile to convert to a PEP 751 lock. Paths are absolute."""

    directory: str
    """The directory of the lockfile."""
    files: tuple[tuple[str, str], ...]
    """The lockfile and the `pyproject.toml` of each project in it: their paths and contents."""
    local_files: tuple[str, ...]
    """Distribution files whose hashes the lockfile doesn't contain."""
    extras: tuple[str, ...]
    groups: tuple[str, ...]
    member: str
    """The project to install. Empty for the one in the directory, or for all if it has none."""
    has_root: bool
    """Whether one project is selected, not all."""
    has_project: bool
    """Whether the selected projects are part of the result."""
    indexes: IndexOptions


class Installer(Protocol):
    """A tool that resolves and installs. It caches downloads, and runs in a scratch directory.

    The scratch directory is also the home directory of every build that the installer starts.
    """

    def resolve(self, request: ResolveRequest) -> str:
        """Return a PEP 751 lock with every file that the interpreter accepts.

        Paths in it are absolute. Writes to the cache and the scratch directory only.

        Raises:
            ConvergeError: No set of versions satisfies the requirements, or a build failed.
            Unavailable: An index or a repository can't be reached.

        """

    def install(self, request: InstallRequest) -> None:
        """Install a lock into an environment. Not atomic: a failure leaves it incomplete.

        Raises:
            IntegrityError: The content of a download or of the cache is damaged.
            ConvergeError: The installation failed for another reason.

        """

    def clear_cache(self, packages: Sequence[str]) -> None:
        """Delete packages from the download cache, or everything if none is named."""
