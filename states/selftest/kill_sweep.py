"""Kill an update at many points, and test whether the next run repairs it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

from engine.frozen import frozen
from engine.system.files import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_KILLED_STATUS = 137
"""128 + SIGKILL, as a shell reports it."""
_PROGRAM = """
import os, sys
sys.path[:0] = {path!r}
count = 0
EVENTS = {{"os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "os.link"}}
def kill(event, arguments):
    global count
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
    if (event in EVENTS or writes) and {directory!r} in str(arguments[0]):
        count += 1
        if count == {kill_point}:
            os._exit(137)
sys.addaudithook(kill)
from states.__main__ import main
code = main()
if count:
    with open({count_file!r}, "w") as file:
        file.write(str(count))
sys.exit(code)
"""
"""A run that exits before its n-th change below a directory, or counts its changes."""

_OLD, _NEW = "1", "2"


def sweep_kills(scratch: Path, kills: int, on_kill: Callable[[int, int], None]) -> Iterator[str]:
    """Kill an update at points spread evenly over its changes, and test the recovery.

    After each kill, the published venv must work, in either version. The next run must succeed,
    and the run after it must change nothing.

    Args:
        scratch: An existing directory, for one site per kill.
        kills: Maximum number of kills.
        on_kill: Called before each kill with its number, from 1, and the total.

    Yields:
        The failure after each kill, or an empty string. If an update fails without a kill, only
        that failure.

    """
    control = _Site(scratch / "control")
    failure = control.prepare() or control.converge()
    if failure:
        yield f"failed without a kill: {failure}"
        return
    total = int(control.count_file.read_text())
    kill_points = sample_evenly(kills, total)
    for number, kill_point in enumerate(kill_points, 1):
        on_kill(number, len(kill_points))
        site = _Site(scratch / f"kill-{kill_point}")
        failure = site.prepare()
        if not failure and site.apply(kill_point).returncode != _KILLED_STATUS:
            continue  # This run made fewer changes than the control.
        failure = failure or site.use_venv(_OLD, _NEW) or site.converge()
        yield f"killed before change {kill_point} of {total}: {failure}" if failure else ""


def sample_evenly(count: int, total: int) -> list[int]:
    """Return evenly spread numbers from 1 to the total, always with the last one.

    If the count isn't less than the total, return all numbers.
    """
    count = min(count, total)
    return sorted(total - index * (total - 1) // max(1, count - 1) for index in range(count))


@frozen
class _Site:
    """A venv with one package, in a directory with its own cache and state."""

    directory: Path

    @property
    def count_file(self) -> Path:
        """The file in which a run that isn't killed writes the number of its changes, if any."""
        return self.directory / "count"

    def prepare(self) -> str:
        """Apply the old version, and declare the new one. Return the failure, if any."""
        self.directory.mkdir()
        for version in (_OLD, _NEW):
            _write_wheel(self.directory, version)
        self._declare(_OLD)
        completed = self.apply()
        self._declare(_NEW)
        return _failure(completed)

    def converge(self) -> str:
        """Run until nothing changes. Return the failure, if any."""
        failure = _failure(self.apply()) or self.use_venv(_NEW)
        if failure:
            return f"the next run: {failure}"
        second = self.apply()
        failure = _failure(second)
        if not failure and json.loads(second.stdout)["changed"]:
            failure = "it changed something again"
        return f"the run after the next: {failure}" if failure else ""

    def use_venv(self, *versions: str) -> str:
        """Import the package from the published venv, as a service would.

        Return the failure, if it isn't one of these versions.
        """
        program = "import probe; print(probe.VERSION)"
        argv = [str(self.directory / "venvs" / "selftest" / "bin" / "python"), "-I", "-c", program]
        try:
            completed = subprocess.run(argv, capture_output=True, text=True, check=False)
        except OSError as error:
            return f"the published venv can't be used: {error.strerror}"
        output = completed.stdout.strip() or completed.stderr.strip()
        return "" if output in versions else f"the published venv doesn't work: {output}"

    def apply(self, kill_point: int = 0) -> subprocess.CompletedProcess[str]:
        """Run `converge apply`, killed before the change with this number. 0 means no kill."""
        program = _PROGRAM.format(
            path=sys.path,
            kill_point=kill_point,
            directory=str(self.directory / "venvs"),
            count_file=str(self.count_file),
        )
        env = {
            **os.environ,
            "CONVERGE_CACHE_DIR": str(self.directory / "cache"),
            "CONVERGE_STATE_DIR": str(self.directory / "state"),
        }
        argv = [sys.executable, "-c", program, "apply", str(self._file), "--quiet", "--json"]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    @property
    def _file(self) -> Path:
        return self.directory / "selftest.toml"

    def _declare(self, version: str) -> None:
        python = os.path.realpath(sys.executable)
        self._file.write_text(
            f'[venv.selftest]\npath = "venvs/selftest"\npython = "{python}"\n'
            f'packages = ["probe=={version}"]\nfind-links = ["."]\nno-index = true\n'
        )


def _failure(completed: subprocess.CompletedProcess[str]) -> str:
    """Return the errors of a failed run, or an empty string."""
    if not completed.returncode:
        return ""
    return "; ".join(_errors(completed.stdout)) or (
        completed.stderr.strip() or f"exit code {completed.returncode}"
    )


def _errors(output: str) -> Iterator[str]:
    """Yield each error in a JSON report, with its hint."""
    try:
        report = json.loads(output)
    except ValueError:
        return
    for source in (report, *report["resources"]):
        if source["error"]:
            hint = source["error"]["hint"]
            yield source["error"]["message"] + (f" (hint: {hint})" if hint else "")


def _write_wheel(directory: Path, version: str) -> None:
    """Write the wheel of a package whose module contains its version."""
    dist_info = f"probe-{version}.dist-info"
    members = {
        "probe.py": f"VERSION = {version!r}\n",
        f"{dist_info}/METADATA": f"Metadata-Version: 2.1\nName: probe\nVersion: {version}\n",
        f"{dist_info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for name, content in members.items():
        digest = base64.urlsafe_b64encode(bytes.fromhex(sha256(content.encode())))
        rows.append(f"{name},sha256={digest.decode().rstrip('=')},{len(content)}\n")
    members[f"{dist_info}/RECORD"] = "".join([*rows, f"{dist_info}/RECORD,,\n"])
    with zipfile.ZipFile(directory / f"probe-{version}-py3-none-any.whl", "w") as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)
