"""Package managers: the installed packages, and the names that they provide.

dpkg and apk keep a text file, which is read here. rpm has to be asked.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.system.existence import exists, listdir_or_empty
from states.distribution.databases import APK, DPKG_ARCH, DPKG_STATUS, DPKG_UPDATES
from states.system.subprocesses import SAFE_PATH, clean_environment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_PROVIDED = re.compile(r"(?P<name>[^\s(,]+)(?:\s*\(\s*=\s*(?P<version>[^\s)]+)\s*\))?")
"""One item of `Provides` (deb-control(5))."""
_WORKING = ("installed", "triggers-awaited", "triggers-pending")
"""The states of dpkg in which a package is configured (dpkg(1))."""
_TIMEOUT_S = 60


class Manager:
    """One package manager."""

    install: tuple[str, ...] = ()
    """Programs that install packages, with their arguments. The first existing one is used."""

    def install_command(self, names: Sequence[str]) -> str:
        """Return the command that installs packages."""
        existing = [command for command in self.install if _has_program(command.split()[0])]
        return " ".join([(existing or list(self.install))[0], *names])

    def versions(self, names: Collection[str]) -> dict[str, list[str]]:
        """Return the versions in which installed packages provide each name.

        An empty version is provided by a package that names none.

        Raises:
            ConvergeError: The package manager fails.
            OSError: Its database can't be read.

        """
        raise NotImplementedError

    def is_at_least(self, version: str, minimum: str) -> bool:
        """Compare two versions as the package manager does.

        Raises:
            ConvergeError: The package manager fails.

        """
        raise NotImplementedError


class Dpkg(Manager):
    """Debian, Ubuntu, and their relatives."""

    install: tuple[str, ...] = ("apt-get install",)

    def versions(self, names: Collection[str]) -> dict[str, list[str]]:
        """Return the versions in which installed packages provide each name."""
        native = _native_architecture()
        provided: dict[str, list[str]] = {}
        for stanza in _dpkg_stanzas():
            if stanza.get("Status", "").split()[-1:] not in ([state] for state in _WORKING):
                continue
            architecture = stanza.get("Architecture", "")
            own = (stanza["Package"], stanza.get("Version", ""))
            others = ((match["name"], match["version"] or "")
                      for match in _PROVIDED.finditer(stanza.get("Provides", "")))  # fmt: skip
            for name, version in (own, *others):
                is_native = not native or architecture in (native, "all")
                for spelling in (name, f"{name}:{architecture}"):
                    if spelling in names and (is_native or spelling != name):
                        provided.setdefault(spelling, []).append(version)
        return provided

    def is_at_least(self, version: str, minimum: str) -> bool:
        """Compare two versions as dpkg does.

        Raises:
            ConvergeError: The package manager fails.

        """
        status, output = _run("dpkg", "--compare-versions", version, "ge", minimum)
        if status not in (0, 1):
            raise _failed("dpkg", output)
        return status == 0


class Apk(Manager):
    """Alpine and its relatives."""

    install: tuple[str, ...] = ("apk add",)

    def versions(self, names: Collection[str]) -> dict[str, list[str]]:
        """Return the versions in which installed packages provide each name."""
        provided: dict[str, list[str]] = {}
        path = next(filter(exists, APK))
        with open(path, encoding="utf-8", errors="replace") as stream:
            for stanza in _stanzas(stream, ":"):
                items = [f"{stanza.get('P', '')}={stanza.get('V', '')}"]
                for item in [*items, *stanza.get("p", "").split()]:
                    name, _, version = item.partition("=")
                    if name in names:
                        provided.setdefault(name, []).append(version)
        return provided

    def is_at_least(self, version: str, minimum: str) -> bool:
        """Compare two versions as apk does.

        Raises:
            ConvergeError: The package manager fails.

        """
        status, output = _run("apk", "version", "-t", version, minimum)
        if status != 0:
            raise _failed("apk", output)
        return output.strip() in (">", "=")


class Rpm(Manager):
    """Fedora, Red Hat Enterprise Linux, SUSE, and their relatives."""

    install: tuple[str, ...] = ("dnf install", "zypper install", "microdnf install", "yum install")

    def versions(self, names: Collection[str]) -> dict[str, list[str]]:
        """Return the versions in which installed packages provide each name.

        Raises:
            ConvergeError: The package manager fails.

        """
        if not names:
            return {}
        query = r"[%{PROVIDENAME}\t%{PROVIDEVERSION}\n]"
        # rpm exits with the number of names that nothing provides.
        status, output = _run("rpm", "-q", "--whatprovides", "--qf", query, *sorted(names))
        rows = [line.split("\t") for line in output.splitlines() if "\t" in line]
        if status and not rows and "no package provides" not in output:
            raise _failed("rpm", output)
        provided: dict[str, list[str]] = {}
        for name, version in rows:
            if name in names:
                provided.setdefault(name, []).append(version)
        return provided

    def is_at_least(self, version: str, minimum: str) -> bool:
        """Compare two versions as rpm does. A minimum without a release accepts any release.

        Raises:
            ConvergeError: The package manager fails.

        """
        if "-" not in minimum:
            version = version.rpartition("-")[0] or version
        # Both contain neither quotes nor backslashes (`states.distribution.requirement`).
        status, output = _run(
            "rpm", "--eval", f'%{{lua:print(rpm.vercmp("{version}","{minimum}"))}}'
        )
        if status != 0 or output.strip() not in ("-1", "0", "1"):
            raise _failed("rpm", output)
        return output.strip() != "-1"


MANAGERS: dict[str, Manager] = {"dpkg": Dpkg(), "apk": Apk(), "rpm": Rpm()}


def _native_architecture() -> str:
    """Return the architecture of the host, or an empty string if dpkg knows only one."""
    try:
        with open(DPKG_ARCH, encoding="utf-8") as stream:
            return stream.readline().strip()
    except FileNotFoundError:
        return ""


def _dpkg_stanzas() -> Iterator[dict[str, str]]:
    """Yield the entry of each package. Those of an interrupted run of dpkg replace older ones."""
    entries: dict[tuple[str, str], dict[str, str]] = {}
    updates = (name for name in sorted(listdir_or_empty(DPKG_UPDATES)) if name.isdecimal())
    for path in (DPKG_STATUS, *(os.path.join(DPKG_UPDATES, name) for name in updates)):
        with open(path, encoding="utf-8", errors="replace") as stream:
            for stanza in _stanzas(stream, ": "):
                if "Package" in stanza:
                    key = (stanza["Package"], stanza.get("Architecture", ""))
                    entries[key] = stanza
    yield from entries.values()


def _stanzas(lines: Iterator[str], separator: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each paragraph, without continuation lines."""
    stanza: dict[str, str] = {}
    for line in lines:
        if line.strip():
            name, separated, value = line.partition(separator)
            if separated and not line[0].isspace():
                stanza[name] = value.strip()
        elif stanza:
            yield stanza
            stanza = {}
    if stanza:
        yield stanza


def _has_program(name: str) -> bool:
    return any(exists(f"{directory}/{name}") for directory in SAFE_PATH.split(":"))


def _run(*argv: str) -> tuple[int, str]:
    """Run a package manager, and return its exit status and its output.

    Raises:
        ConvergeError: It can't be started, or doesn't end.

    """
    try:
        completed = subprocess.run(
            argv,
            env=clean_environment("/"),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(argv[0], str(error)) from None
    return completed.returncode, completed.stdout.decode("utf-8", "replace")


def _failed(program: str, output: str) -> ConvergeError:
    return ConvergeError(
        f"can't check `requires-system`: `{program}` failed",
        hint=f"repair `{program}`, or remove `requires-system`",
        output=output[-2000:],
    )
