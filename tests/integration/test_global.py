"""`[global.*]` removes packages outside of venvs, and `rollback` restores them, on a real host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.global_packages import (
    HOME,
    PYTHON,
    UID,
    GlobalHost,
    install_seven,
    layer_above,
    layered_host,
)
from tests.support.command import Completed

TABLE = f'[global.system]\npython = "{PYTHON}"\n'
_STATE = """
import glob, hashlib, os, sys
for root in [p for pattern in sys.argv[1:] for p in glob.glob(pattern)]:
    for parent, directories, files in os.walk(root):
        directories[:] = sorted(d for d in directories if d != "__pycache__" and d[0] != ".")
        for name in sorted(directories + files):
            path = os.path.join(parent, name)
            status = os.lstat(path)
            is_file = not os.path.islink(path) and os.path.isfile(path)
            content = hashlib.sha256(open(path, "rb").read()).hexdigest() if is_file else ""
            time = status.st_mtime_ns if is_file else 0
            print(path, oct(status.st_mode), status.st_uid, status.st_gid, time, content)
"""
_ROOTS = ("/usr/local/lib/python3*", "/usr/local/bin*", "/usr/lib/python3", f"{HOME}/.local")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GlobalHost]:
    """Return the host with the seven packages, and an entry that belongs to no package."""
    with layered_host(tmp_path_factory.mktemp("global")) as host:
        install_seven(host)
        host.write(f"{host.site()}/stray.py", "")
        yield host


@pytest.fixture
def host(prepared: GlobalHost, tmp_path: Path) -> Iterator[GlobalHost]:
    """Return the prepared host with a layer of its own, so that each test may change it."""
    with layer_above(prepared, tmp_path) as host:
        yield host


def _run(host: GlobalHost, command: str, table: str = TABLE, *arguments: str) -> Completed:
    file = host.directory / "global.toml"
    file.write_text(table)
    return host.converge(command, file, *arguments)


def _apply(host: GlobalHost, table: str = TABLE) -> Completed:
    done = _run(host, "apply", table)
    assert done.code == 0, done.out + done.err
    assert _run(host, "check", table).code == 0
    return done


def _names(host: GlobalHost) -> set[str]:
    """Return the names of the packages that are outside of venvs."""
    document = json.loads(host.converge("scan", PYTHON, "--json").out)
    rows = document["interpreters"][0]["packages"]
    return {row["name"] for row in rows if not row["owner"]}


def state_of(host: GlobalHost) -> str:
    """Return the mode, the owner, the time, and the content of every file, without bytecode."""
    return host.command(PYTHON, "-I", "-S", "-c", _STATE, *_ROOTS)


def _can_import(host: GlobalHost, module: str) -> bool:
    program = f"import importlib.util as u; print(bool(u.find_spec({module!r})))"
    return host.command(PYTHON, "-B", "-c", program) == "True\n"


def test_apply_removes_all_but_the_allowed_packages(host: GlobalHost) -> None:
    planned = _run(host, "plan", TABLE + 'allow = ["tool", "library"]\n', "--json").document
    done = _apply(host, TABLE + 'allow = ["tool", "library"]\n')
    assert planned is not None
    changes = {
        change["attribute"]: change["before"] for change in planned["resources"][0]["changes"]
    }
    assert sorted(changes) == [
        f"entry.{host.site()}/stray.py",
        "package.editable",
        "package.metrics",
        "package.shadow",
    ]
    assert changes["package.shadow"] == f"2.0 in {host.site()}"
    assert _names(host) == {"tool", "library", "personal"}
    assert host.command("dpkg", "--verify", "python3-shadow", "python3-owned") == ""
    assert host.command("tool") == "tool\n"
    assert "ann" in done.out


def test_package_of_the_distribution_is_imported_again(host: GlobalHost) -> None:
    program = "import shadow; print(shadow.__version__)"
    assert host.command(PYTHON, "-B", "-c", program) == "2.0\n"
    _apply(host)
    assert host.command(PYTHON, "-B", "-c", program) == "1.0\n"
    assert not _can_import(host, "metrics")
    assert not _can_import(host, "editable")
    host.command("test", "!", "-e", "/usr/local/bin/tool")


def test_rollback_restores_every_byte_and_holds(host: GlobalHost) -> None:
    table = TABLE + 'users = ["ann"]\n'
    before = state_of(host)
    _apply(host, table)
    assert _names(host) == set()
    assert state_of(host) != before

    done = _run(host, "rollback", table, "system")

    assert done.code == 0, done.err
    assert state_of(host) == before
    assert _can_import(host, "metrics")
    again = _apply(host, table)
    assert "held" in again.out
    assert state_of(host) == before
    assert _run(host, "rollback", table, "system", "--release").code == 0
    _apply(host, table)
    assert _names(host) == set()


def test_changed_declaration_ends_the_hold(host: GlobalHost) -> None:
    _apply(host)
    assert _run(host, "rollback", TABLE, "global.system").code == 0
    _apply(host, TABLE + 'allow = ["metrics"]\n')
    assert _names(host) == {"metrics", "personal"}


def test_site_of_a_user_changes_only_if_declared(host: GlobalHost) -> None:
    _apply(host)
    assert "personal" in _names(host)
    _apply(host, TABLE + 'users = ["ann"]\n')
    assert "personal" not in _names(host)
    owners = host.command("find", f"{HOME}/.local", "-printf", "%U\n").split()
    assert {*owners} == {str(UID)}


def test_symlink_of_a_user_is_not_followed(host: GlobalHost) -> None:
    """Root would move the system's packages if it followed the symlink with its own rights."""
    site = host.command("sh", "-c", f"echo {HOME}/.local/lib/python3*/site-packages").strip()
    host.command("rm", "-r", site)
    host.command("ln", "-s", "/usr/lib/python3/dist-packages", site)
    before = state_of(host)
    _run(
        host,
        "apply",
        TABLE
        + 'users = ["ann"]\nallow = ["shadow", "metrics", "tool", "library", "editable"]\nignore = ["stray.py"]\n',
    )
    assert state_of(host) == before


def test_overwritten_file_of_the_distribution_stays(host: GlobalHost) -> None:
    """pip wrote a file that dpkg owns. Only `apt-get install --reinstall` can restore it."""
    site = "/usr/lib/python3/dist-packages"
    host.write(f"{site}/intruder-1.dist-info/METADATA", "Name: intruder\nVersion: 1")
    record = "owned/__init__.py,,\nowned/added.py,,\nintruder/__init__.py,,\nintruder-1.dist-info/RECORD,,"
    host.write(f"{site}/intruder-1.dist-info/RECORD", record)
    for name in ("owned/added.py", "intruder/__init__.py"):
        host.write(f"{site}/{name}", "")
    assert "overwrote" in host.converge("scan", PYTHON).out
    _apply(host)
    assert host.command("dpkg", "--verify", "python3-owned") == ""
    remaining = host.command("sh", "-c", f"ls -d {site}/owned/added.py {site}/intruder* || true")
    assert remaining == ""


def test_rollback_is_refused_if_a_package_was_installed_again(host: GlobalHost) -> None:
    _apply(host)
    host.pip("--ignore-installed", "metrics")
    before = state_of(host)
    done = _run(host, "rollback", TABLE, "system")
    assert done.code == 1
    assert "installed again since the removal" in done.err
    assert state_of(host) == before


def test_running_package_manager_stops_the_apply(host: GlobalHost) -> None:
    before = state_of(host)
    program = (
        "import fcntl, subprocess, sys; lock = open('/var/lib/dpkg/lock', 'r+');"
        "fcntl.lockf(lock, fcntl.LOCK_EX); sys.exit(subprocess.call(sys.argv[1:]))"
    )
    locked = GlobalHost([*host.prefix, PYTHON, "-c", program], host.directory)
    done = _run(locked, "apply")
    assert done.code == 75, done.out + done.err
    assert state_of(host) == before


def test_history_lists_removals_and_gc_deletes_old_ones(host: GlobalHost) -> None:
    _apply(host)
    for _ in range(2):
        host.pip("--ignore-installed", "metrics")
        _apply(host)
    removals = json.loads(_run(host, "history", TABLE, "system", "--json").out)["removals"]
    assert len(removals) == 3
    assert removals[-1]["removed"] == ["metrics 1.0"]
    assert "editable 1.0" in removals[0]["removed"]
    assert _run(host, "gc", TABLE, "--keep", "1", "--dry-run").code == 0
    collected = json.loads(_run(host, "gc", TABLE, "--keep", "1", "--json").out)
    assert collected["removed"] == {"global.system": [row["removal"] for row in removals[:2]]}
    remaining = json.loads(_run(host, "history", TABLE, "system", "--json").out)["removals"]
    assert remaining == removals[2:]


def test_old_removals_are_deleted_by_apply(host: GlobalHost) -> None:
    table = TABLE + "keep = 1\n"
    _apply(host, table)
    host.pip("--ignore-installed", "metrics")
    _apply(host, table)
    removals = json.loads(_run(host, "history", table, "system", "--json").out)["removals"]
    assert [row["removed"] for row in removals] == [["metrics 1.0"]]
