"""Whatever is done to a file of a generation is seen, named, and put right."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.host import MINOR, Host, changes

SITE = f"lib/{MINOR}/site-packages"
MODULE = f"{SITE}/alpha/__init__.py"


def same_size_and_times(path: Path) -> None:
    """Edit a file so that size and modification time tell nothing."""
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"12345", b"54321"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.read_bytes() != content
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def replace_by(content: str, mode: int = 0o755) -> Callable[[Path], None]:
    """Put a file of another's making in place of one, as a rename does."""

    def act(path: Path) -> None:
        path.unlink()
        path.write_text(content)
        path.chmod(mode)

    return act


def redirect(to: str) -> Callable[[Path], None]:
    """Make a symlink lead elsewhere."""

    def act(path: Path) -> None:
        path.unlink()
        path.symlink_to(to)

    return act


DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "deleted": (MODULE, Path.unlink, "missing"),
    "edited": (MODULE, lambda one: one.write_text("import os\n"), "edited"),
    "emptied": (MODULE, lambda one: os.truncate(one, 0), "edited"),
    "edited with size and time put back": (
        f"{SITE}/alpha/data/table.txt",
        same_size_and_times,
        "edited",
    ),
    "of another mode": (MODULE, lambda one: one.chmod(0o600), "mode 0600"),
    "setuid": ("bin/alpha", lambda one: one.chmod(0o4755), "mode 4755"),
    "of another owner": (MODULE, lambda one: os.chown(one, 65534, 65534), "owner 65534:65534"),
    "a script not executable": ("bin/alpha", lambda one: one.chmod(0o644), "mode 0644"),
    "a script deleted": ("bin/alpha", Path.unlink, "missing"),
    "a script of another interpreter": (
        "bin/alpha",
        lambda one: one.write_text("#!/bin/sh\nexec true\n"),
        "edited",
    ),
    "a file replaced by a symlink": (MODULE, redirect("/etc/passwd"), "another kind of file"),
    "the interpreter's link redirected": ("bin/python", redirect("/bin/true"), "edited"),
    "the interpreter replaced by a script": (
        "bin/python",
        replace_by("#!/bin/sh\nexit 0\n"),
        "another kind of file",
    ),
    "pyvenv.cfg deleted": ("pyvenv.cfg", Path.unlink, "missing"),
    "pyvenv.cfg flipped": (
        "pyvenv.cfg",
        lambda one: one.write_text(one.read_text().replace("packages = false", "packages = true")),
        "edited",
    ),
    "the pin deleted": (f"{SITE}/zzz_converge_pin.pth", Path.unlink, "missing"),
    "the lease deleted": (".converge/lease", Path.unlink, "missing"),
}


@pytest.mark.parametrize(("path", "act", "trouble"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_named_and_repaired(
    live: Host, path: str, act: Callable[[Path], object], trouble: str
) -> None:
    if "owner" in trouble and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    act(live.generation / path)
    assert live.run("verify", "converge.toml").code == 2

    plan = live.converges()

    assert plan["action"] == "repair"
    assert set(changes(plan)) == {f"file.{path}", "generation"}
    assert changes(plan)[f"file.{path}"] == (trouble, "as sealed")
    assert live.script("alpha") == "alpha 1.1"


ADDED = {
    "a stray module": f"{SITE}/stray.py",
    "a stray .pth": f"{SITE}/stray.pth",
    "a sitecustomize": f"{SITE}/sitecustomize.py",
    "a module inside a package": f"{SITE}/alpha/stray.py",
    "a stray script": "bin/stray",
    "a shared library": f"{SITE}/stray.so",
    "a file among the notes": ".converge/stray",
}


@pytest.mark.parametrize("path", ADDED.values(), ids=ADDED)
def test_what_was_added_is_taken_away(live: Host, path: str) -> None:
    (live.generation / path).write_text("")
    assert live.run("verify", "converge.toml").code == 2

    plan = live.converges()

    assert plan["action"] == "repair"
    assert changes(plan)[f"file.{path}"] == ("unexpected", None)
    assert set(changes(plan)) == {f"file.{path}", "generation"}
    assert not (live.generation / path).exists()


def test_all_damage_is_told_at_once(live: Host) -> None:
    (live.site / "alpha/__init__.py").write_text("")
    (live.site / "beta/__init__.py").unlink()
    (live.site / "stray.py").write_text("")

    assert set(changes(live.converges())) == {
        f"file.{SITE}/alpha/__init__.py",
        f"file.{SITE}/beta/__init__.py",
        f"file.{SITE}/stray.py",
        "generation",
    }


def test_a_package_folder_that_went_is_told_file_by_file(live: Host) -> None:
    for one in sorted((live.site / "beta").rglob("*"), reverse=True):
        one.rmdir() if one.is_dir() else one.unlink()
    (live.site / "beta").rmdir()

    plan = live.converges()

    assert f"file.{SITE}/beta/__init__.py" in changes(plan)
    assert live.python_says("import beta; print(beta.__version__)") == "1.0"


NOWHERE = {
    "a module leads to itself": (MODULE, "__init__.py"),
    "a package leads to itself": (f"{SITE}/alpha", "alpha"),
    "metadata leads to itself": (f"{SITE}/alpha-1.1.dist-info", "alpha-1.1.dist-info"),
    "all packages lead to themselves": (SITE, "site-packages"),
    "the library leads to itself": ("lib", "lib"),
    "a package leads to a name too long": (f"{SITE}/alpha", "x" * 300),
}


@pytest.mark.parametrize(("path", "target"), NOWHERE.values(), ids=NOWHERE)
def test_a_symlink_that_leads_nowhere_is_repaired(live: Host, path: str, target: str) -> None:
    link = live.generation / path
    shutil.rmtree(link) if link.is_dir() else link.unlink()
    link.symlink_to(target)

    assert live.run("status", "converge.toml").code == 0
    assert live.run("verify", "converge.toml").code == 2
    live.converges()

    assert live.script("alpha") == "alpha 1.1"


PIPES = {
    "of a module": "site/beta/__init__.py",
    "of METADATA": "site/beta-2.0.dist-info/METADATA",
    "of a RECORD": "site/beta-2.0.dist-info/RECORD",
    "of the receipt": ".converge/receipt.json",
    "of the seal": ".converge/seal.json",
    "of the memory of stats": ".converge/stats",
    "of the resolution": ".converge/pylock.toml",
    "among the packages": "site/planted-1.dist-info/METADATA",
}


@pytest.mark.parametrize("where", PIPES.values(), ids=PIPES)
def test_a_pipe_in_the_place_of_a_file_makes_nobody_wait(stocked: Host, where: str) -> None:
    stocked.declare(["beta==2.0"])
    stocked.applied()
    site = str(stocked.site.relative_to(stocked.generation))
    pipe = stocked.generation / where.replace("site", site, 1)
    pipe.parent.mkdir(exist_ok=True)
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)

    for verb in ("check", "status", "verify"):
        assert stocked.run(verb, "converge.toml", prefix=["timeout", "60"]).code in (0, 1, 2)
    done = stocked.apply(prefix=["timeout", "60"])

    assert done.code == 0, done.out
    assert stocked.run("verify", "converge.toml").code == 0
    stocked.settled()
