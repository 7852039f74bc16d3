"""A new generation reuses unchanged, intact packages of existing generations."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from engine.frozen import replace
from engine.system.files import sha256
from states.venv.integrity.manifest import encode_manifest, load_manifest, stat_entry
from states.venv.integrity.receipt import read_receipt, write_receipt
from tests.integration.host import MINOR, Host
from tests.integration.mount_namespaces import UNPRIVILEGED_UID
from tests.support import backend
from tests.support.wheels import make_project, make_wheel, record_row

MODULE = f"lib/{MINOR}/site-packages/beta/__init__.py"
RECORD = f"lib/{MINOR}/site-packages/beta-1.0.dist-info/RECORD"
MALICIOUS = '__version__ = "malicious"\n'


def declare_two(host: Host, **keys: object) -> None:
    """Declare a second venv with the same packages."""
    host.declare(
        ["beta<2"],
        f'[venv.other]\npath = "venvs/other"\npython = "{host.python}"\npackages = ["beta<2"]\n'
        'find-links = ["wheels"]\nno-index = true\n',
        **keys,
    )


def version_of_other(host: Host) -> str:
    return (host.directory / "venvs/other" / MODULE).read_text()


def forge(generation: Path) -> None:
    """Change a module, and update RECORD, the manifest and the receipt to match."""
    root = str(generation)
    receipt = read_receipt(root)
    assert receipt is not None
    manifest = load_manifest(root, receipt.manifest)
    assert manifest is not None
    (generation / RECORD).write_text(
        (generation / RECORD)
        .read_text()
        .replace(record_row((generation / MODULE).read_text()), record_row(MALICIOUS))
    )
    (generation / MODULE).write_text(MALICIOUS)
    for path in (MODULE, RECORD):
        manifest[path] = stat_entry(root, path, manifest[path].package)
    dumped = encode_manifest(manifest)
    (generation / ".converge/manifest.json").write_bytes(dumped)
    packages = tuple(replace(package, record="") for package in receipt.packages)
    write_receipt(replace(receipt, manifest=sha256(dumped), packages=packages), root)


def test_package_is_reused_from_another_venv(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta<2"])
    host_with_wheels.apply_ok()
    declare_two(host_with_wheels)

    done = host_with_wheels.apply_ok()

    assert "reusing" in done.err
    assert "installing" not in done.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("chowned", [".", ".converge"])
def test_package_isnt_reused_if_another_user_owns_metadata(
    host_with_wheels: Host, chowned: str
) -> None:
    host_with_wheels.declare(["beta<2"])
    host_with_wheels.apply_ok()
    os.chown(host_with_wheels.generation / chowned, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
    forge(host_with_wheels.generation)
    declare_two(host_with_wheels)

    done = host_with_wheels.apply()

    assert done.resource("venv.other")["outcome"] == "changed"
    assert version_of_other(host_with_wheels) == '__version__ = "1.0"\n'


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_only_unmodified_packages_of_an_owner_are_reused(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta<2"], owner="nobody")
    host_with_wheels.apply_ok()
    declare_two(host_with_wheels, owner="nobody")
    assert "installing" not in host_with_wheels.apply_ok().err
    (host_with_wheels.generation / MODULE).write_text(MALICIOUS)
    (host_with_wheels.directory / "venvs/other").unlink()
    (host_with_wheels.directory / "venvs/.other").rename(host_with_wheels.directory / "away")

    done = host_with_wheels.apply_ok()

    assert version_of_other(host_with_wheels) == '__version__ = "1.0"\n'
    assert host_with_wheels.run_python("import beta; print(beta.__version__)") == "1.0"
    assert "reusing" in done.err


@pytest.mark.parametrize("key", ["persistent", "ignore"])
def test_package_with_untracked_files_is_installed_again(host_with_wheels: Host, key: str) -> None:
    make_wheel(
        host_with_wheels.wheels, "service", "1.0", data={"data/etc/service/service.conf": "x"}
    )
    pattern = {"persistent": "etc/service", "ignore": "etc/service/*"}[key]
    keys: dict[str, Any] = {key: [pattern]}
    host_with_wheels.declare(["service", "beta<2"], **keys)
    host_with_wheels.apply_ok()
    host_with_wheels.declare(["service", "beta<2", "gamma"], **keys)

    done = host_with_wheels.apply_ok()

    assert "downloading again" not in done.err
    assert "reusing" in done.err
    assert "installing 2 of 3 packages" in done.err
    assert (host_with_wheels.venv / "etc/service/service.conf").read_text() == "x"


def test_package_with_vendored_metadata_is_reused(host_with_wheels: Host) -> None:
    """setuptools vendors such metadata. The files that its RECORD lists don't exist."""
    vendored = "service/_vendor/old-1.0.dist-info"
    files = {
        f"{vendored}/METADATA": "Name: old\nVersion: 1.0\n",
        f"{vendored}/RECORD": "../bin/old,,\n",
    }
    make_wheel(host_with_wheels.wheels, "service", "1.0", files=files)
    host_with_wheels.declare(["service", "beta<2"])
    host_with_wheels.apply_ok()
    host_with_wheels.declare(["service", "beta<2", "gamma"])

    done = host_with_wheels.apply_ok()

    assert "installing 1 of 3 packages" in done.err
    assert (host_with_wheels.site / vendored / "RECORD").is_file()


def test_replaced_file_of_a_version_is_named(host_with_wheels: Host) -> None:
    """Someone built `beta` 1.0 again."""
    host_with_wheels.declare(["beta<2", "gamma"])
    host_with_wheels.apply_ok()
    make_wheel(host_with_wheels.wheels, "beta", "1.0", files={"beta/more.py": ""})

    plan = host_with_wheels.run("plan", "converge.toml", "--upgrade")

    assert "the file of beta 1.0 has the SHA-256" in plan.out
    host_with_wheels.apply_ok("--upgrade")
    assert (host_with_wheels.site / "beta/more.py").is_file()


UNREPRODUCIBLE = """
import time

_original_wheel = _wheel


def _wheel(directory, sources):
    content = f"WHEN = {time.time_ns()}\\n".encode()
    return _original_wheel(directory, {**sources, "tool/built.py": content})
"""


def test_unreproducible_build_is_installed_as_built(host_with_wheels: Host) -> None:
    """The installer rebuilds a project when a file's time changes, and each build differs."""
    source = Path(backend.__file__).read_text() + UNREPRODUCIBLE
    project = make_project(
        host_with_wheels.directory, "tool", "1.0", files={"_build/backend.py": source}
    )
    host_with_wheels.declare(["tool @ ./tool"])
    host_with_wheels.apply_ok()
    os.utime(project / "pyproject.toml")
    host_with_wheels.declare(["tool @ ./tool", "beta<2"])

    done = host_with_wheels.apply_ok()

    assert "downloading again" not in done.err
    installed = (host_with_wheels.site / "tool/built.py").read_text()
    assert (
        host_with_wheels.run_python("from tool import built; print('WHEN =', built.WHEN)")
        == installed[:-1]
    )
    assert list((host_with_wheels.site / "tool/__pycache__").glob("built.*.pyc"))
    assert host_with_wheels.run("verify", "converge.toml").code == 0
    host_with_wheels.assert_no_changes()
