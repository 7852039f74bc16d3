"""The keys of a `[venv.*]` table."""

from __future__ import annotations

from engine.frozen import computed, field, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal


@frozen
class File:
    """One entry of `files`. Its name is a path in the venv."""

    from_: str | None = field("The file to copy.", default=None)
    content: str | None = field("The content, as text.", default=None)
    link: str | None = field(
        "The target of a symlink: an absolute path, or a path in the venv.", default=None
    )
    mode: str | None = field("The permissions, in octal.", default=None)
    capabilities: str | None = field("Linux capabilities, in the form of setcap(8).", default=None)

    digest: str = computed(default="")
    """SHA-256 of the content. Empty for a symlink, and for a file of a package."""

    @property
    def is_placed(self) -> bool:
        """Whether converge creates the file. Otherwise, a package contains it."""
        return bool(self.digest) or self.link is not None


@frozen
class Venv:
    """One virtual environment. Paths are absolute in a normalized spec."""

    path: str = field("The published path: a symlink to the live generation.")
    python: str = field(
        "A version, a range such as `>=3.11,<3.13`, an absolute path, or `interpreter.NAME`.",
        default="3",
    )
    packages: tuple[str, ...] = field("PEP 508 requirements.", default=())
    requirements: tuple[str, ...] = field("Requirement files.", default=())
    constraints: tuple[str, ...] = field(
        "Constraint files or URLs that limit versions.", default=()
    )
    overrides: tuple[str, ...] = field("Requirements that override all others.", default=())
    no_deps: bool = field(
        "Whether to install only the listed packages, without their dependencies.", default=False
    )
    build_constraints: tuple[str, ...] = field("Constraint files for build tools.", default=())
    build_variables: dict[str, str] = field(
        "Environment variables of each build from source.", default={}
    )
    build_variables_package: dict[str, dict[str, str]] = field(
        "The same for the builds of one package, by its name.", default={}
    )
    config_settings: dict[str, str | tuple[str, ...]] = field(
        "Settings for the build backend of each package (PEP 517).", default={}
    )
    config_settings_package: dict[str, dict[str, str | tuple[str, ...]]] = field(
        "The same for one package, by its name.", default={}
    )
    extra_build_dependencies: dict[str, tuple[str, ...]] = field(
        "More requirements of the build of a package, by its name.", default={}
    )
    lock: str = field("A PEP 751 lockfile or a `uv.lock` to install exactly as it is.", default="")
    extras: tuple[str, ...] = field(
        "Extras to install from the lockfile or the `pyproject.toml`.", default=()
    )
    groups: tuple[str, ...] = field(
        "Dependency groups to install from the lockfile or the `pyproject.toml`.", default=()
    )
    workspace_member: str = field("The project of a uv workspace to install.", default="")
    no_install_project: bool = field(
        "Whether to install only the dependencies of a uv project.", default=False
    )
    index_url: str = field(
        "The URL of the index, or `env:NAME` or `file:PATH` that contains it.", default=""
    )
    extra_index_url: tuple[str, ...] = field(
        "More indexes, searched first. The same forms as `index-url`.", default=()
    )
    package_index_url: dict[str, str] = field(
        "The only index of a package, by its name. The same forms as `index-url`.", default={}
    )
    ignore_error_codes: tuple[int, ...] = field(
        "HTTP status codes of `extra-index-url` that mean: no such package.", default=()
    )
    netrc: str = field("A netrc file with credentials for the indexes.", default="")
    find_links: tuple[str, ...] = field("Directories or pages with distribution files.", default=())
    no_index: bool = field("Use only `find-links`, and no index.", default=False)
    download_timeout: int = field(
        "Seconds to wait for a connection, and for each part of a download.", default=30
    )
    download_retries: int = field(
        "The number of further attempts after a failed download.", default=2
    )
    exclude_newer: str = field("Ignore files uploaded after this date.", default="")
    persistent: tuple[str, ...] = field(
        "Directories in the venv that are kept across generations.", default=()
    )
    ignore: tuple[str, ...] = field(
        "Patterns of paths in the venv that are never checked for drift.", default=()
    )
    files: dict[str, File] = field(
        "Files and symlinks of your own in the venv, by their path in it.", default={}, table=File
    )
    source_ignore: tuple[str, ...] = field(
        "Patterns of paths in local projects that aren't part of their source.", default=()
    )
    accept_record_mismatch: tuple[str, ...] = field(
        "Packages whose wheels may contain files that differ from their RECORD.", default=()
    )
    system_site_packages: bool = field(
        "Whether the venv can import the packages of the interpreter.", default=False
    )
    system_packages: tuple[str, ...] = field(
        "Modules of the interpreter to link into the venv.", default=()
    )
    requires_system: tuple[str, ...] = field(
        "Packages of the distribution that must be installed.", default=()
    )
    owner: str = field("The owner of all files. Default: the user that runs converge.", default="")
    group: str = field("The group of all files.", default="")
    mode: str = field("The permissions of the venv's directory, in octal.", default="0755")
    smoke: tuple[str, ...] = field(
        "Commands that must succeed before the venv is published.", default=()
    )
    keep: int = field("The number of previous generations to keep for rollback.", default=1)
    adopt: bool = field(
        "Whether to replace and back up a directory that converge didn't create.", default=False
    )
    needs: tuple[str, ...] = field("Addresses of resources to apply first.", default=())
    state: Literal["present", "absent"] = field("Whether the venv should exist.", default="present")

    inputs: str = computed(default="")
    """Digest of everything that versions are selected from, except the interpreter."""
    build_settings: str = computed(default="")
    """How packages are built from source, as returned by `builds.settings.format_settings`. Empty
    by default. A normalized spec has no tables."""
    origins: tuple[str, ...] = computed(default=())
    """Digests of the required local files, in the form of `pack_origins`."""
    insecure_hosts: tuple[str, ...] = computed(default=())
    """Hosts whose certificates aren't verified: `--trusted-host` in a requirement file."""
    declared: str = computed(default="")
    """The declaring file and address, for people."""

    ignores_hold: bool = computed(default=False)
    """Whether a rollback that is still in effect doesn't count, as for `converge adopt`."""
    predecessors: tuple[str, ...] = computed(default=())
    """Paths at which the same address was declared before, and that still exist."""

    def local_digests(self) -> dict[str, str]:
        """Return the digest of each required local file, by its path. A project has none."""
        return _unpack_origins(self.origins)


def pack_origins(digests: Mapping[str, str]) -> tuple[str, ...]:
    """Return digests by path as strings, because the fields of a spec are flat.

    The separator is NUL, the only character that a path can't contain.
    """
    return tuple(f"{path}\0{digest}" for path, digest in digests.items())


def _unpack_origins(origins: tuple[str, ...]) -> dict[str, str]:
    return dict(origin.split("\0") for origin in origins)
