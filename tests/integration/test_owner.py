"""What is inside belongs to the owner that is declared; what we know of it stays ours."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import stock
from tests.integration.host import Host, changes
from tests.integration.rooms import NOBODY
from tests.support.wheels import make_wheel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def as_nobody(*words: object) -> int:
    """Run a command as a user without privileges; return its status."""
    become = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    return subprocess.run([*become, *map(str, words)], capture_output=True, cwd="/").returncode


@pytest.fixture
def reachable(shared_cache: Path) -> Iterator[Host]:
    """A host whose folder anybody may enter."""
    with tempfile.TemporaryDirectory(prefix="reachable-") as folder:
        Path(folder).chmod(0o755)
        host = Host(folder=Path(folder), cache=shared_cache)
        stock(host.wheels)
        yield host


def test_owner_group_and_mode_are_part_of_the_state(stocked: Host) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    stocked.declare(["beta"])
    stocked.applied()
    stocked.declare(["beta"], owner="nobody", group="nogroup", mode="0750")

    plan = stocked.converges()

    assert plan["action"] == "update"
    assert changes(plan)["owner"] == (None, "nobody")
    assert changes(plan)["group"] == (None, "nogroup")
    assert changes(plan)["mode"] == ("0755", "0750")
    assert {one.lstat().st_uid for one in stocked.site.rglob("*")} == {65534}
    assert stocked.generation.stat().st_mode & 0o7777 == 0o750

    stocked.generation.chmod(0o700)
    assert stocked.converges()["action"] == "repair"
    assert stocked.generation.stat().st_mode & 0o7777 == 0o750


SITTING = """
import fcntl, os, sys, time
held = set()
while time.sleep(0.001) is None:
    for name in set(os.listdir(sys.argv[1])) - held:
        try:
            folder = os.open(f"{sys.argv[1]}/{name}/.converge", os.O_RDONLY)
        except OSError:
            continue
        fcntl.flock(folder, fcntl.LOCK_SH)
        held.add(name)
        print(name, flush=True)
"""


def test_nobody_else_can_stop_a_generation_by_locking_what_they_may_read(reachable: Host) -> None:
    reachable.declare(["beta"], smoke=["sleep 0.5"])
    reachable.applied()
    shutil.rmtree(reachable.generation)
    become = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    words = [*become, "/usr/bin/env", "python3", "-c", SITTING, reachable.store / "generations"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as sitting:
        try:
            reachable.applied()
            assert sitting.stdout is not None
            assert sitting.stdout.readline().strip() == reachable.generation.name
        finally:
            sitting.kill()
    reachable.settled()


FILLING = """
import glob, itertools, sys
for number in itertools.count():
    for folder in glob.glob(f"{sys.argv[1]}/trash-*/*/*/site-packages/beta/cache"):
        try:
            open(f"{folder}/more-{number}", "x").close()
        except OSError:
            continue
"""


def test_an_owner_who_goes_on_making_files_hinders_no_update(reachable: Host) -> None:
    reachable.declare(["beta<2"], owner="nobody", ignore=["*/beta/cache*"], keep=0)
    reachable.applied()
    cache = reachable.site / "beta/cache"
    assert as_nobody("sh", "-c", f"mkdir {cache} && cd {cache} && seq 2000 | xargs touch") == 0
    become = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    words = [*become, "/usr/bin/env", "python3", "-c", FILLING, reachable.store]
    with subprocess.Popen(words, cwd="/") as filling:
        try:
            reachable.declare(["beta==2.0"], owner="nobody", ignore=["*/beta/cache*"], keep=0)
            done = reachable.apply()
        finally:
            filling.kill()

    assert done.code == 0, done.out
    assert reachable.run("gc", "converge.toml", "--keep", "0").code == 0
    assert {one.name for one in reachable.store.iterdir()} <= {"former", "generations", "lock"}


def test_files_that_are_larger_than_all_memory_stop_nothing(reachable: Host) -> None:
    """A file may be of any size though it takes no room."""
    reachable.declare(["beta<2"], owner="nobody")
    reachable.applied()
    site = reachable.site
    said = "printf 'Name: stray\\nVersion: 1.0\\n\\n'"
    made = f"""
        truncate -s 1T {site}/beta/__init__.py
        mkdir {site}/stray-1.0.dist-info {site}/stray-2.0.dist-info
        truncate -s 1T {site}/stray-1.0.dist-info/METADATA
        {said} > {site}/stray-2.0.dist-info/METADATA
        truncate -s 1T {site}/stray-2.0.dist-info/RECORD
    """
    assert as_nobody("sh", "-ec", made) == 0

    verified = reachable.run("verify", "converge.toml", "--json")
    repaired = reachable.converges()

    assert verified.code == 2, verified.err
    assert "S.5...." in verified.out
    assert changes(repaired)["package.stray"] == ("1.0", None)


def test_the_owner_may_change_what_is_inside_and_nothing_that_we_noted(reachable: Host) -> None:
    reachable.declare(["beta"], owner="nobody")
    reachable.applied()
    root = reachable.generation

    assert as_nobody("touch", reachable.site / "stray.py") == 0
    for words in (
        ["mv", root / ".converge", root / "mine"],
        ["touch", root / ".converge/stray"],
        ["touch", root / ".converge/seal.json"],
        ["mv", root, f"{root}-mine"],
    ):
        assert as_nobody(*words) != 0
    assert root.stat().st_uid == 0
    assert {one.lstat().st_uid for one in (root / ".converge").rglob("*")} == {0}
    assert set(changes(reachable.converges())) == {
        f"file.{(reachable.site / 'stray.py').relative_to(reachable.generation)}",
        "generation",
    }


def test_nothing_is_given_away_before_it_was_tried(stocked: Host) -> None:
    """Or the owner could have root run something else."""
    program = (
        "import os, sys; "
        "found = {os.lstat(os.path.join(folder, one)).st_uid "
        "for folder, _, files in os.walk(sys.prefix) for one in [*files, '.']}; "
        "sys.exit(found != {0} or os.stat(sys.prefix).st_mode & 0o777 != 0o750)"
    )
    stocked.declare(
        ["beta"], owner="nobody", group="nogroup", mode="0750", smoke=[f'python -c "{program}"']
    )

    stocked.converges()

    assert {one.lstat().st_uid for one in stocked.site.rglob("*")} == {NOBODY}


def test_what_a_trial_changed_is_seen_though_all_was_given_away_since(stocked: Host) -> None:
    program = "import beta; open(beta.__file__, 'a').write('pass')"
    stocked.declare(["beta"], owner="nobody", smoke=[f'python -c "{program}"'])
    stocked.apply()

    assert stocked.run("check", "converge.toml").code == 2


def test_a_lasting_folder_is_its_owners_from_the_first(stocked: Host) -> None:
    make_wheel(stocked.wheels, "service", "1.0", data={"data/etc/service/service.conf": "x"})
    stocked.declare(["service"], owner="nobody", group="nogroup", persistent=["etc/service", "var"])

    stocked.converges()

    lasting = stocked.store / "persistent"
    for one in (lasting / "etc/service", lasting / "etc/service/service.conf", lasting / "var"):
        assert (one.stat().st_uid, one.stat().st_gid) == (NOBODY, NOBODY)


def test_our_notes_are_not_written_where_somebody_else_may_lead_them(stocked: Host) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    victim = stocked.folder / "victim"
    (stocked.generation / ".converge").rename(victim)
    (stocked.generation / ".converge").symlink_to(victim)
    before = {one: one.lstat().st_ctime_ns for one in victim.iterdir()}

    stocked.applied()

    assert {one: one.lstat().st_ctime_ns for one in victim.iterdir()} == before


def test_a_folder_that_would_shut_its_owner_out_is_refused(stocked: Host) -> None:
    stocked.declare(["beta"], owner="nobody", mode="0700")

    failed = stocked.apply()

    assert failed.code == 1
    assert "shuts the owner `nobody` out" in failed.first["error"]["message"]
    assert stocked.generations() == []


def test_a_folder_in_which_others_may_write_is_refused(stocked: Host) -> None:
    stocked.declare(["beta"], mode="0775")

    refused = stocked.apply()

    assert refused.code == 65
    assert "would let others replace" in refused.report["problems"][0]["message"]


def test_a_default_acl_lets_nobody_write_what_is_made(stocked: Host) -> None:
    """It takes the place of the umask in all that is made below (acl(5))."""
    above = stocked.folder / "team"
    above.mkdir()
    everybody, group = 0xFFFFFFFF, 100
    entries = [(1, 7, everybody), (4, 5, everybody), (8, 7, group), (16, 7, everybody)]
    rows = [struct.pack("<HHI", *one) for one in (*entries, (32, 5, everybody))]
    try:
        os.setxattr(above, "system.posix_acl_default", struct.pack("<I", 2) + b"".join(rows))
    except OSError as error:
        pytest.skip(f"no access control lists here: {error.strerror}")
    link = '[link."team/bin/alpha"]\nto = "venv.app:bin/alpha"\n'
    stocked.declare(["alpha==1.0"], link, path="team/venvs/app", persistent=["etc/deep/app"])
    stocked.applied()
    stocked.declare(["alpha==1.1"], link, path="team/venvs/app", persistent=["etc/deep/more"])
    stocked.applied()

    found = [one for one in above.rglob("*") if not one.is_symlink()]
    assert [one for one in found if one.stat().st_mode & 0o022] == []


def test_an_unknown_owner_fails_before_anything_is_visible(stocked: Host) -> None:
    stocked.declare(["beta"], owner="no-such-user")

    failed = stocked.apply()

    assert failed.code == 1
    assert "no user `no-such-user`" in failed.first["error"]["message"]
    assert "installing" not in failed.err, "it is told before the long work"
    assert not stocked.venv.exists()
    assert not Path(stocked.store / "generations").exists() or stocked.generations() == []


def test_one_mode_spelled_in_two_ways_is_no_change(stocked: Host) -> None:
    stocked.declare(["beta"], mode="750")
    stocked.applied()
    stocked.declare(["beta"], mode="0750")

    stocked.settled()
