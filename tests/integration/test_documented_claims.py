"""Claims in the pages that no other test verifies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.system.files import sha256
from tests.integration.host import Host
from tests.integration.mount_namespaces import mount_namespace, small_disk
from tests.support.wheels import make_wheel


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with two versions of one package."""
    host = Host(directory=tmp_path, cache=tmp_path / "cache")
    for version in ("1.0", "2.0"):
        make_wheel(host.wheels, "alpha", version)
    return host


def _two_generations(host: Host, *inside: str, name: str = "app") -> str:
    """Create two generations; return the ID of the previous one."""
    host.declare(["alpha<2"], path=f"venvs/{name}")
    host.apply_ok(prefix=inside)
    host.declare(["alpha"], keep=1, path=f"venvs/{name}")
    host.apply_ok("--upgrade", prefix=inside)
    previous, _ = host.run("history", "converge.toml", "app", prefix=inside).out.splitlines()[2:4]
    return previous.split()[0]


FILLING = {
    "no block": 'cat /dev/zero > "$0"; test -s "$0"',
    "no inode": 'number=0; while touch "$0$number"; do number=$((number + 1)); done',
}


@pytest.mark.parametrize(
    ("filling", "name"),
    [
        ("no block", "app"),
        ("no inode", "app"),
        ("no block", "a-name-that-no-file-system-keeps-in-an-inode" * 3),
    ],
)
def test_rollback_works_offline_and_on_a_full_disk(host: Host, filling: str, name: str) -> None:
    disk = host.directory / "venvs"
    disk.mkdir()
    with mount_namespace(small_disk(disk, "8m,nr_inodes=300"), host.directory) as inside:
        previous = _two_generations(host, *inside, name=name)
        fill = ["sh", "-c", FILLING[filling], str(disk / "filler")]
        subprocess.run([*inside, *fill], check=True, stderr=subprocess.DEVNULL)
        completed = host.run(
            "rollback", "converge.toml", "app", prefix=[*inside, "unshare", "--net"]
        )
        assert completed.code == 0, completed.err
        shown = subprocess.run(
            [*inside, "readlink", str(disk / name)], capture_output=True, text=True, check=True
        )
        assert os.path.basename(shown.stdout.strip()) == previous


def test_gc_keeps_a_pinned_generation(host: Host) -> None:
    previous = _two_generations(host)
    assert host.run("pin", "converge.toml", "app", previous).code == 0
    assert host.run("gc", "--keep", "0", "converge.toml").code == 0
    assert previous in host.generations()
    assert host.run("pin", "converge.toml", "app", previous, "--remove").code == 0
    assert host.run("gc", "--keep", "0", "converge.toml").code == 0
    assert previous not in host.generations()


def test_pin_prints_json_and_accepts_an_id_prefix(host: Host) -> None:
    previous = _two_generations(host)
    command = ("pin", "converge.toml", "app", previous[:6], "--json")
    results = [json.loads(host.run(*command, *more).out) for more in ((), (), ("--remove",))]

    addresses = {(result["address"], result["generation"]) for result in results}
    assert addresses == {("venv.app", previous)}
    assert [(result["pinned"], result["changed"]) for result in results] == [
        (True, True), (True, False), (False, True),
    ]  # fmt: skip
    several = host.run("pin", "converge.toml", "app", "00000")
    assert several.code == 64
    assert "ambiguous generation ID: `00000`" in several.err
    assert previous in several.err


def test_pin_without_generations_is_rejected(host: Host) -> None:
    host.declare(["alpha"])
    refused = host.run("pin", "converge.toml", "app", "000001")
    assert refused.code == 64
    assert "creates the first generation" in refused.err


def test_absent_venv_is_deleted_even_if_pinned(host: Host) -> None:
    _two_generations(host)
    assert host.run("pin", "converge.toml", "app").code == 0
    host.declare(state="absent")
    host.apply_ok()
    assert not host.store.exists()


@pytest.mark.parametrize("path", [".converge/stats", ".converge/pylock.toml"])
def test_deletable_metadata_file_is_recreated(host: Host, path: str) -> None:
    host.declare(["alpha"])
    host.apply_ok()
    (host.generation / path).unlink()
    host.assert_no_changes()
    assert (host.generation / path).exists()


def test_apply_without_state_directory_is_a_no_op(host: Host) -> None:
    host.declare(["alpha"])
    host.apply_ok()
    shutil.rmtree(host.directory / "state")
    host.assert_no_changes()


def test_generation_without_receipt_is_rebuilt(host: Host) -> None:
    host.declare(["alpha"])
    host.apply_ok()
    before = host.generation
    (before / ".converge/receipt.json").unlink()
    assert host.apply().code == 0
    assert host.generation != before
    host.assert_no_changes()


def test_generation_of_another_format_is_rebuilt(host: Host) -> None:
    """A newer converge meets the store of an older one. It needs no help, and loses nothing."""
    host.declare(["alpha"], persistent=["etc"])
    host.apply_ok()
    (host.generation / "etc/settings").write_text("kept")
    before = host.generation
    (before / ".converge/manifest.json").rename(before / ".converge/seal.json")
    body = json.dumps({"format": 0, "seal": ""})
    (before / ".converge/receipt.json").write_text(f"{sha256(body.encode())}\n{body}\n")

    assert [host.run(verb, "converge.toml").code for verb in ("plan", "status", "gc")] == [0, 0, 0]
    host.apply_ok()

    assert host.generation != before
    assert before.exists()
    assert (host.generation / "etc/settings").read_text() == "kept"
    host.assert_no_changes()


def test_live_generation_without_receipt_works_until_replaced(host: Host) -> None:
    host.declare(["alpha<2"])
    host.apply_ok()
    live = host.generation
    (live / ".converge/receipt.json").unlink()

    assert f"{live.name} has no receipt" in host.run("verify", "converge.toml").out
    host.declare(["alpha>9"])
    assert host.apply().code == 1
    assert host.run("gc", "converge.toml", "--keep", "0").code == 0
    assert host.run_python("import alpha") == ""
    host.declare(["alpha"])
    host.apply_ok()

    assert host.generations() == [host.generation.name]
    assert host.generation != live
    host.assert_no_changes()


def test_verify_reports_a_missing_manifest(host: Host) -> None:
    host.declare(["alpha"])
    host.apply_ok()
    (host.generation / ".converge/manifest.json").unlink()
    assert host.run("verify", "converge.toml").code == 1


def test_verify_reports_foreign_metadata_files(host: Host) -> None:
    host.declare(["alpha"])
    host.apply_ok()
    (host.generation / ".converge/planted").touch()
    completed = host.run("verify", "converge.toml")
    assert completed.code == 2
    assert ".converge/planted" in completed.out


def test_release_republishes_the_newer_generation(
    host: Host,
) -> None:
    previous = _two_generations(host)
    (newer,) = set(host.generations()) - {previous}
    back = host.run("rollback", "converge.toml", "app")
    assert back.code == 0, back.err
    assert not host.apply_ok().report["changed"]
    assert host.generation.name == previous
    host.run("rollback", "converge.toml", "app", "--release")
    host.apply_ok()
    assert host.generation.name == newer


def test_moved_venv_keeps_its_versions(host: Host) -> None:
    make_wheel(host.wheels, "alpha", "2.0").unlink()
    host.declare(["alpha"])
    host.apply_ok()
    make_wheel(host.wheels, "alpha", "2.0")
    (host.directory / "venvs").rename(host.directory / "relocated")
    host.declare(["alpha"], path="relocated/app")
    verified = host.run("verify", "converge.toml")
    assert verified.code == 1
    assert f"made at `{host.directory}/venvs/" in verified.out
    host.apply_ok()
    live = (host.directory / "relocated/app").resolve()
    verified = host.run("verify", "converge.toml")
    assert verified.code == 0, verified.out
    assert list(live.glob("lib/*/site-packages/alpha-1.0.dist-info"))
    host.assert_no_changes()
