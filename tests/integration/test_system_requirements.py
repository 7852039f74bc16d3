"""`requires-system`: packages of the distribution are checked, and never installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.debs import Debs, private_debs
from tests.integration.host import Host
from tests.support.command import Completed, changes


@pytest.fixture
def debs(tmp_path: Path) -> Iterator[Debs]:
    """Yield an empty database of dpkg with one unrelated package."""
    with private_debs(tmp_path) as debs:
        debs.install("unrelated")
        yield debs


def error_of(done: Completed) -> dict[str, str]:
    """Return the error of the only resource."""
    error: dict[str, str] = done.first["error"]
    return error


def test_missing_packages_are_reported_with_the_command(host_with_wheels: Host, debs: Debs) -> None:
    host_with_wheels.declare(["beta"], requires_system=["libzero", "unrelated", "libone >= 2"])
    for command in (host_with_wheels.plan, host_with_wheels.apply):
        done = command(prefix=debs.prefix)
        assert done.code == 1
        error = error_of(done)
        assert error["message"] == (
            "`requires-system`: libzero isn't installed, libone isn't installed"
        )
        assert error["hint"].endswith("run: apt-get install libone libzero")
    assert not host_with_wheels.venv.exists()


def test_installed_and_provided_packages_satisfy(host_with_wheels: Host, debs: Debs) -> None:
    debs.install("libreal", "3.1-2", Provides="libvirtual (= 3.1-2), libplain")
    requirements = ["libreal >= 3.1", "libvirtual>=3.0", "libplain", "unrelated"]
    host_with_wheels.declare(["beta"], requires_system=requirements)
    host_with_wheels.apply_ok(prefix=debs.prefix)
    assert host_with_wheels.versions() == {"beta": "2.0"}


def test_version_that_is_too_low_is_named(host_with_wheels: Host, debs: Debs) -> None:
    debs.install("libold", "1:2.9~rc1")
    debs.install("other", Provides="libplain")
    host_with_wheels.declare(["beta"], requires_system=["libold >= 1:2.9", "libplain >= 1"])
    message = error_of(host_with_wheels.plan(prefix=debs.prefix))["message"]
    assert message == (
        "`requires-system`: libold 1:2.9~rc1 is older than 1:2.9, libplain isn't installed"
    )


def test_hint_covers_all_venvs(host_with_wheels: Host, debs: Debs) -> None:
    other = '[venv.api]\npath = "api"\npackages = []\nrequires-system = ["libapi", "libboth"]\n'
    present = '[venv.ok]\npath = "ok"\npackages = []\nrequires-system = ["unrelated"]\n'
    host_with_wheels.declare(
        ["beta"], requires_system=["libapp", "libboth"], more=f"{other}{present}"
    )
    done = host_with_wheels.plan(prefix=debs.prefix)
    resources = {resource["address"]: resource for resource in done.report["resources"]}
    for address in ("venv.app", "venv.api"):
        hint = resources[address]["error"]["hint"]
        assert hint.endswith(
            "for venv.api and venv.app, run: apt-get install libapi libapp libboth"
        )
    assert "libapi" not in resources["venv.app"]["error"]["message"]
    assert resources["venv.ok"]["outcome"] == "would-change"


def test_removed_package_is_drift_until_it_is_installed(host_with_wheels: Host, debs: Debs) -> None:
    debs.install("libgone")
    host_with_wheels.declare(["beta"], requires_system=["libgone"])
    host_with_wheels.apply_ok(prefix=debs.prefix)
    generation = host_with_wheels.generation
    assert host_with_wheels.check(prefix=debs.prefix).code == 0

    debs.dpkg("--remove", "libgone")
    drifted = host_with_wheels.check(prefix=debs.prefix)
    assert drifted.code == 2
    assert changes(drifted.first) == {"system.libgone": ("missing", "installed")}
    assert host_with_wheels.apply(prefix=debs.prefix).code == 1

    debs.install("libgone", "2.0")
    again = host_with_wheels.apply_ok(prefix=debs.prefix)
    assert not again.report["changed"]
    assert host_with_wheels.generation == generation


def test_added_requirement_builds_no_generation(host_with_wheels: Host, debs: Debs) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.apply_ok(prefix=debs.prefix)
    host_with_wheels.declare(["beta"], requires_system=["unrelated"])
    assert not host_with_wheels.apply_ok(prefix=debs.prefix).report["changed"]


def test_command_may_install_the_package_first(host_with_wheels: Host, debs: Debs) -> None:
    debs.install("liblate")
    debs.dpkg("--remove", "liblate")
    file = next(debs.directory.glob("liblate*.deb"))
    argv = ["dpkg", "--log=/dev/null", "--force-not-root", "--force-bad-path", "-i", str(file)]
    host_with_wheels.declare(
        ["beta"],
        requires_system=["liblate"],
        needs=["command.install"],
        more=f"[command.install]\nargv = {json.dumps(argv)}\n",
    )
    assert host_with_wheels.plan(prefix=debs.prefix).code == 0
    host_with_wheels.apply_ok(prefix=debs.prefix)
    assert host_with_wheels.versions() == {"beta": "2.0"}


def test_no_op_starts_no_program(host_with_wheels: Host, debs: Debs) -> None:
    debs.install("libreal", "2.0")
    host_with_wheels.declare(["beta"], requires_system=["libreal >= 1.0"])
    host_with_wheels.apply_ok(prefix=debs.prefix)
    # Otherwise the comparison of versions would fail.
    broken = ["sh", "-ec", 'mount --bind /dev/null /usr/bin/dpkg; exec "$@"', "sh"]
    prefix = [*debs.prefix, "unshare", "--mount", *broken]
    assert not host_with_wheels.apply_ok(prefix=prefix).report["changed"]
    debs.install("unrelated", "2.0")
    changed = host_with_wheels.apply(prefix=prefix)
    assert (changed.code, "`dpkg` failed" in error_of(changed)["message"]) == (1, True)


def test_host_without_package_manager_is_an_error(host_with_wheels: Host, tmp_path: Path) -> None:
    hide = [
        f"test ! -e {path} || mount -t tmpfs none {path}"
        for path in ("/var/lib/rpm", "/lib/apk/db", "/usr/lib/sysimage/rpm")
    ]
    with private_debs(tmp_path, hide) as debs:
        (tmp_path / "dpkg/status").unlink()
        for name in ("info", "updates", "triggers", "alternatives", "parts"):
            (tmp_path / "dpkg" / name).rmdir()
        host_with_wheels.declare(["beta"], requires_system=["libpq5"])
        done = host_with_wheels.plan(prefix=debs.prefix)
    assert done.code == 1
    assert "has no database of dpkg, rpm, or apk" in error_of(done)["message"]


@pytest.mark.parametrize("text", ["", "libpq5 > 1", "libpq5 >=", ">= 1", "a b", "-y", "lib;id"])
def test_invalid_requirement_is_an_error(host: Host, text: str) -> None:
    host.declare([], requires_system=[text])
    done = host.plan()
    assert done.code == 65
    (problem,) = done.report["problems"]
    assert problem["message"].startswith("invalid requirement")
