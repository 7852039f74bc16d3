"""Folders that live on across generations, and modules of the distribution's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.host import MINOR, Host, changes
from tests.integration.interpreters import private_interpreter
from tests.integration.rooms import room, small_disk
from tests.support.wheels import make_wheel


@pytest.fixture
def configured(host: Host) -> Host:
    """A host with a service that brings a configuration."""
    for version in ("1.0", "2.0"):
        data = {"data/etc/service/service.conf": f"shipped = {version}\n"}
        make_wheel(host.wheels, "service", version, data=data)
    host.declare(["service==1.0"], persistent=["etc/service"])
    host.converges()
    return host


def test_its_first_content_is_what_the_packages_brought(configured: Host) -> None:
    assert (configured.venv / "etc/service/service.conf").read_text() == "shipped = 1.0\n"
    assert configured.python_says("import service; print(service.__version__)") == "1.0"


def test_what_is_written_there_is_no_drift_and_survives_an_upgrade(configured: Host) -> None:
    folder = configured.venv / "etc/service"
    (folder / "service.conf").write_text("mine\n")
    (folder / "more.conf").write_text("more\n")
    configured.settled()
    configured.declare(["service==2.0"], persistent=["etc/service"])

    configured.converges()

    assert (folder / "service.conf").read_text() == "mine\n"
    assert (folder / "more.conf").read_text() == "more\n"
    assert configured.python_says("import service; print(service.__version__)") == "2.0"


def test_it_is_the_same_folder_for_every_generation(configured: Host) -> None:
    before = os.stat(configured.venv / "etc/service")
    (configured.site / "stray.py").write_text("")
    configured.converges()

    assert os.path.samestat(before, os.stat(configured.venv / "etc/service"))


def test_a_folder_made_persistent_later_is_an_update(configured: Host) -> None:
    configured.declare(["service==1.0"], persistent=["etc/service", "var/lib/service"])

    plan = configured.converges()

    assert plan["action"] == "update"
    assert (configured.venv / "var/lib/service").is_dir()


@pytest.mark.parametrize("name", ["etc/service", "./etc//service/"])
def test_a_persistent_folder_that_is_gone_is_drift(configured: Host, name: str) -> None:
    configured.declare(["service==1.0"], persistent=[name])
    configured.settled()
    shutil.rmtree(configured.store / "persistent/etc/service")

    plan = configured.converges()

    assert changes(plan)["file.etc/service"] == ("missing", "as sealed")
    assert (configured.venv / "etc/service/service.conf").read_text() == "shipped = 1.0\n"


def test_a_lasting_folder_inside_another_is_refused(configured: Host) -> None:
    configured.declare(["service==1.0"], persistent=["etc/service", "etc/service/parts/"])

    refused = configured.apply()

    assert refused.code == 65
    assert "lies inside, another persistent folder" in refused.report["problems"][0]["message"]


@pytest.mark.parametrize(
    "folder",
    ["bin", "lib/", "./lib64", ".converge", "bin/python", f"lib/{MINOR}"]
    + [f"{library}/{MINOR}/site-packages" for library in ("lib", "lib64")],
)
def test_what_the_environment_is_made_of_cannot_be_persistent(stocked: Host, folder: str) -> None:
    """Packages least of all: those of the first generation would stay, whatever is reported."""
    stocked.declare(["beta"], persistent=[folder])

    refused = stocked.plan()

    assert refused.code == 65
    assert "belongs to the environment" in refused.report["problems"][0]["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_nothing_is_made_below_what_was_given_to_an_owner(configured: Host) -> None:
    configured.declare(["service==1.0"], persistent=["var/app"], owner="nobody")
    configured.applied()
    (configured.folder / "victim").mkdir()
    theirs = configured.store / "persistent/var/app"
    (theirs / "deep").symlink_to(configured.folder / "victim")
    configured.declare(["service==1.0"], persistent=["var/app/deep/data"], owner="nobody")

    refused = configured.apply()

    assert refused.code == 77
    assert f"unsafe: `{theirs}` belongs to uid" in refused.first["error"]["message"]
    assert list((configured.folder / "victim").iterdir()) == []


@pytest.mark.parametrize("at", ["persistent", "persistent/etc"])
def test_it_may_lie_on_a_disk_of_its_own(configured: Host, at: str) -> None:
    configured.declare(["service==2.0"], persistent=["etc/service"])
    shutil.rmtree(configured.store / "persistent")
    (configured.store / at).mkdir(parents=True)
    left = configured.store / "persistent/etc/.service.next"
    script = f"{small_disk(configured.store / at, '1m')}\nmkdir -p '{left}'"
    with room(script, configured.folder) as inside:
        configured.applied(prefix=inside)
        again = configured.applied(prefix=inside)
        conf = configured.venv / "etc/service/service.conf"
        told = subprocess.run([*inside, "cat", conf], stdout=subprocess.PIPE, text=True)
        seen = subprocess.run([*inside, "test", "-e", left])

    assert not again.report["changed"]
    assert (told.stdout, seen.returncode) == ("shipped = 2.0\n", 1)
    assert not list(configured.store.glob("next-*"))


def test_what_lasts_is_not_made_on_a_disk_that_others_can_write(configured: Host) -> None:
    configured.declare(["service==1.0"], persistent=["var/app"])
    lasting = configured.store / "persistent"
    with room(f"mount -t tmpfs open '{lasting}'", configured.folder) as inside:
        refused = configured.apply(prefix=inside)

    assert refused.code == 77
    assert f"unsafe: `{lasting}` is writable" in refused.first["error"]["message"]


def test_a_persistent_link_that_was_redirected_is_drift(configured: Host) -> None:
    link = configured.generation / "etc/service"
    link.unlink()
    link.symlink_to("/etc")

    plan = configured.converges()

    assert changes(plan)["file.etc/service"] == ("edited", "as sealed")
    assert (configured.venv / "etc/service/service.conf").read_text() == "shipped = 1.0\n"


def own_packages(python: Path) -> Path:
    """Return the folder of an interpreter's own packages; Debian's has its own idea of it."""
    ask = [python, "-c", "import site; print(site.getsitepackages()[-1])"]
    return Path(subprocess.run(ask, capture_output=True, text=True).stdout.strip())


def test_a_module_of_the_distribution_is_linked_in(stocked: Host) -> None:
    python = private_interpreter(stocked.folder / "opt/python")
    system = own_packages(python)
    assert system.is_relative_to(stocked.folder)
    (system / "libthing").mkdir(parents=True)
    (system / "libthing/__init__.py").write_text("word = 'system'\n")
    (system / "libthingmod.py").write_text("")
    (system / "other.py").write_text("")
    stocked.python = str(python)
    stocked.declare(["beta"], system_packages=["libthing"])

    stocked.converges()

    assert stocked.python_says("import libthing; print(libthing.word)") == "system"
    assert (stocked.site / "libthing").is_symlink()
    assert not (stocked.site / "other.py").exists()
    assert not (stocked.site / "libthingmod.py").exists()


@pytest.mark.parametrize("noise", ["old\\n", "no end of line"])
def test_an_interpreter_that_prints_at_its_start_is_understood(stocked: Host, noise: str) -> None:
    """As it does for a `.pth` file that fails, or a warning."""
    python = private_interpreter(stocked.folder / "opt/python")
    system = own_packages(python)
    assert system.is_relative_to(stocked.folder)
    system.mkdir(parents=True, exist_ok=True)
    (system / "libthing.py").write_text("word = 'system'\n")
    (system / "noisy.pth").write_text(f"import sys; sys.stderr.write('{noise}')\n")
    stocked.python = str(python)
    stocked.declare(["beta"], system_packages=["libthing"], system_site_packages=True)

    stocked.converges()

    assert stocked.python_says("import libthing; print(libthing.word)") == "system"


def test_a_module_that_the_distribution_lacks_is_named(stocked: Host) -> None:
    stocked.declare(["beta"], system_packages=["no_such_module"])

    failed = stocked.apply()

    assert failed.code == 1
    assert "no module `no_such_module`" in failed.first["error"]["message"]
    assert not stocked.venv.exists()
