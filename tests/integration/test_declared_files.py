"""Each generation gets the files in `files`, which count as part of the declaration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from tests.integration.conftest import make_wheels
from tests.integration.host import MINOR, PYTHON, Host
from tests.integration.mount_namespaces import UNPRIVILEGED_UID
from tests.integration.snapshots import Snapshots
from tests.support.command import changes

IS_ROOT = os.geteuid() == 0
SITE = f"lib/{MINOR}/site-packages"
SECRET = "correct-horse-battery"
LOCAL = "{site-packages}/alpha/local.py"
TABLE = "{site-packages}/alpha/data/table.txt"
FILES = {
    LOCAL: {"from": "local.py", "mode": "0640"},
    "{site-packages}/alpha/__init__.py": {"content": "__version__ = 'mine'\n"},
    "bin/start": {"content": "#!/bin/sh\nexec true\n"},
    "bin/table": {"link": TABLE},
    "etc/passwd": {"link": "/etc/passwd"},
    TABLE: {"mode": "0600"},
}
PRIVILEGED = {"from": "/bin/true", "capabilities": "cap_net_bind_service+ep"}


def declare(host: Host, files: dict[str, dict[str, str]], **keys: object) -> None:
    """Declare a venv with files."""
    entries = [
        f"[venv.app.files.{json.dumps(path)}]\n"
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in entry.items())
        for path, entry in files.items()
    ]
    host.declare(["alpha==1.0"], "\n".join(entries), **keys)


def prepare(host: Host) -> None:
    """Apply a venv with files."""
    make_wheels(host.wheels)
    host.write(f"PASSWORD = '{SECRET}'\n", "local.py").chmod(0o600)
    declare(host, FILES)
    host.apply_ok()


@pytest.fixture
def host(snapshots: Snapshots) -> Host:
    """Return a host with declared files."""
    return snapshots.host("files", prepare)


def run_in(host: Host, code: str) -> str:
    """Run Python code in the venv."""
    return subprocess.check_output([host.venv / "bin/python", "-c", code], text=True).strip()


def test_declared_files_are_part_of_the_generation(host: Host) -> None:
    assert run_in(host, "import alpha; print(alpha.__version__)") == "mine"
    assert run_in(host, "from alpha import local; print(local.PASSWORD)") == SECRET
    assert subprocess.run([host.venv / "bin/start"], check=False).returncode == 0
    assert (host.venv / "bin/table").read_text() == "12345\n"
    assert os.readlink(host.venv / "etc/passwd") == "/etc/passwd"
    assert (host.site / "alpha/data/table.txt").stat().st_mode & 0o7777 == 0o600
    assert host.run("verify", "converge.toml").code == 0


def test_only_the_declared_files_contain_a_secret(host: Host) -> None:
    """Its bytecode contains it, and has no more permissions. No cache or record has it."""
    (bytecode,) = (host.site / "alpha/__pycache__").glob("local.*.pyc")
    assert bytecode.stat().st_mode & 0o7777 == 0o640
    assert (host.site / "alpha/local.py").stat().st_mode & 0o7777 == 0o640
    host.write(f"PASSWORD = '{SECRET}2'\n", "local.py").chmod(0o600)
    plan = host.run("plan", "converge.toml", "--verbose")
    assert LOCAL in plan.out
    assert SECRET not in plan.out + plan.err
    with_secret = {
        path
        for root in (host.store, host.cache, host.directory / "state")
        for path in root.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    }
    assert {path.name.split(".")[0] for path in with_secret} == {"local"}
    assert all(host.store in path.parents for path in with_secret)


def test_changed_source_is_an_update_and_can_be_reverted(host: Host) -> None:
    before, source = host.generation, host.directory / "local.py"
    original = source.read_text()
    source.write_text("PASSWORD = 'b'\n")
    plan, applied = host.plan().first, host.apply_ok().first
    assert applied["action"] == plan["action"] == "update"
    assert changes(applied) == {**changes(plan), "generation": changes(applied)["generation"]}
    (change,) = [change for change in plan["changes"] if change["attribute"] == f"files.{LOCAL}"]
    assert plan["reason"] == change["reason"] == "its content changed"
    assert run_in(host, "from alpha import local; print(local.PASSWORD)") == "b"

    source.write_text(original)
    host.apply_ok()
    assert host.generation == before


def test_repair_restores_declared_files_and_reports_repetition(host: Host) -> None:
    planted = host.directory / "venvs/app" / SITE / "alpha/settings_local.py"
    (host.site / "alpha/local.py").write_text("PASSWORD = 'c'\n")
    planted.write_text("A = 1\n")
    applied = host.apply_ok()
    assert applied.first["action"] == "repair"
    assert changes(applied.first)[f"file.{SITE}/alpha/local.py"][0] == "modified"
    assert SECRET in (host.site / "alpha/local.py").read_text()
    assert "settings_local" not in str(applied.report["notices"])

    planted.write_text("A = 1\n")
    declare(host, {**FILES, "{site-packages}/beta/__init__.py": {"content": ""}})
    plan = host.plan()
    reasons = {change["attribute"]: change["reason"] for change in plan.first["changes"]}
    assert reasons["files.{site-packages}/beta/__init__.py"] == "replaces a file of beta"
    (notice,) = [text for text in plan.report["notices"] if "settings_local" in text]
    assert notice.startswith("`{site-packages}/alpha/settings_local.py` also differed")
    assert "`files`" in notice


@pytest.mark.skipif(not IS_ROOT, reason="only root can set capabilities")
def test_capabilities_stay_with_root_and_removed_entries_vanish(host: Host) -> None:
    """Another owner of a file with capabilities could rewrite it through a shared mapping."""
    declare(host, {LOCAL: FILES[LOCAL], "bin/net": PRIVILEGED}, owner="nobody", group="nogroup")
    host.apply_ok()
    shown = subprocess.check_output(["getcap", "-r", host.generation], text=True)
    assert shown.split() == [f"{host.generation}/bin/net", "cap_net_bind_service=ep"]
    assert (host.generation / "bin/net").stat().st_uid == 0
    assert (host.site / "alpha/local.py").stat().st_uid == UNPRIVILEGED_UID
    assert run_in(host, "import alpha; print(alpha.__version__)") == "1.0"
    assert not (host.venv / "bin/start").exists()
    assert (host.site / "alpha/data/table.txt").stat().st_mode & 0o7777 == 0o644

    os.removexattr(host.generation / "bin/net", "security.capability")
    plan = host.plan().first
    assert changes(plan)["file.bin/net"][0] == "attribute security.capability"


@pytest.mark.skipif(not IS_ROOT, reason="only root has capabilities to drop")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_plan_reports_errors_that_the_host_implies(host: Host) -> None:
    declare(host, {"bin/net": PRIVILEGED})
    prefix = ["setpriv", "--inh-caps=-setfcap", "--bounding-set=-setfcap"]
    error = host.plan(prefix=prefix).first["error"]
    assert error["code"] == 77
    assert "capabilities of `bin/net`" in error["message"]

    declare(host, {"etc/x": {"link": "/no/such/file"}})
    error = host.plan().first["error"]
    assert error["message"] == "the target of `etc/x` doesn't exist: `/no/such/file`"


def test_adoption_names_files_of_no_package(host: Host) -> None:
    shutil.rmtree(host.store)
    host.venv.unlink()
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", host.venv], check=True)
    (host.venv / SITE / "local.py").write_text("A = 1\n")
    (host.venv / "etc").mkdir()
    (host.venv / "etc/app.ini").touch()
    declare(host, {"etc/app.ini": {"content": ""}}, adopt=True)
    (notice,) = [text for text in host.plan().report["notices"] if "won't be copied" in text]
    assert notice.startswith("`{site-packages}/local.py` won't")
