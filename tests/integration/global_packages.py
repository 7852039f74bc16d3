"""A host with seven packages for its `/usr/bin/python3`, installed by real dpkg, pip, and uv.

| package | directory | property |
| --- | --- | --- |
| `shadow` 2.0 | `/usr/local` | hides version 1.0, of the Debian package `python3-shadow` |
| `owned` 1.0 | `/usr/lib` | belongs to the Debian package `python3-owned` |
| `editable` 1.0 | `/usr/local` | refers to a project in `/opt/editable` |
| `personal` 1.0 | the home directory of `ann` | only she imports it |
| `metrics` 1.0 | `/usr/local` | a unit starts a script that imports it |
| `tool` 1.0 | `/usr/local` | has a program, and requires `library` |
| `library` 1.0 | `/usr/local` | a plain library |
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from tests.integration.mount_namespaces import mount_namespace
from tests.support.command import Completed, run
from tests.support.projects import make_project
from tests.support.wheels import make_wheel

PYTHON = "/usr/bin/python3"
UID = 5701
HOME = "/home/ann"
UNIT = "/etc/systemd/system/report.service"
SCRIPT = "/opt/report/report.py"
_DIRECTORIES = ("usr", "etc", "home", "opt", "var")
"""The directories of the host that get a writable layer of their own."""


@dataclass(frozen=True, slots=True)
class GlobalHost:
    """A system that tests may change: commands with `prefix` run on it."""

    prefix: Sequence[str]
    directory: Path
    """A directory with wheels and declarations, which is the same on both systems."""

    def command(self, *argv: str | Path, **environment: str) -> str:
        """Run a program on the host, which must succeed; return its output."""
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"}
        process = subprocess.run(
            [*self.prefix, *map(str, argv)],
            env={**env, "HOME": "/root", **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, f"{argv}\n{process.stdout}\n{process.stderr}"
        return process.stdout

    def site(self) -> str:
        """Return the directory that pip installs packages of the host into."""
        program = "import sysconfig; print(sysconfig.get_path('purelib'))"
        return self.command(PYTHON, "-I", "-S", "-c", program).strip()

    def write(self, path: str, content: str) -> None:
        """Write a file of the host, and create its directories."""
        script = 'mkdir -p "$(dirname "$0")" && cat > "$0" <<"END"\n' + content + "\nEND"
        self.command("sh", "-e", "-c", script, path)

    def converge(self, *arguments: str | Path, cwd: Path | None = None) -> Completed:
        """Run converge on the host."""
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CONVERGE_CACHE_DIR": str(self.directory / "cache"),
            "CONVERGE_STATE_DIR": str(self.directory / "state"),
        }
        return run(
            *arguments,
            python=sys.executable,
            env=env,
            cwd=cwd or self.directory,
            prefix=self.prefix,
        )

    def pip(self, *arguments: str | Path, **environment: str) -> None:
        """Run pip with the host's interpreter."""
        pip = [sys.executable, "-m", "pip", "--python", PYTHON, "--disable-pip-version-check"]
        options = ["--no-index", "--find-links", str(self.directory / "wheels")]
        verb = ["install", "--break-system-packages", "--root-user-action=ignore", *options]
        self.command(*pip, *verb, *arguments, **environment)

    def uv(self, *arguments: str | Path) -> None:
        """Run uv with the host's interpreter."""
        uv = Path(sys.executable).with_name("uv")
        options = ["--no-index", "--find-links", str(self.directory / "wheels"), "--no-cache"]
        verb = ["pip", "install", "--python", PYTHON, "--break-system-packages", *options]
        self.command(uv, *verb, *arguments)


@contextmanager
def layered_host(directory: Path) -> Iterator[GlobalHost]:
    """Yield this host with writable layers above its directories, which disappear at the end."""
    if not Path(PYTHON).exists() or not shutil.which("dpkg-deb"):
        pytest.skip(f"requires {PYTHON} of Debian")
    script = [
        _layers(directory / "layers"),
        "rm -rf /usr/local/lib/python3*/dist-packages/* /usr/lib/python3/dist-packages/_sandbox*",
        f"echo 'ann:x:{UID}:{UID}::{HOME}:/bin/sh' >> /etc/passwd",
    ]
    with mount_namespace("\n".join(script), directory) as in_namespace:
        yield GlobalHost(in_namespace, directory)


@contextmanager
def layer_above(host: GlobalHost, directory: Path) -> Iterator[GlobalHost]:
    """Yield the host with one more writable layer, which disappears at the end.

    As in a container, its directories can't be renamed.
    """
    script = _layers(directory / "layers")
    command = [*host.prefix, "unshare", "--mount", "--propagation", "private", "sh", "-e", "-c"]
    holder = subprocess.Popen(
        [*command, f"{script}\necho ready\nexec sleep 600"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        prefix = ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", f"--wd={directory}"]
        yield GlobalHost(prefix, host.directory)
    finally:
        holder.kill()
        holder.communicate()


def _layers(layers: Path) -> str:
    """Return a script that mounts a writable layer above each directory of the host."""
    layers.mkdir()
    script = [f"mount -t tmpfs -o mode=0755 layers '{layers}'"]
    for name in _DIRECTORIES:
        upper, work = layers / name / "upper", layers / name / "work"
        options = f"lowerdir=/{name},upperdir={upper},workdir={work}"
        script += [
            f"mkdir -p '{upper}' '{work}'",
            f"mount -t overlay -o '{options}' {name} /{name}",
        ]
    return "\n".join(script)


def install_seven(host: GlobalHost) -> None:
    """Install the seven packages."""
    install_five(host)
    wheels = host.directory / "wheels"
    make_wheel(wheels, "personal", "1.0")
    make_project(host.directory, "editable", "1.0")
    host.command("cp", "-r", host.directory / "editable", "/opt/editable")
    host.pip("--no-build-isolation", "-e", "/opt/editable")
    host.command("mkdir", "-p", HOME)
    host.pip("--user", "personal", HOME=HOME, PYTHONUSERBASE=f"{HOME}/.local")
    host.command("chown", "-R", f"{UID}:{UID}", HOME)


def install_five(host: GlobalHost) -> None:
    """Install all but the editable one and that of a user."""
    wheels = host.directory / "wheels"
    for name in ("shadow", "metrics", "library"):
        make_wheel(wheels, name, "2.0" if name == "shadow" else "1.0")
    main = {"tool/main.py": "def main():\n    print('tool')\n", "tool/__init__.py": ""}
    scripts = {"tool": "tool.main:main"}
    make_wheel(wheels, "tool", "1.0", requires=["library"], files=main, console_scripts=scripts)
    _install_debian_package(host, "shadow", {})
    _install_debian_package(host, "owned", {"usr/bin/owned": "#!/usr/bin/python3\nimport shadow\n"})
    host.pip("--ignore-installed", "shadow", "metrics")
    host.uv("tool")
    host.write(SCRIPT, "import metrics, json\nprint(metrics.__version__)")
    host.write(UNIT, f"[Service]\nUser=daemon\nExecStart=-{PYTHON} -B \\\n    {SCRIPT} --daily\n")


def _install_debian_package(host: GlobalHost, name: str, files: dict[str, str]) -> None:
    """Build and install the Debian package of a Python package, with version 1.0."""
    tree = host.directory / f"python3-{name}"
    site = tree / "usr/lib/python3/dist-packages"
    contents = {
        f"{site}/{name}/__init__.py": '__version__ = "1.0"\n',
        f"{site}/{name}-1.0.egg-info/PKG-INFO": f"Name: {name}\nVersion: 1.0\n",
        f"{site}/{name}-1.0.egg-info/top_level.txt": f"{name}\n",
        f"{tree}/DEBIAN/control": dedent(f"""\
            Package: python3-{name}
            Version: 1.0
            Architecture: all
            Maintainer: Test <test@example>
            Description: test
            """),
        **{f"{tree}/{path}": content for path, content in files.items()},
    }
    for path, content in contents.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_text(content)
        os.chmod(path, 0o755 if "/bin/" in path else 0o644)
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", tree], check=True, capture_output=True
    )
    host.command("dpkg", "--install", f"{tree}.deb")
