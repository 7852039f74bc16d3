"""A private database of dpkg in a mount namespace, and packages without files for it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.mount_namespaces import mount_namespace

DATABASE = "/var/lib/dpkg"


class Debs:
    """The packages of a host, as dpkg sees them in a mount namespace.

    Attributes:
        prefix: The command prefix that enters the namespace.
    """

    def __init__(self, directory: Path, prefix: list[str]) -> None:
        self.directory = directory
        self.prefix = prefix

    def install(self, name: str, version: str = "1.0", **fields: str) -> None:
        """Build a package without files, and install it.

        Args:
            name: The name.
            version: The version.
            fields: Further fields, such as `Provides`.
        """
        tree = self.directory / f"{name}-{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        control = {
            "Package": name,
            "Version": version,
            "Architecture": "all",
            "Maintainer": "Test <test@host.example>",
            "Description": "A package without files\n Provides: not-a-field",
            **fields,
        }
        text = "".join(f"{field}: {value}\n" for field, value in control.items())
        (tree / "DEBIAN/control").write_text(text)
        subprocess.run(["dpkg-deb", "--build", tree], check=True, capture_output=True)
        self.dpkg("--install", f"{tree}.deb")

    def dpkg(self, *arguments: str) -> None:
        """Run dpkg on the private database."""
        options = ("--log=/dev/null", "--force-not-root", "--force-bad-path")
        subprocess.run(
            [*self.prefix, "dpkg", *options, *arguments],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            check=True,
            capture_output=True,
        )


@contextmanager
def private_debs(directory: Path, others: Sequence[str] = ()) -> Iterator[Debs]:
    """Yield an empty database of dpkg. Skips the test if the host can't provide one.

    Args:
        directory: The directory of the test.
        others: More lines of the script that mounts it.
    """
    if not shutil.which("dpkg-deb"):
        pytest.skip("dpkg isn't installed")
    database = directory / "dpkg"
    for name in ("info", "updates", "triggers", "alternatives", "parts"):
        (database / name).mkdir(parents=True)
    for name in ("status", "available"):
        (database / name).touch()
    script = "\n".join([f"mount --bind '{database}' {DATABASE}", *others])
    with mount_namespace(script, directory) as prefix:
        yield Debs(directory / "debs", prefix)
