"""An update that is killed all over its course: what `converge selftest` tries a file system by."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import zipfile

from engine.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_KILLED = 137
_KILLER = """
import os, sys
sys.path[:0] = {path!r}
seen = 0
EVENTS = {{"os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "os.link"}}
def strike(event, arguments):
    global seen
    writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
    if (event in EVENTS or writing) and {folder!r} in str(arguments[0]):
        seen += 1
        if seen == {point}:
            os._exit(137)
sys.addaudithook(strike)
from states.__main__ import main
code = main()
if seen:
    with open({tally!r}, "w") as file:
        file.write(str(seen))
sys.exit(code)
"""
"""A run that dies before its n-th change below a folder, or counts them all."""

_OLD, _NEW = "1", "2"


def sweep_kills(folder: Path, points: int, tell: Callable[[int, int], None]) -> Iterator[str]:
    """Kill an update at points spread over all of its changes; yield what went wrong after each.

    Empty where nothing did: what is published works right away, whichever version it is, the
    next plain run ends well, and the one after it finds nothing to do. A run that fails though
    nobody kills it is the only thing yielded.
    """
    undisturbed = _Site(folder / "undisturbed")
    trouble = undisturbed.begin() or undisturbed.settle()
    if trouble:
        yield f"not killed at all: {trouble}"
        return
    total = int(undisturbed.tally.read_text())
    chosen = sample_evenly(points, total)
    for done, point in enumerate(chosen, 1):
        tell(done, len(chosen))
        site = _Site(folder / f"point-{point}")
        trouble = site.begin()
        if not trouble and site.run(point).returncode != _KILLED:
            continue  # it took fewer steps this time
        trouble = trouble or site.broken(_OLD, _NEW) or site.settle()
        yield f"killed before change {point} of {total}: {trouble}" if trouble else ""


def sample_evenly(points: int, total: int) -> list[int]:
    """Choose so many of the numbers from 1 to the total, evenly, or all; the last one always."""
    count = min(points, total)
    return sorted(total - index * (total - 1) // max(1, count - 1) for index in range(count))


@frozen
class _Site:
    """A venv of one package, in a folder with everything that belongs to it."""

    folder: Path

    @property
    def tally(self) -> Path:
        """The file in which a run that was not killed leaves the number of its changes, if any."""
        return self.folder / "tally"

    def begin(self) -> str:
        """Bring the old version about and declare the new one; return what went wrong."""
        self.folder.mkdir()
        for version in (_OLD, _NEW):
            _make_wheel(self.folder, version)
        self._declare(_OLD)
        made = self.run()
        self._declare(_NEW)
        return _failure(made)

    def settle(self) -> str:
        """Run until there is nothing to do; return what went wrong."""
        trouble = _failure(self.run()) or self.broken(_NEW)
        if trouble:
            return f"the next run: {trouble}"
        again = self.run()
        if "no changes" not in again.stdout:
            return f"the run after the next: {_failure(again) or 'it still changed something'}"
        return ""

    def broken(self, *versions: str) -> str:
        """Use what is published, as a service would; return what is wrong with it."""
        program = "import probe; print(probe.VERSION)"
        argv = [str(self.folder / "venvs" / "selftest" / "bin" / "python"), "-I", "-c", program]
        try:
            used = subprocess.run(argv, capture_output=True, text=True, check=False)
        except OSError as error:
            return f"what is published cannot be used: {error.strerror}"
        said = used.stdout.strip() or used.stderr.strip()
        return "" if said in versions else f"what is published does not work: {said}"

    def run(self, point: int = 0) -> subprocess.CompletedProcess[str]:
        """Apply, dying before the given change; 0 for none."""
        program = _KILLER.format(
            path=sys.path, point=point, folder=str(self.folder / "venvs"), tally=str(self.tally)
        )
        env = {
            **os.environ,
            "CONVERGE_CACHE_DIR": str(self.folder / "cache"),
            "CONVERGE_STATE_DIR": str(self.folder / "state"),
        }
        argv = [sys.executable, "-c", program, "apply", str(self._file), "--quiet"]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    @property
    def _file(self) -> Path:
        return self.folder / "selftest.toml"

    def _declare(self, version: str) -> None:
        python = os.path.realpath(sys.executable)
        self._file.write_text(
            f'[venv.selftest]\npath = "venvs/selftest"\npython = "{python}"\n'
            f'packages = ["probe=={version}"]\nfind-links = ["."]\nno-index = true\n'
        )


def _failure(done: subprocess.CompletedProcess[str]) -> str:
    """Return how a run failed, in its own words."""
    if not done.returncode:
        return ""
    return (done.stdout + done.stderr).strip() or f"exit {done.returncode}"


def _make_wheel(folder: Path, version: str) -> None:
    """Make the wheel of a package that says its version."""
    from engine.system.files import sha256

    about = f"probe-{version}.dist-info"
    members = {
        "probe.py": f"VERSION = {version!r}\n",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: probe\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for name, text in members.items():
        digest = base64.urlsafe_b64encode(bytes.fromhex(sha256(text.encode())))
        rows.append(f"{name},sha256={digest.decode().rstrip('=')},{len(text)}\n")
    members[f"{about}/RECORD"] = "".join([*rows, f"{about}/RECORD,,\n"])
    with zipfile.ZipFile(folder / f"probe-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in members.items():
            wheel.writestr(name, text)
