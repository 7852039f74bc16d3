"""A lockfile defines exactly which files are installed, and each file is verified by hash."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.support.command import changes
from tests.support.index import Index
from tests.support.wheels import make_project, make_sdist, make_wheel

HEADER = 'lock-version = "1.0"\ncreated-by = "by hand"\n'


def entry(wheel: Path, marker: str = "", digest: str = "", algorithm: str = "sha256") -> str:
    """Return the lockfile entry of a wheel."""
    name, version, *_ = wheel.name.split("-")
    project = name.replace("_", "-")
    digest = digest or hashlib.new(algorithm, wheel.read_bytes()).hexdigest()
    return (
        f'[[packages]]\nname = "{project}"\nversion = "{version}"\n'
        + (f'marker = "{marker}"\n' if marker else "")
        + f'[[packages.wheels]]\nname = "{wheel.name}"\npath = "wheels/{wheel.name}"\n'
        + f'[packages.wheels.hashes]\n{algorithm} = "{digest}"\n'
    )


@pytest.fixture
def locked_host(host: Host) -> Host:
    """Return a host that declares `pylock.toml`, which each test writes."""
    make_wheels(host.wheels)
    host.declare([], find_links=[], lock="pylock.toml")
    return host


def wheel(host: Host, name: str) -> Path:
    """Return the path of a wheel, given `NAME-VERSION`."""
    return host.wheels / f"{name}-py3-none-any.whl"


def test_lockfile_is_installed_exactly(locked_host: Host) -> None:
    locked_host.write(
        HEADER + entry(wheel(locked_host, "alpha-1.0")) + entry(wheel(locked_host, "beta-1.0")),
        "pylock.toml",
    )

    locked_host.assert_converges()

    assert locked_host.versions() == {"alpha": "1.0", "beta": "1.0"}


def test_lockfile_entries_for_other_platforms_are_skipped(locked_host: Host) -> None:
    other = make_wheel(locked_host.wheels, "windows-only", "1.0", tag="py3-none-win_amd64")
    lockfile = HEADER + entry(wheel(locked_host, "beta-1.0"), marker="python_version >= '3'")
    lockfile += entry(other, marker="sys_platform == 'win32'")
    lockfile += entry(wheel(locked_host, "beta-2.0"), marker="python_version < '3'")
    locked_host.write(lockfile, "pylock.toml")

    locked_host.assert_converges()

    assert locked_host.versions() == {"beta": "1.0"}


def test_edited_lockfile_is_an_update(locked_host: Host) -> None:
    locked_host.write(HEADER + entry(wheel(locked_host, "beta-1.0")), "pylock.toml")
    locked_host.apply_ok()
    locked_host.write(HEADER + entry(wheel(locked_host, "beta-2.0")), "pylock.toml")

    plan = locked_host.assert_converges()

    assert plan["action"] == "update"
    assert changes(plan)["package.beta"] == ("1.0", "2.0")


def test_lockfile_with_a_new_comment_changes_nothing(locked_host: Host) -> None:
    locked_host.write(HEADER + entry(wheel(locked_host, "beta-1.0")), "pylock.toml")
    locked_host.apply_ok()
    locked_host.write(
        "# reviewed\n" + HEADER + entry(wheel(locked_host, "beta-1.0")), "pylock.toml"
    )

    assert not locked_host.apply_ok().report["changed"]


def test_lockfile_hash_mismatch_is_an_integrity_error(locked_host: Host) -> None:
    locked_host.write(
        HEADER + entry(wheel(locked_host, "beta-1.0"), digest="0" * 64), "pylock.toml"
    )

    failed = locked_host.apply()

    assert failed.code == 81
    assert failed.report["exit"]["class"] == "integrity"
    assert "doesn't match its locked hash" in failed.first["error"]["message"]
    assert not locked_host.venv.exists()
    assert not locked_host.store.exists()


def test_lockfile_with_only_a_weak_hash_is_refused(locked_host: Host) -> None:
    locked_host.write(
        HEADER + entry(wheel(locked_host, "beta-1.0"), algorithm="md5"), "pylock.toml"
    )

    failed = locked_host.plan()

    assert failed.code == 81
    assert "no SHA-256 hash for beta 1.0" in failed.first["error"]["message"]


def test_lockfile_without_a_compatible_wheel_is_refused(locked_host: Host) -> None:
    other = make_wheel(locked_host.wheels, "windows-only", "1.0", tag="py3-none-win_amd64")
    locked_host.write(HEADER + entry(other), "pylock.toml")

    failed = locked_host.plan()

    assert failed.code == 1
    assert "can't be used with Python" in failed.first["error"]["message"]


@pytest.mark.parametrize("content", ["", "not toml", 'lock-version = "9.9"\ncreated-by = "x"\n'])
def test_invalid_lockfile_is_an_error(locked_host: Host, content: str) -> None:
    locked_host.write(content, "pylock.toml")

    failed = locked_host.plan()

    assert failed.code in (1, 65)
    assert "Traceback" not in failed.err


def test_apply_installs_the_lockfile_that_lock_wrote(host: Host, index: Index) -> None:
    make_wheels(index.directory)
    keys: dict[str, Any] = {"find_links": [], "no_index": False, "index_url": index.url}
    host.declare(["alpha", "beta<2"], lock="pylock.toml", **keys)

    locking = host.run("lock", "converge.toml")

    assert locking.code == 0, locking.err
    make_wheel(index.directory, "beta", "1.9")
    host.assert_converges()
    assert host.versions() == {"alpha": "1.1", "beta": "1.0"}


def test_lock_with_a_declared_interpreter(host_with_wheels: Host) -> None:
    interpreter = f'[interpreter.base]\npython = "{host_with_wheels.python}"\n'
    host_with_wheels.declare(["beta<2"], interpreter, python="interpreter.base", lock="pylock.toml")

    locking = host_with_wheels.run("lock", "converge.toml")

    assert locking.code == 0, locking.err
    host_with_wheels.assert_converges()
    assert host_with_wheels.versions() == {"beta": "1.0"}


def test_lock_hint_quotes_the_table_name_as_in_toml(host_with_wheels: Host) -> None:
    declared = host_with_wheels.declare(["beta<2"])
    declaration = declared.read_text().replace("[venv.app]", '[venv."my.app"]')
    declared.write_text(declaration)

    locking = host_with_wheels.run("lock", "converge.toml")

    assert """to use it, add to [venv."my.app"]:  lock = "pylock.my_app.toml"\n""" in locking.out
    declared.write_text(declaration.replace("packages", "packges"))
    assert """unknown key `packges` in [venv."my.app"]""" in host_with_wheels.plan().err


def test_lock_checks_the_directory_before_resolving(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["nothing-like-it"], lock="locks/app.toml")

    refused = host_with_wheels.run("lock", "converge.toml")

    assert refused.code == 1
    assert (
        f"directory of the lockfile doesn't exist: `{host_with_wheels.directory}/locks`"
        in refused.err
    )
    assert "hint: create it" in refused.err


def test_lock_replaces_a_binary_lockfile(host_with_wheels: Host) -> None:
    (host_with_wheels.directory / "pylock.toml").write_bytes(b"\xff")
    host_with_wheels.declare(["beta<2"], lock="pylock.toml")

    assert host_with_wheels.plan().code == 65
    locking = host_with_wheels.run("lock", "converge.toml")

    assert locking.code == 0, locking.err
    assert host_with_wheels.plan().changes()["package.beta"] == (None, "1.0")


def test_wheel_that_differs_from_its_index_hash_is_refused(host: Host, index: Index) -> None:
    make_wheels(index.directory)
    host.cache = host.directory / "cache"
    index.replaced["beta-2.0-py3-none-any.whl"] = (
        index.directory / "beta-1.0-py3-none-any.whl"
    ).read_bytes()
    host.declare(["beta"], find_links=[], no_index=False, index_url=index.url)

    failed = host.apply()

    assert failed.code == 81
    assert failed.first["error"]["code"] == 81
    assert not host.venv.exists()


def test_lockfile_older_than_the_declaration_is_refused(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["alpha==1.0", "beta<2"], lock="pylock.toml")
    assert host_with_wheels.run("lock", "converge.toml").code == 0
    host_with_wheels.apply_ok()
    host_with_wheels.write("gamma\n", "more.txt")
    host_with_wheels.declare(
        ["Alpha==1.1", "beta<2", "never; python_version < '3'"],
        lock="pylock.toml",
        requirements=["more.txt"],
    )

    refused = host_with_wheels.plan()

    assert refused.code == 65
    assert "doesn't satisfy `Alpha==1.1`, `gamma`" in refused.err
    assert host_with_wheels.run("lock", "converge.toml").code == 0
    host_with_wheels.assert_converges()
    assert host_with_wheels.versions() == {"alpha": "1.1", "beta": "1.0", "gamma": "3.0"}


def test_edited_project_named_only_in_a_lockfile_is_drift(host_with_wheels: Host) -> None:
    def write_project(word: str) -> None:
        files = {"src/tool/__init__.py": f"WORD = {word!r}\n"}
        make_project(host_with_wheels.directory, "tool", "1.0", files=files)

    write_project("old")
    host_with_wheels.declare(["tool @ ./tool"], lock="pylock.toml")
    assert host_with_wheels.run("lock", "converge.toml").code == 0
    host_with_wheels.declare([], lock="pylock.toml")
    host_with_wheels.apply_ok()
    host_with_wheels.assert_no_changes()
    write_project("new")

    host_with_wheels.assert_converges()

    assert host_with_wheels.run_python("import tool; print(tool.WORD)") == "new"


def test_lockfile_project_for_other_platforms_may_be_missing(locked_host: Host) -> None:
    lockfile = HEADER + entry(wheel(locked_host, "beta-1.0"))
    lockfile += '[[packages]]\nname = "tool"\nmarker = "sys_platform == \'win32\'"\n'
    locked_host.write(lockfile + '[packages.directory]\npath = "tool"\n', "pylock.toml")

    locked_host.assert_converges()


@pytest.mark.parametrize("table", ["archive", "sdist"])
def test_lockfile_may_name_a_local_archive_by_url(locked_host: Host, table: str) -> None:
    """pip writes such URLs."""
    directory = locked_host.directory / "odd+ name"
    directory.mkdir()
    archive = make_sdist(directory, "tool", "1.0")
    version = "" if table == "archive" else 'version = "1.0"\n'
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    lockfile = (
        f'[[packages]]\nname = "tool"\n{version}[packages.{table}]\nname = "{archive.name}"\n'
    )
    lockfile += f'url = "{archive.as_uri()}"\nhashes = {{ sha256 = "{digest}" }}\n'
    locked_host.write(HEADER + lockfile, "pylock.toml")

    locked_host.assert_converges()

    assert locked_host.versions() == {"tool": "1.0"}
