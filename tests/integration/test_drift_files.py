"""Every change to a file of a generation is detected, reported, and repaired."""

from __future__ import annotations

import errno
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.host import MINOR, Host
from tests.support.command import changes

SITE = f"lib/{MINOR}/site-packages"
MODULE = f"{SITE}/alpha/__init__.py"


def same_size_and_times(path: Path) -> None:
    """Edit a file, and keep its size and modification time."""
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"12345", b"54321"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.read_bytes() != content
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def replace_by(content: str, mode: int = 0o755) -> Callable[[Path], None]:
    """Return a function that replaces a path with a new file."""

    def damage(path: Path) -> None:
        path.unlink()
        path.write_text(content)
        path.chmod(mode)

    return damage


def redirect(to: str) -> Callable[[Path], None]:
    """Return a function that replaces a path with a symlink."""

    def damage(path: Path) -> None:
        path.unlink()
        path.symlink_to(to)

    return damage


CAP_NET_RAW = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
"""As `setcap cap_net_raw=ep` sets it (linux/capability.h)."""
DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "deleted": (MODULE, Path.unlink, "missing"),
    "edited": (MODULE, lambda path: path.write_text("import os\n"), "modified"),
    "emptied": (MODULE, lambda path: os.truncate(path, 0), "modified"),
    "edited with the same size and time": (
        f"{SITE}/alpha/data/table.txt",
        same_size_and_times,
        "modified",
    ),
    "changed mode": (MODULE, lambda path: path.chmod(0o600), "mode 0600"),
    "setuid": ("bin/alpha", lambda path: path.chmod(0o4755), "mode 4755"),
    "changed owner": (MODULE, lambda path: os.chown(path, 65534, 65534), "owner 65534:65534"),
    "non-executable script": ("bin/alpha", lambda path: path.chmod(0o644), "mode 0644"),
    "deleted script": ("bin/alpha", Path.unlink, "missing"),
    "script of another interpreter": (
        "bin/alpha",
        lambda path: path.write_text("#!/bin/sh\nexec true\n"),
        "modified",
    ),
    "file replaced by a symlink": (MODULE, redirect("/etc/passwd"), "another kind of file"),
    "redirected interpreter symlink": ("bin/python", redirect("/bin/true"), "modified"),
    "interpreter replaced by a script": (
        "bin/python",
        replace_by("#!/bin/sh\nexit 0\n"),
        "another kind of file",
    ),
    "attribute of a directory": (
        f"{SITE}/alpha",
        lambda path: os.setxattr(path, "user.note", b"x"),
        "attribute user.note",
    ),
    "file capability": (
        "bin/alpha",
        lambda path: os.setxattr(path, "security.capability", CAP_NET_RAW),
        "attribute security.capability",
    ),
    "deleted pyvenv.cfg": ("pyvenv.cfg", Path.unlink, "missing"),
    "edited pyvenv.cfg": (
        "pyvenv.cfg",
        lambda path: path.write_text(
            path.read_text().replace("packages = false", "packages = true")
        ),
        "modified",
    ),
    "deleted startup hook": (f"{SITE}/zzz_converge_startup.pth", Path.unlink, "missing"),
    "deleted lease": (".converge/lease", Path.unlink, "missing"),
}


@pytest.mark.parametrize(("path", "damage", "change"), DAMAGE.values(), ids=DAMAGE)
def test_damaged_file_is_reported_and_repaired(
    applied_host: Host, path: str, damage: Callable[[Path], object], change: str
) -> None:
    if ("owner" in change or "security" in change) and os.geteuid() != 0:
        pytest.skip("only root can change the owner and the capabilities of files")
    try:
        damage(applied_host.generation / path)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip("the file system has no such attributes")
    assert applied_host.run("verify", "converge.toml").code == 2

    plan = applied_host.assert_converges()

    assert plan["action"] == "repair"
    assert set(changes(plan)) == {f"file.{path}", "generation"}
    assert changes(plan)[f"file.{path}"] == (change, "intact")
    assert applied_host.run_script("alpha") == "alpha 1.1"


ADDED = {
    "module": f"{SITE}/stray.py",
    ".pth file": f"{SITE}/stray.pth",
    "sitecustomize": f"{SITE}/sitecustomize.py",
    "module in a package": f"{SITE}/alpha/stray.py",
    "script": "bin/stray",
    "shared library": f"{SITE}/stray.so",
    "metadata file": ".converge/stray",
}


@pytest.mark.parametrize("path", ADDED.values(), ids=ADDED)
def test_unexpected_file_is_removed(applied_host: Host, path: str) -> None:
    (applied_host.generation / path).write_text("")
    assert applied_host.run("verify", "converge.toml").code == 2

    plan = applied_host.assert_converges()

    assert plan["action"] == "repair"
    assert changes(plan)[f"file.{path}"] == ("unexpected", None)
    assert set(changes(plan)) == {f"file.{path}", "generation"}
    assert not (applied_host.generation / path).exists()


def test_plan_reports_all_damage(applied_host: Host) -> None:
    (applied_host.site / "alpha/__init__.py").write_text("")
    (applied_host.site / "beta/__init__.py").unlink()
    (applied_host.site / "stray.py").write_text("")

    assert set(changes(applied_host.assert_converges())) == {
        f"file.{SITE}/alpha/__init__.py",
        f"file.{SITE}/beta/__init__.py",
        f"file.{SITE}/stray.py",
        "generation",
    }


def test_deleted_package_directory_is_reported_per_file(applied_host: Host) -> None:
    shutil.rmtree(applied_host.site / "beta")

    plan = applied_host.assert_converges()

    assert f"file.{SITE}/beta/__init__.py" in changes(plan)
    assert applied_host.run_python("import beta; print(beta.__version__)") == "1.0"


DANGLING = {
    "module linked to itself": (MODULE, "__init__.py"),
    "package linked to itself": (f"{SITE}/alpha", "alpha"),
    "metadata linked to itself": (f"{SITE}/alpha-1.1.dist-info", "alpha-1.1.dist-info"),
    "site-packages linked to itself": (SITE, "site-packages"),
    "library linked to itself": ("lib", "lib"),
    "package linked to a name that is too long": (f"{SITE}/alpha", "x" * 300),
}


@pytest.mark.parametrize(("path", "target"), DANGLING.values(), ids=DANGLING)
def test_dangling_symlink_is_repaired(applied_host: Host, path: str, target: str) -> None:
    link = applied_host.generation / path
    shutil.rmtree(link) if link.is_dir() else link.unlink()
    link.symlink_to(target)

    assert applied_host.run("status", "converge.toml").code == 0
    assert applied_host.run("verify", "converge.toml").code == 2
    applied_host.assert_converges()

    assert applied_host.run_script("alpha") == "alpha 1.1"


FIFOS = {
    "module": "site/beta/__init__.py",
    "METADATA": "site/beta-2.0.dist-info/METADATA",
    "RECORD": "site/beta-2.0.dist-info/RECORD",
    "receipt": ".converge/receipt.json",
    "manifest": ".converge/manifest.json",
    "stat cache": ".converge/stats",
    "resolution": ".converge/pylock.toml",
    "unexpected package": "site/planted-1.dist-info/METADATA",
}


@pytest.mark.parametrize("path", FIFOS.values(), ids=FIFOS)
def test_fifo_in_place_of_a_file_blocks_no_command(host_with_wheels: Host, path: str) -> None:
    host_with_wheels.declare(["beta==2.0"])
    host_with_wheels.apply_ok()
    site = str(host_with_wheels.site.relative_to(host_with_wheels.generation))
    fifo = host_with_wheels.generation / path.replace("site", site, 1)
    fifo.parent.mkdir(exist_ok=True)
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo)

    for command in ("check", "status", "verify"):
        assert host_with_wheels.run(command, "converge.toml", prefix=["timeout", "60"]).code in (
            0,
            1,
            2,
        )
    result = host_with_wheels.apply(prefix=["timeout", "60"])

    assert result.code == 0, result.out
    assert host_with_wheels.run("verify", "converge.toml").code == 0
    host_with_wheels.assert_no_changes()


def test_permissions_of_the_store_and_its_metadata_are_restored(applied_host: Host) -> None:
    """A backup that was restored under the umask 077 has none for other users."""
    generation = applied_host.generation
    metadata = generation / ".converge"
    names = ("receipt.json", "manifest.json", "pylock.toml", "lease")
    closed = [*(metadata / name for name in names), metadata, generation.parent, applied_host.store]
    for path in closed:
        path.chmod(path.stat().st_mode & 0o700)

    checked = applied_host.check()
    plan = applied_host.assert_converges()

    assert checked.code == 2
    paths = {name.removeprefix("permissions.") for name in changes(plan)}
    assert paths == {os.path.relpath(path, applied_host.store) for path in closed}
    assert changes(plan)["permissions.."] == ("mode 0700", None)
    assert [path.stat().st_mode & 0o055 for path in closed] == [0o044] * 4 + [0o055] * 3
    assert applied_host.generation == generation
