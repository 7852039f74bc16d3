"""Persistent directories, and packages from the system interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.host import MINOR, Host
from tests.integration.interpreters import private_interpreter
from tests.integration.mount_namespaces import mount_namespace, small_disk
from tests.integration.snapshots import Snapshots
from tests.support.command import changes
from tests.support.wheels import make_wheel


def prepare_service(host: Host) -> None:
    """Apply a service whose wheels contain configuration files."""
    for version in ("1.0", "2.0"):
        data = {
            "data/etc/service/service.conf": f"shipped = {version}\n",
            "data/etc/service/parts/limits.conf": f"limits of {version}\n",
            "data/etc/service/sample.conf": "sample\n",
            "data/etc/top.ini": f"top of {version}\n",
            f"data/etc/service/only-{version}.conf": "added\n",
        }
        make_wheel(host.wheels, "service", version, data=data)
    host.declare(["service==1.0"], persistent=["etc/service"])
    host.assert_converges()


@pytest.fixture
def host_with_service(snapshots: Snapshots) -> Host:
    """Return a host with a service whose wheel contains configuration files."""
    return snapshots.host("service", prepare_service)


def test_persistent_directory_starts_with_packaged_files(host_with_service: Host) -> None:
    assert (host_with_service.venv / "etc/service/service.conf").read_text() == "shipped = 1.0\n"
    assert host_with_service.run_python("import service; print(service.__version__)") == "1.0"


def test_upgrade_updates_unedited_persistent_files_only(host_with_service: Host) -> None:
    directory = host_with_service.venv / "etc/service"
    (directory / "service.conf").write_text("edited\n")
    (directory / "more.conf").write_text("more\n")
    (directory / "sample.conf").unlink()
    host_with_service.assert_no_changes()
    host_with_service.declare(["service==2.0"], persistent=["etc/service"])

    done = host_with_service.apply_ok()

    host_with_service.assert_no_changes()
    assert contents(directory) == {
        "service.conf": "edited\n",
        "more.conf": "more\n",
        "parts/limits.conf": "limits of 2.0\n",
        "only-1.0.conf": "added\n",
        "only-2.0.conf": "added\n",
    }
    (notice,) = done.report["notices"]
    packaged = host_with_service.generation / ".converge/persistent/etc/service/service.conf"
    assert "kept the edited file" in notice
    assert str(packaged) in notice
    assert packaged.read_text() == "shipped = 2.0\n"
    assert host_with_service.run_python("import service; print(service.__version__)") == "2.0"


def test_failed_smoke_test_leaves_persistent_files_unchanged(host_with_service: Host) -> None:
    """The live generation uses them."""
    directory = host_with_service.venv / "etc/service"
    host_with_service.declare(["service==2.0"], persistent=["etc/service"], smoke=["false"])

    assert host_with_service.apply().code == 1

    assert (directory / "service.conf").read_text() == "shipped = 1.0\n"


def test_widened_persistent_path_keeps_every_file(host_with_service: Host) -> None:
    etc = host_with_service.venv / "etc"
    (etc / "service/service.conf").write_text("edited\n")
    host_with_service.declare(["service==1.0"], persistent=["etc"])

    host_with_service.assert_converges()

    assert etc.is_symlink()
    assert (etc / "service/service.conf").read_text() == "edited\n"
    assert (etc / "top.ini").read_text() == "top of 1.0\n"
    (etc / "top.ini").write_text("edited\n")

    host_with_service.declare(["service==2.0"], persistent=["etc/service"])
    narrowed = host_with_service.apply_ok()

    assert (etc / "service/service.conf").read_text() == "edited\n"
    assert (etc / "top.ini").read_text() == "top of 2.0\n"
    unused = host_with_service.store / "persistent/etc/top.ini"
    assert any(str(unused) in notice for notice in narrowed.report["notices"])
    assert unused.read_text() == "edited\n"


def test_ignored_files_move_into_a_new_persistent_directory(host_with_service: Host) -> None:
    host_with_service.declare(["service==1.0"], persistent=["etc/service"], ignore=["var/log/**"])
    host_with_service.apply_ok()
    logs = host_with_service.venv / "var/log"
    (logs / "old").mkdir(parents=True)
    (logs / "service.log").write_text("one line\n")
    (logs / "service.log").chmod(0o640)
    (logs / "latest").symlink_to("service.log")
    os.truncate(logs / "service.log", 1 << 40)
    host_with_service.declare(["service==1.0"], persistent=["etc/service", "var/log"])

    host_with_service.assert_converges()

    assert logs.is_symlink()
    assert (logs / "latest").readlink() == Path("service.log")
    assert (logs / "old").is_dir()
    status = (logs / "service.log").stat()
    assert (status.st_mode & 0o777, status.st_size) == (0o640, 1 << 40)
    assert status.st_blocks < 1024


def contents(directory: Path) -> dict[str, str]:
    """Return the text of each file below a directory, by relative path."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_text() for path in files}


def test_persistent_directory_is_shared_by_all_generations(host_with_service: Host) -> None:
    before = os.stat(host_with_service.venv / "etc/service")
    (host_with_service.site / "stray.py").write_text("")
    host_with_service.assert_converges()

    assert os.path.samestat(before, os.stat(host_with_service.venv / "etc/service"))


def test_added_persistent_path_is_an_update(host_with_service: Host) -> None:
    host_with_service.declare(["service==1.0"], persistent=["etc/service", "var/lib/service"])

    plan = host_with_service.assert_converges()

    assert plan["action"] == "update"
    assert (host_with_service.venv / "var/lib/service").is_dir()


@pytest.mark.parametrize("name", ["etc/service", "./etc//service/"])
def test_missing_persistent_directory_is_drift(host_with_service: Host, name: str) -> None:
    host_with_service.declare(["service==1.0"], persistent=[name])
    host_with_service.assert_no_changes()
    shutil.rmtree(host_with_service.store / "persistent/etc/service")

    plan = host_with_service.assert_converges()

    assert changes(plan)["file.etc/service"] == ("missing", "intact")
    assert (host_with_service.venv / "etc/service/service.conf").read_text() == "shipped = 1.0\n"


def test_nested_persistent_paths_are_refused(host_with_service: Host) -> None:
    host_with_service.declare(["service==1.0"], persistent=["etc/service", "etc/service/parts/"])

    refused = host_with_service.apply()

    assert refused.code == 65
    assert "inside, another persistent directory" in refused.report["problems"][0]["message"]


@pytest.mark.parametrize(
    "directory",
    ["bin", "lib/", "./lib64", ".converge", "bin/python", f"lib/{MINOR}"]
    + [f"{library}/{MINOR}/site-packages" for library in ("lib", "lib64")],
)
def test_persistent_path_cant_be_part_of_the_venv(host_with_wheels: Host, directory: str) -> None:
    """If packages were persistent, those of the first generation would always stay."""
    host_with_wheels.declare(["beta"], persistent=[directory])

    refused = host_with_wheels.plan()

    assert refused.code == 65
    assert "is part of the environment" in refused.report["problems"][0]["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_apply_creates_nothing_below_an_owned_directory(host_with_service: Host) -> None:
    host_with_service.declare(["service==1.0"], persistent=["var/app"], owner="nobody")
    host_with_service.apply_ok()
    (host_with_service.directory / "outside").mkdir()
    owned = host_with_service.store / "persistent/var/app"
    (owned / "deep").symlink_to(host_with_service.directory / "outside")
    host_with_service.declare(["service==1.0"], persistent=["var/app/deep/data"], owner="nobody")

    refused = host_with_service.apply()

    assert refused.code == 77
    assert f"unsafe directory `{owned}`: owned by uid" in refused.first["error"]["message"]
    assert list((host_with_service.directory / "outside").iterdir()) == []


@pytest.mark.parametrize("at", ["persistent", "persistent/etc"])
def test_persistent_directory_can_be_a_mount_point(host_with_service: Host, at: str) -> None:
    host_with_service.declare(["service==2.0"], persistent=["etc/service"])
    shutil.rmtree(host_with_service.store / "persistent")
    (host_with_service.store / at).mkdir(parents=True)
    unfinished = host_with_service.store / "persistent/etc/.service.next"
    script = f"{small_disk(host_with_service.store / at, '1m')}\nmkdir -p '{unfinished}'"
    with mount_namespace(script, host_with_service.directory) as prefix:
        host_with_service.apply_ok(prefix=prefix)
        again = host_with_service.apply_ok(prefix=prefix)
        conf = host_with_service.venv / "etc/service/service.conf"
        shown = subprocess.run([*prefix, "cat", conf], stdout=subprocess.PIPE, text=True)
        exists = subprocess.run([*prefix, "test", "-e", unfinished])

    assert not again.report["changed"]
    assert (shown.stdout, exists.returncode) == ("shipped = 2.0\n", 1)
    assert not list(host_with_service.store.glob("next-*"))


def test_persistent_mount_writable_by_all_is_refused(host_with_service: Host) -> None:
    host_with_service.declare(["service==1.0"], persistent=["var/app"])
    persistent = host_with_service.store / "persistent"
    with mount_namespace(
        f"mount -t tmpfs open '{persistent}'", host_with_service.directory
    ) as prefix:
        refused = host_with_service.apply(prefix=prefix)

    assert refused.code == 77
    assert f"unsafe directory `{persistent}`: writable" in refused.first["error"]["message"]


def test_redirected_persistent_symlink_is_drift(host_with_service: Host) -> None:
    link = host_with_service.generation / "etc/service"
    link.unlink()
    link.symlink_to("/etc")

    plan = host_with_service.assert_converges()

    assert changes(plan)["file.etc/service"] == ("modified", "intact")
    assert (host_with_service.venv / "etc/service/service.conf").read_text() == "shipped = 1.0\n"


def interpreter_packages(python: Path) -> Path:
    """Return an interpreter's package directory, which differs on Debian."""
    command: list[str | Path] = [python, "-c", "import site; print(site.getsitepackages()[-1])"]
    return Path(subprocess.run(command, capture_output=True, text=True).stdout.strip())


def test_system_package_is_symlinked(host_with_wheels: Host) -> None:
    python = private_interpreter(host_with_wheels.directory / "opt/python")
    system = interpreter_packages(python)
    assert system.is_relative_to(host_with_wheels.directory)
    (system / "libthing").mkdir(parents=True)
    (system / "libthing/__init__.py").write_text("SOURCE = 'system'\n")
    (system / "libthingmod.py").write_text("")
    (system / "other.py").write_text("")
    host_with_wheels.python = str(python)
    host_with_wheels.declare(["beta"], system_packages=["libthing"])

    host_with_wheels.assert_converges()

    assert host_with_wheels.run_python("import libthing; print(libthing.SOURCE)") == "system"
    assert (host_with_wheels.site / "libthing").is_symlink()
    assert not (host_with_wheels.site / "other.py").exists()
    assert not (host_with_wheels.site / "libthingmod.py").exists()


def test_wheel_does_not_divert_system_packages(host: Host) -> None:
    python = private_interpreter(host.directory / "opt/python")
    system = interpreter_packages(python)
    system.mkdir(parents=True, exist_ok=True)
    (system / "libthing.py").write_text("SOURCE = 'system'\n")
    data = {"data/lib/aaa/site-packages/other.py": ""}
    make_wheel(host.wheels, "diverting", "1.0", data=data)
    host.python = str(python)
    host.declare(["diverting"], system_packages=["libthing"])

    host.assert_converges()

    assert host.run_python("import libthing; print(libthing.SOURCE)") == "system"


@pytest.mark.parametrize("noise", ["old\\n", "no end of line"])
def test_interpreter_output_at_startup_is_ignored(host_with_wheels: Host, noise: str) -> None:
    """For example, an error in a `.pth` file, or a warning."""
    python = private_interpreter(host_with_wheels.directory / "opt/python")
    system = interpreter_packages(python)
    assert system.is_relative_to(host_with_wheels.directory)
    system.mkdir(parents=True, exist_ok=True)
    (system / "libthing.py").write_text("SOURCE = 'system'\n")
    (system / "noisy.pth").write_text(f"import sys; sys.stderr.write('{noise}')\n")
    host_with_wheels.python = str(python)
    host_with_wheels.declare(["beta"], system_packages=["libthing"], system_site_packages=True)

    host_with_wheels.assert_converges()

    assert host_with_wheels.run_python("import libthing; print(libthing.SOURCE)") == "system"


def test_missing_system_package_is_reported(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"], system_packages=["no_such_module"])

    failed = host_with_wheels.apply()

    assert failed.code == 1
    assert "with the module `no_such_module`" in failed.first["error"]["message"]
    assert not host_with_wheels.venv.exists()
